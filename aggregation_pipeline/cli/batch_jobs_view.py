"""Rows of batch_jobs as tables in the terminal.

Any program may have written a row, so a value may be missing, of another type, or look like rich's markup.
"""

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table
from rich.text import Text

from aggregation_pipeline.batch_jobs.browse import DayTrend, JobRow
from aggregation_pipeline.cli.common import show_json
from aggregation_pipeline.overview import values

# The answer of a command goes to stdout. Without a terminal rich takes eighty columns, which would break ids.
console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
_COLORS = {"completed": "green", "failed": "red", "in_progress": "cyan", "pending": "yellow", "skipped": "yellow"}
_BAR_CELLS = 30
# Of a row: more than ours ever hold.
_MOST = 10_000
_NUMBERS = {"items", "partitions", "seconds", "total_jobs", "successful", "failed", "avg_items"}


def print_json(value: object) -> None:
    """Print JSON with times in ISO 8601."""
    show_json(value, str)


def show_jobs(rows: Sequence[JobRow], zone: ZoneInfo) -> None:
    """Print one line for each job."""
    table = _table("id", "status", "created", "seconds", "items", "platforms")
    table.columns[0].no_wrap = True
    for row in rows:
        done, planned = row["platforms_processed"] or (), values.items(_metadata(row).get("planned"), _MOST)
        count = f" ({len(done)} of {len(planned)})" if len(planned) > len(done) else ""
        table.add_row(
            str(row["id"]),
            _status(row["status"]),
            _moment(row["created_at"], zone),
            _seconds(row),
            _number(row["total_items"]),
            Text(", ".join(map(str, done)) + count),
        )
    console.print(table)


def show_job(row: JobRow, zone: ZoneInfo) -> None:
    """Print one job: its columns, platforms, files and errors."""
    console.print(Text.assemble("Job ", (str(row["id"]), "bold"), f" ({row['job_type']}): ", _status(row["status"])))
    for name in ("created_at", "started_at", "completed_at"):
        console.print(f"  {name:<13} {_moment(row[name], zone)}")
    console.print(f"  {'total_items':<13} {_number(row['total_items'])}")
    metadata = _metadata(row)
    _show_platforms(row, metadata)
    _show_errors(values.items(metadata.get("errors"), _MOST))
    if metadata.get("mirror_error"):
        console.print(Text(f"Recorded without its metadata: {metadata['mirror_error']}", style="yellow"))


def _show_platforms(row: JobRow, metadata: Mapping[str, Any]) -> None:
    """Print the platforms: those of `results`, or of rows of other programs those of `platforms_processed`."""
    results = {name: values.members(result) for name, result in values.members(metadata.get("results")).items()}
    table = _table("platform", "status", "items", "partitions", "seconds")
    for name, result in results.items():
        numbers = (_number(result.get(key)) for key in ("items", "partitions", "seconds"))
        table.add_row(Text(name), _status(result.get("status", "")), *numbers)
    if not results:
        for name in dict.fromkeys(map(str, row["platforms_processed"] or ())):
            table.add_row(Text(name), "", _number(values.count(metadata.get(f"{name}_items"))), "", "")
    if table.row_count:
        console.print(table)
    for result in results.values():
        for file in values.items(result.get("files"), _MOST):
            if uri := values.text(values.members(file).get("uri")):
                console.print(Text(f"  {uri}"), soft_wrap=True)


def _show_errors(errors: Sequence[Any]) -> None:
    """Print each error once, with all tables that failed with it."""
    tables_of: dict[str, list[str]] = {}
    for error in errors:
        found = values.members(error)
        text, table = found.get("error", error), found.get("table") or found.get("platform") or "run"
        tables_of.setdefault(str(text), []).append(str(table))
    for text, tables in tables_of.items():
        console.print(Text.assemble((f"{', '.join(dict.fromkeys(tables))}: ", "red"), text))


def show_trend(days: Sequence[DayTrend]) -> None:
    """Print one line for each day, with a bar: succeeded, failed, and jobs that are neither yet."""
    most = max((day.total_jobs for day in days), default=1)
    table = _table("date", "total_jobs", "successful", "failed", "avg_items", "")
    for day in days:
        counts = {"green": day.successful, "red": day.failed, "yellow": day.total_jobs - day.successful - day.failed}
        bar = Text.assemble(*(("█" * _cells(count, most), color) for color, count in counts.items()))
        average = "" if day.avg_items is None else f"{day.avg_items:,.1f}"
        table.add_row(str(day.date), str(day.total_jobs), str(day.successful), str(day.failed), average, bar)
    console.print(table)


def _table(*headings: str) -> Table:
    table = Table()
    for heading in headings:
        table.add_column(heading, justify="right" if heading in _NUMBERS else "left")
    return table


def _cells(count: int, most: int) -> int:
    # People look for the one failure among a thousand, so it gets a cell too.
    return max(1, round(count * _BAR_CELLS / most)) if count else 0


def _status(status: object) -> Text:
    return Text(str(status), style=_COLORS.get(str(status), ""))


def _moment(moment: datetime | None, zone: ZoneInfo) -> str:
    return "" if moment is None else f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def _seconds(row: JobRow) -> str:
    began, ended = row["started_at"], row["completed_at"]
    return f"{(ended - began).total_seconds():,.1f}" if began and ended else ""


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, (int, float)) else ""


def _metadata(row: JobRow) -> Mapping[str, Any]:
    metadata = row["metadata"]
    return metadata if isinstance(metadata, Mapping) else {}
