"""The descriptions of a table's assets in Dagster, for people who have not read aggregation.yaml."""

from collections.abc import Iterable, Iterator
from typing import Final

from aggregation_pipeline.assets.configured_table import ConfiguredTable
from aggregation_pipeline.assets.partitions import PERIODS
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.formats.registry import FORMATS
from aggregation_pipeline.runs.asset_keys import MANIFEST
from aggregation_pipeline.storage.keys import manifest_key, window_key

# Replaces a window's name in a path.
_WINDOW: Final = "<window>"


def table_description(table: ConfiguredTable) -> str:
    """Describe the table's own asset."""
    return _lay_out(table.entry.description or _computed(table.entry), _properties(table))


def export_description(table: ConfiguredTable, name: str) -> str:
    """Describe the asset of one format."""
    entry = table.entry
    names = FORMATS[name].file_names(entry.name, _WINDOW, entry.datasets, entry.options).values()
    files = " and ".join(f"`{window_key('', entry.name, _WINDOW, file)}`" for file in names)
    first = f"The {' and '.join(entry.datasets)} of {entry.name} as {name}."
    return _lay_out(first, [("Files", files), *_properties(table)])


def manifest_description(table: ConfiguredTable) -> str:
    """Describe the asset of the manifest."""
    name = table.entry.name
    first = f"The {MANIFEST} of {name}, written last: it names every file of a window with rows, bytes and checksum."
    return _lay_out(first, [("File", f"`{manifest_key('', name, _WINDOW)}`"), *_properties(table)])


def _lay_out(first: str, properties: Iterable[tuple[str, str]]) -> str:
    return "\n".join([first.strip(), "", *(f"- **{name}:** {text}" for name, text in properties)])


def _properties(table: ConfiguredTable) -> Iterator[tuple[str, str]]:
    entry = table.entry
    if entry.source is not None:
        yield "Source", _code(entry.source)
    yield "Windows", _windows(table)
    if entry.where is not None:
        yield "Only rows where", _code(entry.where)
    if entry.having is not None:
        yield "Only groups having", _code(entry.having)
    crons = ", ".join(_code(cron) for cron in table.crons)
    yield "Runs", f"at {crons} in {table.zone.key}" if crons else "when somebody starts it"
    masks = {name: rule for name, rule in entry.mask.items() if rule != "keep"}
    if masks:
        yield "Masked", ", ".join(f"{_code(name)} ({rule})" for name, rule in masks.items())


def _windows(table: ConfiguredTable) -> str:
    partition = table.entry.partition
    if partition is None or table.partitions is None:
        return "the whole table, each time that it runs"
    start = partition.start.removesuffix("T00:00")
    zone = table.partitions.timezone
    return f"{PERIODS[partition.every]}, by {_code(partition.column)} in {zone}, from {start} on"


def _computed(entry: TableEntry) -> str:
    """What the entry computes, for an entry without a description."""
    keys = f" by {', '.join(key.name for key in entry.group_by)}" if entry.group_by else ""
    datasets = [f"aggregates{keys}"] if "summary" in entry.datasets else []
    datasets += ["rows"] if entry.select_fields else []
    text = f"{' and '.join(datasets)} of {entry.table}, in one snapshot."
    return text[0].upper() + text[1:]


def _code(text: str) -> str:
    return f"`{text}`" if "`" not in text else f"`` {text} ``"
