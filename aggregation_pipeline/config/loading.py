"""aggregation.yaml -> PipelineConfig. All mistakes of the file come in one ConfigError, each with its place, key and
remedy.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from aggregation_pipeline.config.invalid_entries import TABLES, frozen, report, with_placeholders
from aggregation_pipeline.config.issues import HIDDEN, to_issues, unknown_key
from aggregation_pipeline.config.messages.nearest import nearest
from aggregation_pipeline.config.model import COUNT_ROWS, PipelineConfig, TableEntry
from aggregation_pipeline.config.selection import list_problem
from aggregation_pipeline.config.yaml.document import (
    ConfigIssue,
    Document,
    SourceLocation,
    as_found,
    read_document,
    spelled,
)
from aggregation_pipeline.errors import ConfigError

DEFAULT_CONFIG: Final = Path(__file__).with_name("aggregation.yaml")


def load_config(path: Path = DEFAULT_CONFIG) -> PipelineConfig:
    """Read the file, or the one shipped with the package.

    Raises:
        ConfigError: lists every mistake as `file:line:column: tables.users.aggregations[0].function: ...`.
    """
    document = read_document(path)
    config, mistakes = _judged(document)
    if config is None or mistakes:
        raise ConfigError(report(path, mistakes))
    return config


def load_usable(path: Path, content: bytes | None = None) -> tuple[PipelineConfig, dict[str, str]]:
    """The same, but entries with mistakes of their own do not keep the others from being used.

    What can be told of such an entry stands in its place, with the words in `mistakes`. Entries by names that nothing
    can have are left out; returned beside the config are their words, by name. `content` is that of the file, where
    somebody has read it already.

    Raises:
        ConfigError: mistakes outside of the entries, all in one.
    """
    document = read_document(path, content)
    config, mistakes = _judged(document)
    if config is None or mistakes:
        return with_placeholders(document, mistakes, _judged)
    return config, {}


def _judged(document: Document) -> tuple[PipelineConfig | None, list[ConfigIssue]]:
    """The config, and all mistakes that are in it."""
    mistakes = list(document.mistakes)
    data, keys = _arranged(document, mistakes)
    config = None
    try:
        data = frozen(data)
        config = PipelineConfig.model_validate(data, strict=True)
    except ValidationError as error:
        # What could not be read as YAML is said already.
        said = {mistake.key for mistake in document.mistakes}
        mistakes += [mistake for mistake in to_issues(error, document.spot, keys, data) if mistake.key not in said]
    return config, mistakes


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
            entry = _counted(name, file).within(
                config.options, config.source_limits, names=config.names, keep_versions=config.keep_versions
            )
            warn(_advice(name, list(entries)))
        elif entry.name != name:
            warn(f"AGGREGATION_TABLES names {name!r}; the entry {entry.name!r} was taken, which differs in case only.")
        chosen[entry.name] = entry
    return tuple(chosen.values())


def _counted(name: str, file: str) -> TableEntry:
    # Such a name is none's but by mistake; a table that really has it gets an entry.
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
    hint = nearest(name, known)
    return (
        f"AGGREGATION_TABLES names {name!r}, which has no entry in the config: its rows are counted.{hint} The entry to"
        f" write:\n{entry}"
    )


def _arranged(document: Document, mistakes: list[ConfigIssue]) -> tuple[dict[str, Any], dict[str, str]]:
    """The document in the shape of the model, entries as a list; and what the file calls `tables`."""
    if not isinstance(document.data, dict):
        mistakes.append(document.spot.mistake(f"a mapping with the key tables is expected, {as_found(document.data)}"))
        return {}, {}
    data: dict[str, Any] = {key: value for key, value in document.data.items() if key not in TABLES}
    spellings = [key for key in document.data if key in TABLES]
    if not spellings:
        mistakes.append(document.spot.mistake("tables: the key is missing; under it stands what is made of each table"))
        return data, {}
    key = spellings[0]
    mistakes += [
        document.spot.inner[other].mistake(f"{other}: means the same as {key}; keep one") for other in spellings[1:]
    ]
    data["tables"] = _entries(key, document.data[key], document.spot.inner[key], mistakes)
    return data, {"tables": key}


def _entries(key: str, tables: Any, spot: SourceLocation, mistakes: list[ConfigIssue]) -> list[Any]:  # noqa: ANN401
    """The entries in file order. Names that differ in case only would meet in one folder on many a disk."""
    if not isinstance(tables, dict | None):
        mistakes.append(
            spot.mistake(f"{key}: a mapping from tables to what is made of them is expected, {as_found(tables)}")
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
            mistakes.append(spot.inner[name].mistake(f"{spelled([key, name])}: {words}; {remedy}"))
    return [_entry([key, name], body, spot.inner[name], mistakes) for name, body in entries.items()]


def _entry(path: list[str], body: Any, spot: SourceLocation, mistakes: list[ConfigIssue]) -> Any:  # noqa: ANN401
    """One entry's mapping, with the name and line that its place in the file gives it."""
    if not isinstance(body, dict | None):
        return body
    given = HIDDEN & (body or {}).keys()
    mistakes += [spot.inner[key].mistake(f"{spelled([*path, key])}: {unknown_key(key, TableEntry)}") for key in given]
    return (body or {}) | {"name": path[-1], "line": spot.line}
