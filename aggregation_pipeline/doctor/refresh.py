"""Late data: whether the tables with `refresh` are asked in time, and windows that have changed are launched again."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from dagster import DagsterInstance

from aggregation_pipeline.assets.configured_table import ConfiguredTable
from aggregation_pipeline.automation.refresh_windows import MOST_PARTITIONS
from aggregation_pipeline.config.durations import parse_duration
from aggregation_pipeline.overview.tables import refreshed
from aggregation_pipeline.project import Project
from aggregation_pipeline.runs.refresh_cursor import Asked
from aggregation_pipeline.source.findings import Finding, ok, warning

# Of `refresh.every` of the table. A tick may be late, and a run takes its time.
_INTERVALS: Final = 3
_LEAST: Final = timedelta(minutes=10)
_DAEMON: Final = "See that the daemon runs, and whether somebody has stopped the sensor refresh: Automation in the UI"
_WAITING: Final = (
    "See why their runs fail or wait. A tick launches 20 runs: more partitions in each (backfill: partitions_per_run),"
    " or a shorter look_back, make it fewer"
)


def refresh_findings(project: Project, instance: DagsterInstance, now: datetime) -> Iterator[Finding]:
    """Yield a finding for each table that is behind, or one that none is; nothing where no table has `refresh`."""
    asked = refreshed(project, instance)
    tables = [table for table in project.tables if table.entry.name in asked and table.entry.issues is None]
    found = [finding for table in tables if (finding := _finding(table, asked[table.entry.name], now)) is not None]
    yield from found
    if tables and not found:
        waiting = sum(each.waiting for each in asked.values())
        yield ok("refresh", f"{len(tables)} tables are asked for late rows in time, and {waiting} windows wait")


def _finding(table: ConfiguredTable, asked: Asked, now: datetime) -> Finding | None:
    """What is wrong with one table; None if nothing is."""
    entry = table.entry
    if entry.refresh is None:
        return None
    name = f"refresh.{entry.name}"
    patience = max(_LEAST, _INTERVALS * parse_duration(entry.refresh.every))
    if asked.problem:
        return warning(name, asked.problem, "The ticks of the sensor refresh in the UI say since when")
    if asked.at is None:
        return warning(name, "it was never asked for late rows", _DAEMON)
    if abs(now - asked.at) > patience:
        last = f"{asked.at:%Y-%m-%d %H:%M} UTC"
        return warning(name, f"it was asked for late rows last at {last}, not every {entry.refresh.every}", _DAEMON)
    if asked.waiting > MOST_PARTITIONS or (asked.since is not None and now > asked.since + patience):
        since = f"; since {asked.since:%Y-%m-%d %H:%M} UTC there has always been one" if asked.since else ""
        return warning(name, f"{asked.waiting} windows whose rows have changed wait to be launched{since}", _WAITING)
    return None
