"""What stands beside a table's assets in Dagster, for people who have not read aggregation.yaml."""

from collections.abc import Iterable, Iterator

from aggregation_pipeline.assets.configured_table import ConfiguredTable
from aggregation_pipeline.assets.partitions import PERIODS
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.formats.registry import FORMATS
from aggregation_pipeline.runs.asset_keys import MANIFEST
from aggregation_pipeline.storage.keys import manifest_key, window_key

# Stands for a window's name in a path.
_WINDOW = "<window>"


def table_words(job: ConfiguredTable) -> str:
    """Description of the table's own asset."""
    return _laid_out(job.entry.description or _asked(job.entry), _facts(job))


def export_words(job: ConfiguredTable, name: str) -> str:
    """Description of one format's asset."""
    entry = job.entry
    names = FORMATS[name].file_names(entry.name, _WINDOW, entry.datasets, entry.options).values()
    files = " and ".join(f"`{window_key('', entry.name, _WINDOW, file)}`" for file in names)
    return _laid_out(f"The {_said(entry)} as {name}.", [("Files", files), *_facts(job)])


def manifest_words(job: ConfiguredTable) -> str:
    """Description of the manifest's asset."""
    entry = job.entry
    first = (
        f"The {MANIFEST} of {entry.name}, written last: it names every file of a window with rows, bytes and checksum."
    )
    return _laid_out(first, [("File", f"`{manifest_key('', entry.name, _WINDOW)}`"), *_facts(job)])


def _laid_out(first: str, facts: Iterable[tuple[str, str]]) -> str:
    return "\n".join([first.strip(), "", *(f"- **{name}:** {words}" for name, words in facts)])


def _facts(job: ConfiguredTable) -> Iterator[tuple[str, str]]:
    entry = job.entry
    if entry.partition is None or job.partitions is None:
        yield "Windows", "the whole table, each time that it runs"
    else:
        start = entry.partition.start.removesuffix("T00:00")
        period = PERIODS[entry.partition.every]
        yield "Windows", f"{period}, by {_code(entry.partition.column)} in {job.partitions.timezone}, from {start} on"
    if entry.where is not None:
        yield "Only rows where", _code(entry.where)
    yield (
        "Runs",
        (
            f"at {', '.join(_code(cron) for cron in job.crons)} in {job.zone.key}"
            if job.crons
            else "when somebody starts it"
        ),
    )
    masks = {name: rule for name, rule in entry.mask.items() if rule != "keep"}
    if masks:
        yield "Masked", ", ".join(f"{_code(name)} ({rule})" for name, rule in masks.items())


def _asked(entry: TableEntry) -> str:
    """What the entry asks for, where nobody has said what it is for."""
    keys = f" by {', '.join(key.name for key in entry.group_by)}" if entry.group_by else ""
    summary = f"Aggregates{keys}" if "summary" in entry.datasets else ""
    detail = "rows" if summary else "Rows"
    return (
        f"{' and '.join(filter(None, (summary, detail if entry.select_fields else '')))} of {entry.table}, in one"
        " snapshot."
    )


def _said(entry: TableEntry) -> str:
    return f"{' and '.join(entry.datasets)} of {entry.name}"


def _code(text: str) -> str:
    return f"`{text}`" if "`" not in text else f"`` {text} ``"
