"""What goes on in a deployment: its batches, tables and schedules, at one moment."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from dagster import DagsterInstance

from aggregation_pipeline.automation.job_groups import groups_of
from aggregation_pipeline.batch_jobs.pages import Figures, PageFilter
from aggregation_pipeline.batch_jobs.repository import OpenRepository
from aggregation_pipeline.health.dagster_storage import outage_of_storage
from aggregation_pipeline.overview.batches import Batch, BatchPage, read_batches, read_open_batches
from aggregation_pipeline.overview.schedules import NextTick, next_ticks
from aggregation_pipeline.overview.sources import LastProject, with_table
from aggregation_pipeline.overview.tables import TableState, table_states
from aggregation_pipeline.project import Project
from aggregation_pipeline.settings.base import Settings

# The success rate and the averages are about so many days.
DAYS: Final = 7
# For all questions to batch_jobs together.
_READ_SECONDS: Final = 10.0
NEWEST_BATCHES: Final = 20


@dataclass(frozen=True)
class Snapshot:
    """What goes on.

    Attributes:
        figures: of the job type of this deployment, over the last DAYS.
        open_batches: the newest OPEN_BATCHES that run or wait, the newest first. `figures` counts all of them.
        newest: the first NEWEST_BATCHES.
        last_failed: the newest batch that failed.
        config_usable: whether aggregation.yaml can be read. If not, schedules and tables are those that were read last.
    """

    at: datetime
    figures: Figures
    open_batches: Sequence[Batch]
    newest: BatchPage
    last_failed: Batch | None
    schedules: Sequence[NextTick]
    tables: Sequence[TableState]
    config_usable: bool


class SnapshotReader:
    """Reads snapshots. One thread at a time may call it."""

    def __init__(
        self,
        settings: Settings,
        instance: DagsterInstance,
        read_project: Callable[[], Project],
        open_rows: OpenRepository,
    ) -> None:
        self._settings = settings
        self._instance = instance
        self._last = LastProject(read_project)
        self._open_rows = with_table(open_rows)

    def __call__(self) -> Snapshot:
        """Read one.

        Raises:
            MirrorError: batch_jobs or Dagster's events cannot be read.
            SettingsError: Dagster's storage cannot be read.
        """
        config_usable = self._last.read()
        project, kind = self._last.project, self._settings.batch_job_type
        now = datetime.now(UTC)
        with self._open_rows(_READ_SECONDS) as rows:
            figures = rows.figures(kind, now - timedelta(days=DAYS))
            newest = read_batches(rows, PageFilter(kind), None, NEWEST_BATCHES)
            open_batches = read_open_batches(rows, kind)
            failed = read_batches(rows, PageFilter(kind, ("failed",), newest_only=True), None, 1)
            with outage_of_storage():
                tables = () if project is None else table_states(project, self._instance, rows, now)
                schedules = () if project is None else next_ticks(groups_of(project), self._instance, now)
        return Snapshot(
            at=now,
            figures=figures,
            open_batches=open_batches,
            newest=newest,
            last_failed=next(iter(failed.batches), None),
            schedules=schedules,
            tables=tables,
            config_usable=config_usable,
        )
