"""Turns the folder of the Node service into the texts of two files, with a list of what became of what."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from aggregation_pipeline.config.yaml.writing import file_text
from aggregation_pipeline.errors import ImportNodeError
from aggregation_pipeline.node_import.code.elsewhere import limits_in
from aggregation_pipeline.node_import.code.sources import NodeProject, open_project, read_source
from aggregation_pipeline.node_import.code.unseen import unseen_rules
from aggregation_pipeline.node_import.entries import (
    SILENT_LIMIT,
    Draft,
    entry_not_read,
    entry_of_rules,
    entry_without_rules,
    with_comments,
)
from aggregation_pipeline.node_import.environment import notes_of_environment, start_variables
from aggregation_pipeline.node_import.evaluating.node import ASK_FOR_JSON
from aggregation_pipeline.node_import.report import Item, Kind
from aggregation_pipeline.node_import.rules import FoundRules, rules_in_force, rules_of_file, rules_of_json
from aggregation_pipeline.node_import.table_lists import Listed, tables_of
from aggregation_pipeline.node_import.variables import secrets_of, variables_of
from aggregation_pipeline.settings.env_file import parse_env_file, read_env_file

_YAML_HEAD: Final = (
    "Made by `aggregation-pipeline import-node`; docs/configuration.md has every key.",
    "Try it with: aggregation-pipeline plan",
)
_ENV_HEAD: Final = (
    "# Made by `aggregation-pipeline import-node`. Node's dotenv and Dagster's services read each line alike.\n"
    "# docs/configuration.md has every variable. New is Dagster's own storage, which `serve` and `run` need:\n"
    '# DAGSTER_PG_URL="postgresql://user:password@localhost:5432/dagster"\n'
)

_FILES: Final = Item(
    "changed",
    "files",
    "here they have other names and another shape: docs/files.md. Where others read those of the old service, write"
    " compat: node above tables: in aggregation.yaml; each tick then writes both",
)


@dataclass
class Imported:
    """What the new project consists of.

    Attributes:
        rules_from: the files whose rules were taken, and those that have rules which are not in force.
        tables: the entries that were made.
    """

    yaml: str
    env: str
    items: list[Item]
    tables: list[str]
    start: str = ""
    rules_from: list[str] = field(default_factory=list)
    not_in_force: list[str] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Whether everything was carried over, changed or not."""
        return not any(item.kind == "not carried" for item in self.items)


def import_rules(text: str, name: str) -> Imported:
    """Take rules that are JSON, without a project.

    Raises:
        ImportNodeError: they are no rules.
    """
    return _imported(None, rules_of_json(_json(text, name), name), {}, "")


def import_project(folder: Path, *, rules: Path | None = None, rules_json: tuple[str, str] | None = None) -> Imported:
    """Take a project.

    Args:
        folder: of the Node service.
        rules: a file of the project whose rules to take, whether it is loaded or not.
        rules_json: JSON to take the rules from, and what it is called.

    Raises:
        ImportNodeError: there is no project, or its rules cannot be evaluated.
        SettingsError: its `.env` cannot be read.
    """
    project = open_project(folder)
    path = project.root / ".env"
    try:
        text = read_env_file(path)
    except FileNotFoundError:
        text = ""
    started = start_variables(project)
    env = parse_env_file(text, path) | started
    try:
        if rules_json is not None:
            found = rules_of_json(_json(*rules_json), rules_json[1])
        else:
            found = rules_in_force(project, env) if rules is None else _chosen(project, rules, env)
    except ImportNodeError as error:
        raise ImportNodeError(_hidden(str(error), secrets_of(env))) from None
    imported = _imported(project, found, env, text)
    imported.items = [
        replace(each, place="package.json") if each.place == ".env" and each.what in started else each
        for each in imported.items
    ]
    others = sorted(
        each.name for each in project.root.glob(".env.*") if each.name not in {".env.example", ".env.sample"}
    )
    if others:
        imported.items.append(
            Item("not carried", ", ".join(others), "only .env is read: set what differs there by hand", "")
        )
    imported.items += [each for each in notes_of_environment(project, env) if each.what not in others]
    return imported


def _json(text: str, name: str) -> object:
    try:
        return json.loads(text.removeprefix("\ufeff"))
    except (json.JSONDecodeError, RecursionError) as error:
        line = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise ImportNodeError(f"{name}{line}: this is no JSON. It is what JSON.stringify prints of the rules") from None


def _chosen(project: NodeProject, rules: Path, env: Mapping[str, str]) -> FoundRules:
    path = (rules if rules.exists() else project.root / rules).resolve()
    if not path.is_relative_to(project.root):
        raise ImportNodeError(f"{rules} lies outside of {project.root}; a file of the project is expected, or JSON")
    found = rules_of_file(project, read_source(project, path), env)
    found.not_in_force = []
    return found


