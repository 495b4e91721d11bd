"""aggregation.yaml -> PipelineConfig. One ConfigError lists all issues of the file, each with its place and remedy."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from aggregation_pipeline.config.entry_keys import INTERNAL_FIELDS
from aggregation_pipeline.config.invalid_entries import TABLES, with_placeholders
from aggregation_pipeline.config.issues import to_issues
from aggregation_pipeline.config.messages.found_values import found
from aggregation_pipeline.config.messages.located_issues import format_key_path
from aggregation_pipeline.config.one_or_more import with_tuples
from aggregation_pipeline.config.pipeline_config import PipelineConfig
from aggregation_pipeline.config.sources import kind_of_entry, kinds_of_sources
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.config.unknown_keys import unknown_key
from aggregation_pipeline.config.yaml.document import Document, read_document
from aggregation_pipeline.config.yaml.locations import ConfigIssue, SourceLocation, report_issues
from aggregation_pipeline.errors import ConfigError

DEFAULT_CONFIG: Final = Path(__file__).with_name("aggregation.yaml")
# All sources that the file says nothing else of are of the default kind.
NO_KINDS: Final[Mapping[str | None, str]] = {}


def load_config(
    path: Path = DEFAULT_CONFIG, sources: Collection[str] = (), kinds: Mapping[str | None, str] = NO_KINDS
) -> PipelineConfig:
    """Read the file, or the one shipped with the package.

    `sources` are the names of those that variables make; `kinds` are those that variables name, by the source, where
    None is the database without a name.

    Raises:
        ConfigError: lists every issue as `file:line:column: tables.users.aggregations[0].function: ...`.
    """
    return config_of(read_document(path), sources, kinds)


def config_of(
    document: Document, sources: Collection[str] = (), kinds: Mapping[str | None, str] = NO_KINDS
) -> PipelineConfig:
    """Return the config that a document holds.

    Raises:
        ConfigError: as for `load_config`.
    """
    config, issues = _validate(document, sources, kinds)
    if config is None or issues:
        raise ConfigError(report_issues(document.path, issues))
    return config


def load_usable_config(
    path: Path,
    content: bytes | None = None,
    sources: Collection[str] = (),
    kinds: Mapping[str | None, str] = NO_KINDS,
) -> tuple[PipelineConfig, dict[str, str]]:
    """Read the file, and keep valid entries usable when others are invalid.

    An invalid entry becomes a placeholder, with the report of its issues in `issues`. Entries whose names nothing can
    have are left out; their reports are returned beside the config, by name. `content` is that of the file, if it has
    been read already. `sources` and `kinds` are as for `load_config`.

    Raises:
        ConfigError: lists the issues outside of the entries.
    """
    document = read_document(path, content)
    config, issues = _validate(document, sources, kinds)
    if config is None or issues:
        return with_placeholders(document, issues, lambda part: _validate(part, sources, kinds), kinds)
    return config, {}


def _validate(
    document: Document, sources: Collection[str], kinds: Mapping[str | None, str]
) -> tuple[PipelineConfig | None, list[ConfigIssue]]:
    """The config, if the models accept the document; and all issues."""
    issues = list(document.issues)
    entries, spellings = _in_shape_of_model(document, issues, kinds)
    data = with_tuples(entries)
    config = None
    try:
        config = PipelineConfig.model_validate(data, strict=True, context=sources)
    except ValidationError as error:
        # What could not be read as YAML has been reported already.
        reported = {issue.key for issue in document.issues}
        issues += [issue for issue in to_issues(error, document.location, spellings, data) if issue.key not in reported]
    return config, issues


def _in_shape_of_model(
    document: Document, issues: list[ConfigIssue], kinds: Mapping[str | None, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The document with its entries as a list, and the file's spelling of `tables`."""
    root = document.location
    if not isinstance(document.data, dict):
        issues.append(root.issue(f"a mapping with the key tables is expected, {found(document.data)}"))
        return {}, {}
    data: dict[str, Any] = {key: value for key, value in document.data.items() if key not in TABLES}
    spellings = [key for key in document.data if key in TABLES]
    if not spellings:
        issues.append(root.issue("tables: the key is missing; under it the tables are listed"))
        return data, {}
    key = spellings[0]
    issues += [root.children[other].issue(f"{other}: means the same as {key}; keep one") for other in spellings[1:]]
    data["tables"] = _entries(key, document.data[key], root.children[key], issues)
    _set_kinds(data["tables"], kinds_of_sources(data.get("sources"), kinds))
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


def _set_kinds(entries: Sequence[object], kinds: Mapping[str | None, str]) -> None:
    """Tell each entry the kind of its source, which decides how its SQL is read."""
    for entry in entries if kinds else ():
        if isinstance(entry, dict):
            entry.update(kind_of_entry(entry, kinds))


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
