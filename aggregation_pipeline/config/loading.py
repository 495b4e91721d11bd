"""aggregation.yaml -> PipelineConfig. All issues of the file come in one ConfigError, each with its place, key and
remedy.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from aggregation_pipeline.config.columns import COUNT_ROWS
from aggregation_pipeline.config.invalid_entries import TABLES, frozen, report, with_placeholders
from aggregation_pipeline.config.issues import INTERNAL_FIELDS, to_issues, unknown_key
from aggregation_pipeline.config.messages.suggestions import did_you_mean
from aggregation_pipeline.config.pipeline_config import PipelineConfig
from aggregation_pipeline.config.selection import list_problem
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.config.yaml.document import (
    ConfigIssue,
    Document,
    SourceLocation,
    as_found,
    format_key_path,
    read_document,
)
from aggregation_pipeline.errors import ConfigError

DEFAULT_CONFIG: Final = Path(__file__).with_name("aggregation.yaml")


def load_config(path: Path = DEFAULT_CONFIG) -> PipelineConfig:
    """Read the file, or the one shipped with the package.

    Raises:
        ConfigError: lists every issue as `file:line:column: tables.users.aggregations[0].function: ...`.
    """
    document = read_document(path)
    config, issues = _judged(document)
    if config is None or issues:
        raise ConfigError(report(path, issues))
    return config


def load_usable_config(path: Path, content: bytes | None = None) -> tuple[PipelineConfig, dict[str, str]]:
    """The same, but entries with issues of their own do not keep the others from being used.

    What can be told of such an entry stands in its place, with the words in `issues`. Entries by names that nothing
    can have are left out; returned beside the config are their words, by name. `content` is that of the file, where
    somebody has read it already.

    Raises:
        ConfigError: issues outside of the entries, all in one.
    """
    document = read_document(path, content)
    config, issues = _judged(document)
    if config is None or issues:
        return with_placeholders(document, issues, _judged)
    return config, {}


def _judged(document: Document) -> tuple[PipelineConfig | None, list[ConfigIssue]]:
    """The config, and all issues that are in it."""
    issues = list(document.issues)
    data, keys = _arranged(document, issues)
    config = None
    try:
        data = frozen(data)
        config = PipelineConfig.model_validate(data, strict=True)
    except ValidationError as error:
        # What could not be read as YAML is said already.
        said = {issue.key for issue in document.issues}
        issues += [issue for issue in to_issues(error, document.spot, keys, data) if issue.key not in said]
    return config, issues


def select_tables(
    config: PipelineConfig, names: Sequence[str] | None, *, warn: Callable[[str], None], file: str = DEFAULT_CONFIG.name
) -> tuple[TableEntry, ...]:
    """The entries that AGGREGATION_TABLES asks for, in its order; all of them where it names none.

    A table without an entry has its rows counted, and `warn` is called with the entry to write. `file` is what messages
    call the configuration.

    Raises:
        ConfigError: a name can be no table's; there is no table at all.
    """
    wanted = list(dict.fromkeys(name.strip() for name in names or () if name.strip()))
    if not wanted and not config.tables:
        # A run of nothing would succeed, each night.
        raise ConfigError(
            f"there is no table: nothing stands under tables in {file}, and AGGREGATION_TABLES names none. "
            "Write an entry; this one counts the rows of a table:\n\ntables:\n  users: {}"
        )
    if not wanted:
        return config.tables
    entries = {entry.name: entry for entry in config.tables}
    chosen = {}
    for name in wanted:
        entry = entries.get(name) or next(
            (entry for entry in config.tables if entry.name.casefold() == name.casefold()), None
        )
        if entry is None:
            entry = _counted(name, file).with_project_defaults(
                config.options, config.source_limits, names=config.names, keep_versions=config.keep_versions
            )
            warn(_advice(name, list(entries)))
        elif entry.name != name:
            warn(f"AGGREGATION_TABLES names {name!r}; the entry {entry.name!r} was taken, which differs in case only.")
        chosen[entry.name] = entry
    return tuple(chosen.values())


def _counted(name: str, file: str) -> TableEntry:
    # Such a name is none's but by issue; a table that really has it gets an entry.
    if problem := list_problem(name):
        raise ConfigError(f"AGGREGATION_TABLES names {name!r}, which has no entry in {file}: {problem}.")
    try:
        return TableEntry(name=name)
    except ValidationError as error:
        words = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        raise ConfigError(
            f"AGGREGATION_TABLES names {name!r}, which has no entry in {file} and can be no table: {words}"
        ) from None


def _advice(name: str, known: list[str]) -> str:
    body = {"tables": {name: {"aggregations": [{"function": COUNT_ROWS.function, "alias": COUNT_ROWS.alias}]}}}
    entry = yaml.safe_dump(body, allow_unicode=True, sort_keys=False, width=1000)
    hint = did_you_mean(name, known)
    return (
        f"AGGREGATION_TABLES names {name!r}, which has no entry in the config: its rows are counted.{hint} The entry to"
        f" write:\n{entry}"
    )


def _arranged(document: Document, issues: list[ConfigIssue]) -> tuple[dict[str, Any], dict[str, str]]:
    """The document in the shape of the model, entries as a list; and what the file calls `tables`."""
    if not isinstance(document.data, dict):
        issues.append(document.spot.issue(f"a mapping with the key tables is expected, {as_found(document.data)}"))
        return {}, {}
    data: dict[str, Any] = {key: value for key, value in document.data.items() if key not in TABLES}
    spellings = [key for key in document.data if key in TABLES]
    if not spellings:
        issues.append(document.spot.issue("tables: the key is missing; under it stands what is made of each table"))
        return data, {}
    key = spellings[0]
    issues += [
        document.spot.inner[other].issue(f"{other}: means the same as {key}; keep one") for other in spellings[1:]
    ]
    data["tables"] = _entries(key, document.data[key], document.spot.inner[key], issues)
    return data, {"tables": key}


def _entries(key: str, tables: Any, spot: SourceLocation, issues: list[ConfigIssue]) -> list[Any]:  # noqa: ANN401
    """The entries in file order. Names that differ in case only would meet in one folder on many a disk."""
    if not isinstance(tables, dict | None):
        issues.append(
            spot.issue(f"{key}: a mapping from tables to what is made of them is expected, {as_found(tables)}")
        )
        return []
    # Nothing under tables is no table, as {} is: AGGREGATION_TABLES may name tables that have no entry.
    entries = tables or {}
    seen: dict[str, str] = {}
    for name in entries:
        first = seen.setdefault(name.casefold(), name)
        if first != name:
            words = (
                f"the table is there twice, as {first} in line {spot.inner[first].line}, and case alone tells no names"
                " apart"
            )
            remedy = "to cut one table in two ways, give the entries different names, and the table by the key table"
            issues.append(spot.inner[name].issue(f"{format_key_path([key, name])}: {words}; {remedy}"))
    return [_entry([key, name], body, spot.inner[name], issues) for name, body in entries.items()]


def _entry(path: list[str], body: Any, spot: SourceLocation, issues: list[ConfigIssue]) -> Any:  # noqa: ANN401
    """One entry's mapping, with the name and line that its place in the file gives it."""
    if not isinstance(body, dict | None):
        return body
    given = INTERNAL_FIELDS & (body or {}).keys()
    issues += [
        spot.inner[key].issue(f"{format_key_path([*path, key])}: {unknown_key(key, TableEntry)}") for key in given
    ]
    return (body or {}) | {"name": path[-1], "line": spot.line}
