"""What goes on in a deployment: its batches, tables and schedules, at one moment."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from dagster import DagsterInstance

from aggregation_pipeline.automation.job_groups import groups_of
from aggregation_pipeline.batch_jobs.pages import Figures, PageFilter
from aggregation_pipeline.batch_jobs.repository import OpenRepository
from aggregation_pipeline.errors import ConfigError, SettingsError
from aggregation_pipeline.health.dagster_storage import outage_of_storage
from aggregation_pipeline.overview.batches import Batch, BatchPage, read_batches
from aggregation_pipeline.overview.schedules import NextTick, next_ticks
from aggregation_pipeline.overview.tables import TableState, table_states
from aggregation_pipeline.project import Project
from aggregation_pipeline.settings.base import Settings

# The success rate and the averages are about so many days.
DAYS: Final = 7
# So many batches that have not ended are listed. All of them are counted.
_OPEN_BATCHES: Final = 50
# For all questions to batch_jobs together.
_READ_SECONDS: Final = 10.0
NEWEST_BATCHES: Final = 20
_OPEN: Final = ("pending", "in_progress")


@dataclass(frozen=True)
class Snapshot:
    """What goes on.

    Attributes:
        figures: of the job type of this deployment, over the last DAYS.
        open_batches: those that run or wait, the newest first.
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
        self._read_project = read_project
        self._open_rows = open_rows
        self._project: Project | None = None
        self._table_is_there = False

    def __call__(self) -> Snapshot:
        """Read one.

        Raises:
            MirrorError: batch_jobs or Dagster's events cannot be read.
            SettingsError: Dagster's storage cannot be read.
        """
        config_usable = False
        with suppress(ConfigError, SettingsError):
            self._project = self._read_project()
            config_usable = True
        project, kind = self._project, self._settings.batch_job_type
        now = datetime.now(UTC)
        with self._open_rows(_READ_SECONDS) as rows:
            if not self._table_is_there:
                # As the mirror does, which may not have looked yet: nothing has run then, and that is no error.
                rows.ensure_table()
                self._table_is_there = True
            figures = rows.figures(kind, now - timedelta(days=DAYS))
            newest = read_batches(rows, PageFilter(kind), None, NEWEST_BATCHES)
            unfinished = read_batches(rows, PageFilter(kind, _OPEN, newest_only=True), None, _OPEN_BATCHES)
            failed = read_batches(rows, PageFilter(kind, ("failed",), newest_only=True), None, 1)
            with outage_of_storage():
                tables = () if project is None else table_states(project, self._instance, rows, now)
                schedules = () if project is None else next_ticks(groups_of(project), self._instance, now)
        return Snapshot(
            at=now,
            figures=figures,
            open_batches=unfinished.batches,
            newest=newest,
            last_failed=next(iter(failed.batches), None),
            schedules=schedules,
            tables=tables,
            config_usable=config_usable,
        )
