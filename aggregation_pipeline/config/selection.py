"""Finds the entries and tables that a user asks for by name, and suggests the right name for a wrong one."""

import re
from collections.abc import Callable, Collection, Sequence
from typing import Final

import yaml
from pydantic import ValidationError

from aggregation_pipeline.config.columns import COUNT_ROWS
from aggregation_pipeline.config.messages.likely_causes import foreign_sign
from aggregation_pipeline.config.messages.suggestions import did_you_mean, existing_names
from aggregation_pipeline.config.pipeline_config import PipelineConfig
from aggregation_pipeline.config.source_kinds import DEFAULT_KIND
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import ConfigError

_BETWEEN_NAMES: Final = re.compile(r"[，、；;|]")
_AROUND_NAMES: Final = re.compile(r"^[\[({'\"]|[\])}'\"]$")


def list_problem(name: str) -> str:
    """Why a "name" is rather a list in another syntax; empty if it is not."""
    for is_wrong, message in (
        (_BETWEEN_NAMES.search(name), "separate names by commas, as in users,orders"),
        (name == "*", "for all entries leave the option or variable out"),
        (_AROUND_NAMES.search(name), "write names without brackets and quotes, as in users,orders"),
    ):
        if is_wrong:
            return f"{sign}; {message}" if (sign := foreign_sign(name)) else message
    return ""


def select_tables(
    config: PipelineConfig,
    names: Sequence[str] | None,
    *,
    warn: Callable[[str], None],
    file: str = "aggregation.yaml",
    kind: str = DEFAULT_KIND,
) -> tuple[TableEntry, ...]:
    """The entries named in AGGREGATION_TABLES, in its order; all entries if it names none.

    A table without an entry has its rows counted, and `warn` is called with the entry to write. `file` is the name of
    the configuration in messages, `kind` that of the database without a name.

    Raises:
        ConfigError: a name can be no table's, or there is no table at all.
    """
    wanted = list(dict.fromkeys(name.strip() for name in names or () if name.strip()))
    if not wanted and not config.tables:
        # A run of nothing would succeed, each night.
        raise ConfigError(
            f"there is no table: there is nothing under tables in {file}, and AGGREGATION_TABLES names none. "
            "Write an entry; this one counts the rows of a table:\n\ntables:\n  users: {}"
        )
    if not wanted:
        return config.tables
    entries = {entry.name: entry for entry in config.tables}
    by_case = {name.casefold(): entry for name, entry in reversed(entries.items())}
    selected = {}
    for name in wanted:
        entry = entries.get(name) or by_case.get(name.casefold())
        if entry is None:
            entry = _entry_that_counts(name, file, kind).with_project_defaults(
                config.options, config.source_limits, names=config.names, keep_versions=config.keep_versions
            )
            warn(_entry_to_write(name, list(entries)))
        elif entry.name != name:
            warn(f"AGGREGATION_TABLES names {name!r}; the entry {entry.name!r} was taken, which differs in case only.")
        selected[entry.name] = entry
    return tuple(selected.values())


def select_names(names: Sequence[str], known: Collection[str]) -> tuple[str, ...]:
    """The names in `known` that are asked for, in upper or lower case; in the order of `names`, each once.

    Raises:
        ConfigError: a name does not exist; the nearest one is suggested.
    """
    exact, by_case = set(known), {name.casefold(): name for name in known}
    found = {name: name if name in exact else by_case.get(name.casefold()) for name in names}
    unknown = [name for name, right in found.items() if right is None]
    if unknown:
        raise ConfigError(
            f"no table named {', '.join(map(repr, unknown))} is configured{list_known(unknown[0], known)}"
        )
    return tuple(dict.fromkeys(filter(None, found.values())))


def list_known(name: str, known: Collection[str]) -> str:
    """The end of a message about a name that does not exist: the names that do, and the one that was probably meant."""
    if problem := list_problem(name):
        return f"; there are {', '.join(known)}. {problem[0].upper()}{problem[1:]}"
    return f"; {existing_names(name, known)}"


def _entry_that_counts(name: str, file: str, kind: str) -> TableEntry:
    # A list written with the wrong separators is no table; a table that really has such a name gets an entry.
    if problem := list_problem(name):
        raise ConfigError(f"AGGREGATION_TABLES names {name!r}, which has no entry in {file}: {problem}.")
    try:
        return TableEntry(name=name, source_kind=kind)
    except ValidationError as error:
        message = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        raise ConfigError(
            f"AGGREGATION_TABLES names {name!r}, which has no entry in {file} and can be no table: {message}"
        ) from None


def _entry_to_write(name: str, known: list[str]) -> str:
    body = {"tables": {name: {"aggregations": [{"function": COUNT_ROWS.function, "alias": COUNT_ROWS.alias}]}}}
    entry = yaml.safe_dump(body, allow_unicode=True, sort_keys=False, width=1000)
    return (
        f"AGGREGATION_TABLES names {name!r}, which has no entry in the config: its rows are counted."
        f"{did_you_mean(name, known)} The entry to write:\n{entry}"
    )
