"""aggregation.yaml -> PipelineConfig. One ConfigError lists all issues of the file, each with its place and remedy."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from aggregation_pipeline.config.columns import COUNT_ROWS
from aggregation_pipeline.config.invalid_entries import TABLES, report_issues, with_placeholders, with_tuples
from aggregation_pipeline.config.issues import to_issues
from aggregation_pipeline.config.messages.found_values import found
from aggregation_pipeline.config.messages.located_issues import format_key_path
from aggregation_pipeline.config.messages.suggestions import did_you_mean
from aggregation_pipeline.config.pipeline_config import PipelineConfig
from aggregation_pipeline.config.selection import list_problem
from aggregation_pipeline.config.table_entry import INTERNAL_FIELDS, TableEntry
from aggregation_pipeline.config.unknown_keys import unknown_key
from aggregation_pipeline.config.yaml.document import Document, read_document
from aggregation_pipeline.config.yaml.locations import ConfigIssue, SourceLocation
from aggregation_pipeline.errors import ConfigError

DEFAULT_CONFIG: Final = Path(__file__).with_name("aggregation.yaml")


def load_config(path: Path = DEFAULT_CONFIG) -> PipelineConfig:
    """Read the file, or the one shipped with the package.

    Raises:
        ConfigError: lists every issue as `file:line:column: tables.users.aggregations[0].function: ...`.
    """
    document = read_document(path)
    config, issues = _validate(document)
    if config is None or issues:
        raise ConfigError(report_issues(path, issues))
    return config


def load_usable_config(path: Path, content: bytes | None = None) -> tuple[PipelineConfig, dict[str, str]]:
    """Read the file, and keep valid entries usable when others are invalid.

    An invalid entry becomes a placeholder, with the report of its issues in `issues`. Entries whose names nothing can
    have are left out; their reports are returned beside the config, by name. `content` is that of the file, if it has
    been read already.

    Raises:
        ConfigError: lists the issues outside of the entries.
    """
    document = read_document(path, content)
    config, issues = _validate(document)
    if config is None or issues:
        return with_placeholders(document, issues, _validate)
    return config, {}


def select_tables(
    config: PipelineConfig, names: Sequence[str] | None, *, warn: Callable[[str], None], file: str = DEFAULT_CONFIG.name
) -> tuple[TableEntry, ...]:
    """The entries named in AGGREGATION_TABLES, in its order; all entries if it names none.

    A table without an entry has its rows counted, and `warn` is called with the entry to write. `file` is the name of
    the configuration in messages.

    Raises:
        ConfigError: a name can be no table's, or there is no table at all.
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
    by_case = {name.casefold(): entry for name, entry in reversed(entries.items())}
    selected = {}
    for name in wanted:
        entry = entries.get(name) or by_case.get(name.casefold())
        if entry is None:
            entry = _entry_that_counts(name, file).with_project_defaults(
                config.options, config.source_limits, names=config.names, keep_versions=config.keep_versions
            )
            warn(_entry_to_write(name, list(entries)))
        elif entry.name != name:
            warn(f"AGGREGATION_TABLES names {name!r}; the entry {entry.name!r} was taken, which differs in case only.")
        selected[entry.name] = entry
    return tuple(selected.values())


def _entry_that_counts(name: str, file: str) -> TableEntry:
    # A list written with the wrong separators is no table; a table that really has such a name gets an entry.
    if problem := list_problem(name):
        raise ConfigError(f"AGGREGATION_TABLES names {name!r}, which has no entry in {file}: {problem}.")
    try:
        return TableEntry(name=name)
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


def _validate(document: Document) -> tuple[PipelineConfig | None, list[ConfigIssue]]:
    """The config, if the models accept the document; and all issues."""
    issues = list(document.issues)
    data, spellings = _in_shape_of_model(document, issues)
    config = None
    try:
        data = with_tuples(data)
        config = PipelineConfig.model_validate(data, strict=True)
    except ValidationError as error:
        # What could not be read as YAML has been reported already.
        reported = {issue.key for issue in document.issues}
        issues += [issue for issue in to_issues(error, document.location, spellings, data) if issue.key not in reported]
    return config, issues


def _in_shape_of_model(document: Document, issues: list[ConfigIssue]) -> tuple[dict[str, Any], dict[str, str]]:
    """The document with its entries as a list, and the file's spelling of `tables`."""
    root = document.location
    if not isinstance(document.data, dict):
        issues.append(root.issue(f"a mapping with the key tables is expected, {found(document.data)}"))
        return {}, {}
    data: dict[str, Any] = {key: value for key, value in document.data.items() if key not in TABLES}
    spellings = [key for key in document.data if key in TABLES]
    if not spellings:
        issues.append(root.issue("tables: the key is missing; under it stands what is made of each table"))
        return data, {}
    key = spellings[0]
    issues += [root.children[other].issue(f"{other}: means the same as {key}; keep one") for other in spellings[1:]]
    data["tables"] = _entries(key, document.data[key], root.children[key], issues)
    return data, {"tables": key}


def _entries(key: str, tables: object, location: SourceLocation, issues: list[ConfigIssue]) -> list[object]:
    """The entries in file order. Names that differ in case only are refused: on many disks they are one folder."""
    if not isinstance(tables, dict | None):
        issues.append(
            location.issue(f"{key}: a mapping from tables to what is made of them is expected, {found(tables)}")
        )
        return []
    # Nothing under tables means no entries, as {} does: AGGREGATION_TABLES may name tables without an entry.
    entries = tables or {}
    seen: dict[str, str] = {}
    for name in entries:
        first = seen.setdefault(name.casefold(), name)
        if first != name:
            message = (
                f"the table is there twice, as {first} in line {location.children[first].line}; names have to differ in"
                " more than case. To use one table in two entries, give the entries different names, and the table by"
                " the key table"
            )
            issues.append(location.children[name].issue(f"{format_key_path([key, name])}: {message}"))
    return [_entry([key, name], body, location.children[name], issues) for name, body in entries.items()]


def _entry(path: list[str], body: object, location: SourceLocation, issues: list[ConfigIssue]) -> object:
    """The mapping of one entry, with the name and line that its place in the file gives it."""
    if not isinstance(body, dict | None):
        return body
    given = INTERNAL_FIELDS & (body or {}).keys()
    issues += [
        location.children[key].issue(f"{format_key_path([*path, key])}: {unknown_key(key, TableEntry)}")
        for key in given
    ]
    return (body or {}) | {"name": path[-1], "line": location.line}