def _imported(project: NodeProject | None, found: FoundRules, env: Mapping[str, str], text: str) -> Imported:
    secrets = secrets_of(env)
    listing = tables_of(project, found, env)
    listed = listing.names
    if not listed:
        raise ImportNodeError(_nothing(project, found))
    drafts = [entry_of_rules(rules, secrets) for rules in found.tables.values()]
    _refuse_names_that_differ_in_case(drafts)
    by_name = {draft.table: draft for draft in drafts}
    by_name |= {table: entry_not_read(table, place, why) for table, (place, why) in found.lost.items()}
    for table in listed:
        if table not in by_name:
            by_name[table] = _without_rules(table, project, found)
    ordered = [*(by_name[table] for table in listed), *(draft for name, draft in by_name.items() if name not in listed)]
    made = [draft for draft in ordered if draft.values is not None]
    variables = variables_of(env, text, project, [each.table for each in made if each.table in listed], listing.place)
    items = [item for draft in ordered for item in draft.items]
    items += _other_limits(project, made)
    items += [_idle(draft, listing) for draft in made if draft.table not in listed]
    items += [*listing.items, *_of_project(project, found)]
    imported = Imported(
        yaml=file_text(_YAML_HEAD, {draft.table: with_comments(draft) for draft in made}),
        env=_ENV_HEAD + "\n".join([*variables.lines, ""]),
        items=[
            Item(each.kind, each.what, _hidden(each.text, secrets), each.place)
            for each in (*items, *variables.items, _FILES)
        ],
        tables=[draft.table for draft in made],
        start=project.name_of(project.start) if project else "",
        rules_from=found.taken_from,
        not_in_force=[] if found.unknown_loads else found.not_in_force,
    )
    if not made:
        reasons = "\n".join(f"  - {item.what}: {item.text}" for item in imported.items if item.kind == "not carried")
        raise ImportNodeError(f"No table can be carried over:\n{reasons}")
    return imported


def _nothing(project: NodeProject | None, found: FoundRules) -> str:
    """Why there is no table at all."""
    unused = f"; {', '.join(found.not_in_force)} has some, which nothing loads" if found.not_in_force else ""
    lost = f"; {'; '.join(project.not_followed[:5])}" if project and project.not_followed else ""
    return (
        f"No rules are in force in the project{unused}{lost}. And AGGREGATION_TABLES names no table. Name the file that"
        f" has the rules with --rules, or give them as JSON. {ASK_FOR_JSON}"
    )


def _refuse_names_that_differ_in_case(drafts: Sequence[Draft]) -> None:
    seen: dict[str, str] = {}
    for draft in drafts:
        first = seen.setdefault(draft.table.casefold(), draft.table)
        if first != draft.table and draft.values is not None:
            draft.give_up(
                f"it differs from {first} in case only, and names of entries have to differ in more than that"
            )


def _without_rules(table: str, project: NodeProject | None, found: FoundRules) -> Draft:
    """The entry of a table for which no rules were found; none where its rules may be what was not read."""
    unread = [place for place, _ in (*found.failed, *found.lost.values())] + found.unknown_loads
    if project and not found.tables:
        unread += [f"{name} has some, which nothing is seen to load" for name in found.not_in_force]
        unread += unseen_rules(project)
    if unread:
        return entry_not_read(table, "", f"no rules of it were found, and they may be what was not read: {unread[0]}")
    return entry_without_rules(table, "")


def _idle(draft: Draft, listing: Listed) -> Item:
    where = f", at {listing.place}," if listing.place not in {"", ".env"} else ""
    text = f"its entry is there and does not run: AGGREGATION_TABLES, or the list in the code{where} did not name it"
    return Item("carried", draft.table, text, draft.place)


def _other_limits(project: NodeProject | None, made: Sequence[Draft]) -> list[Item]:
    """What to do where the code has another limit than the old service for rules without one."""
    written = [draft.table for draft in made if draft.has_silent_limit]
    if project is None or not written:
        return []
    return [
        Item(
            "not carried",
            "limit",
            f"the code has {limit} here, perhaps for rules without a limit. {SILENT_LIMIT} is written for"
            f" {', '.join(written)}: put it right",
            place,
        )
        for limit, place in dict(limits_in(project)).items()
        if limit != SILENT_LIMIT
    ]


def _of_project(project: NodeProject | None, found: FoundRules) -> list[Item]:
    kind: Kind = "changed"
    text = "it has rules, and nothing loads it: they were not in force and are not taken"
    if found.unknown_loads:
        kind = "not carried"
        text = (
            f"it has rules, and whether they are in force cannot be known: {found.unknown_loads[0]}. They are not"
            " taken; if they should be, name the file with --rules"
        )
    items = [Item(kind, name, text, name) for name in found.not_in_force]
    items += [
        Item("not carried", place, f"this looks like rules and cannot be evaluated: {why}", place)
        for place, why in found.failed
    ]
    text = "its rules are changed here while the service runs, which was not done: see that the entry has the change"
    items += [Item("not carried", table, text, place) for table, place in found.changed]
    if project and project.not_followed and not found.tables:
        items += [
            Item("not carried", "rules", f"{each}; name the file of the rules with --rules")
            for each in project.not_followed
        ]
    return items


def _hidden(text: str, secrets: Sequence[str]) -> str:
    """An error of the old code may quote what it was given."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text
