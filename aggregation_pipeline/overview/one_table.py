"""One table, with all that is known of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from dagster import DagsterInstance

from aggregation_pipeline.assets.keys import manifest_key, table_key
from aggregation_pipeline.batch_jobs.pages import PageFilter
from aggregation_pipeline.batch_jobs.repository import BatchJobRepository
from aggregation_pipeline.overview import values
from aggregation_pipeline.overview.batches import Batch, BatchFile, BatchPage, file_of, read_batches
from aggregation_pipeline.overview.history import Day
from aggregation_pipeline.overview.schedules import NextTick
from aggregation_pipeline.overview.table_lines import TableLine
from aggregation_pipeline.overview.usual import Usual
from aggregation_pipeline.runs.latest_checks import LatestCheck, checks_of
from aggregation_pipeline.runs.refresh_cursor import Asked, RefreshCursor
from aggregation_pipeline.runs.tags import FILES_KEY, WINDOW_KEY

_BATCHES: Final = 20
_MOST_FILES: Final = 500


@dataclass(frozen=True)
class OneTable:
    """A table.

    Attributes:
        line: as in the list, with its last error.
        description: of its entry.
        schedule: its schedule, with the next tick; None for a table that only people start.
        files: of what it published last, by their stable names; they come from Dagster, not from batch_jobs.
        files_window: the window that these files are of; the newest that was published, not the newest in time.
        checks: each check as it was last evaluated, those that failed first. As `files`, None if Dagster could not be
            read.
        batches: its newest, at most 20, the newest first; None if batch_jobs could not be read.
        more_batches: whether there are older ones.
        days: its figures by day, as `Morning.days`.
        usual_rows: of its rows a day, over the days before today.
        usual_seconds: of its seconds a day.
        refresh: how the sensor of late data asked it last; None if it never did.
    """

    line: TableLine
    description: str | None
    schedule: NextTick | None
    files: Sequence[BatchFile] | None
    files_window: str | None
    checks: Sequence[LatestCheck] | None
    batches: Sequence[Batch] | None
    more_batches: bool
    days: Sequence[Day]
    usual_rows: Usual | None
    usual_seconds: Usual | None
    refresh: Asked | None


@dataclass(frozen=True)
class TableEvents:
    """What Dagster's events say of one table."""

    files: Sequence[BatchFile]
    files_window: str | None
    checks: Sequence[LatestCheck]
    refresh: Asked | None


def read_table_events(instance: DagsterInstance, name: str) -> TableEvents:
    """Read them. Raises MirrorError, and the errors of Dagster's storage."""
    manifest = manifest_key(name)
    event = instance.get_latest_materialization_event(manifest)
    stored: dict[str, Any] = {}
    if event is not None and event.asset_materialization is not None:
        stored = {label: each.value for label, each in event.asset_materialization.metadata.items()}
    # The check of the names for people is the manifest's.
    checks = sorted(checks_of(instance, [table_key(name), manifest]), key=lambda check: check.passed)
    files = [file_of(values.members(file)) for file in values.items(stored.get(FILES_KEY), _MOST_FILES)]
    asked = RefreshCursor.stored(instance).of(name)
    return TableEvents(files, values.text(stored.get(WINDOW_KEY)), checks, asked if asked.at else None)


def read_table_batches(rows: BatchJobRepository, job_type: str, line: TableLine) -> BatchPage:
    """Read the newest batches of a table. Raises MirrorError."""
    return read_batches(rows, PageFilter(job_type, platform=line.platform, entry=line.name), None, _BATCHES)
