"""Rows of batch_jobs for people's eyes. Anybody may have written them: nothing in them is taken for granted, or for
markup.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from aggregation_pipeline.batch_jobs.browse import DayTrend, JobRow

# What is asked for goes to stdout; eighty columns, the width where there is no terminal, would break ids.
console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
_COLORS = {"completed": "green", "failed": "red", "in_progress": "cyan", "pending": "yellow", "skipped": "yellow"}
_BAR = 30


def print_json(value: object) -> None:
    """Print JSON with times in ISO 8601."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def show_jobs(rows: Sequence[JobRow], zone: ZoneInfo) -> None:
    """Print a line a job."""
    table = Table()
    for heading, justify in (
        ("id", ""),
        ("status", ""),
        ("created", ""),
        ("seconds", "r"),
        ("items", "r"),
        ("platforms", ""),
    ):
        table.add_column(heading, justify="right" if justify else "left", no_wrap=heading == "id")
    for row in rows:
        done, planned = row["platforms_processed"] or (), _at(row, "planned") or ()
        platforms = ", ".join(map(str, done)) + (
            f" ({len(done)} of {len(planned)})" if len(planned) > len(done) else ""
        )
        cells = (
            _status(row["status"]),
            _moment(row["created_at"], zone),
            _seconds(row),
            _number(row["total_items"]),
            Text(platforms),
        )
        table.add_row(str(row["id"]), *cells)
    console.print(table)


def show_job(row: JobRow, zone: ZoneInfo) -> None:
    """Print a job: columns, platforms, errors, files."""
    console.print(Text.assemble("Job ", (str(row["id"]), "bold"), f" ({row['job_type']}): ", _status(row["status"])))
    for name in ("created_at", "started_at", "completed_at"):
        console.print(f"  {name:<13} {_moment(row[name], zone)}")
    console.print(f"  {'total_items':<13} {_number(row['total_items'])}")
    results = _at(row, "results")
    if isinstance(results, Mapping) and results:
        table = Table()
        for heading in ("platform", "status", "items", "partitions", "seconds"):
            table.add_column(heading, justify="right" if heading in {"items", "partitions", "seconds"} else "left")
        for name, result in results.items():
            numbers = (_number(result.get(key)) for key in ("items", "partitions", "seconds"))
            table.add_row(Text(name), _status(result.get("status")), *numbers)
        console.print(table)
        for result in results.values():
            for file in result.get("files", ()):
                console.print(Text(f"  {file.get('uri')}"), soft_wrap=True)
    # What fails all tables alike is told once.
    told: dict[str, list[str]] = {}
    for error in _at(row, "errors") or ():
        told.setdefault(str(error.get("error")), []).append(str(error.get("table") or "run"))
    for words, tables in told.items():
        console.print(Text.assemble((f"{', '.join(dict.fromkeys(tables))}: ", "red"), words))
    if _at(row, "mirror_error"):
        console.print(Text(f"Recorded without its metadata: {_at(row, 'mirror_error')}", style="yellow"))


def show_trend(days: Sequence[DayTrend]) -> None:
    """Print the seed's table, with a bar a day: succeeded, failed, and whatever is neither yet."""
    most = max((day.total_jobs for day in days), default=1)
    table = Table()
    for heading in ("date", "total_jobs", "successful", "failed", "avg_items", ""):
        table.add_column(heading, justify="right" if heading not in {"date", ""} else "left")
    for day in days:
        counts = (day.successful, day.failed, day.total_jobs - day.successful - day.failed)
        bar = Text.assemble(
            *(
                ("█" * _cells(count, most), color)
                for count, color in zip(counts, ("green", "red", "yellow"), strict=True)
            )
        )
        average = "" if day.avg_items is None else f"{day.avg_items:,.1f}"
        table.add_row(str(day.date), str(day.total_jobs), str(day.successful), str(day.failed), average, bar)
    console.print(table)


def _cells(count: int, most: int) -> int:
    # One failure among a thousand is what people look for: it gets a cell.
    return max(1, round(count * _BAR / most)) if count else 0


def _status(status: object) -> Text:
    return Text(str(status), style=_COLORS.get(str(status), ""))


def _moment(moment: datetime | None, zone: ZoneInfo) -> str:
    return "" if moment is None else f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def _seconds(row: JobRow) -> str:
    began, ended = row["started_at"], row["completed_at"]
    return f"{(ended - began).total_seconds():,.1f}" if began and ended else ""


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, (int, float)) else ""


def _at(row: JobRow, name: str) -> Any:  # noqa: ANN401 - JSON of anybody
    metadata = row["metadata"]
    return metadata.get(name) if isinstance(metadata, Mapping) else None
