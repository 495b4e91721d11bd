"""What pages ask for: the morning, one table, one batch."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Final
from uuid import UUID

from dagster import DagsterInstance

from aggregation_pipeline.batch_jobs.pages import PageFilter, Position
from aggregation_pipeline.batch_jobs.repository import OpenRepository
from aggregation_pipeline.errors import MirrorError, SettingsError
from aggregation_pipeline.health.probe import Probe
from aggregation_pipeline.overview.batches import Batch, BatchPage, read_batches
from aggregation_pipeline.overview.bounded import Bounded
from aggregation_pipeline.overview.dagster_state import DagsterState, read_dagster
from aggregation_pipeline.overview.days import end_of, start_of
from aggregation_pipeline.overview.history import Days, Recent, joined, read_days, read_recent, usual_of
from aggregation_pipeline.overview.kept import Kept, Times
from aggregation_pipeline.overview.morning import Away, Morning, Parts, days_of_table, put_together
from aggregation_pipeline.overview.one_batch import OneBatch, read_batch
from aggregation_pipeline.overview.one_table import OneTable, TableEvents, read_table_batches, read_table_events
from aggregation_pipeline.overview.run_detail import RunDetail, run_detail
from aggregation_pipeline.overview.sources import LastProject, with_table
from aggregation_pipeline.project import Project
from aggregation_pipeline.runs.asset_keys import segment
from aggregation_pipeline.settings.base import Settings

# For the questions of one part.
_RECENT_SECONDS: Final = 10.0
_PAST_SECONDS: Final = 30.0
_PAGE_SECONDS: Final = 4.0
_BATCHES_OF_A_DAY: Final = 50
# The days before yesterday hardly change: they are read again after ten minutes, and may be three hours old.
_PAST_TIMES: Final = Times(fresh=600.0, recent=3600.0, oldest=10_800.0)
# Whoever loads a page again after a minute waits for nothing, and sees what was true then; the next time, what is now.
_TIMES: Final = Times(fresh=3.0, recent=60.0, oldest=300.0)


class Overview:
    """Reads them. May be used from any thread and any event loop.

    `probes` are those of `/health`: what they have found is shown, and nobody waits for them here. `open_rows` is as
    `kept_repository` makes it.
    """

    def __init__(
        self,
        settings: Settings,
        instance: DagsterInstance,
        read_project: Callable[[], Project],
        open_rows: OpenRepository,
        probes: Sequence[Probe] = (),
    ) -> None:
        self._settings = settings
        self._instance = instance
        self._last = LastProject(read_project)
        self._open_rows = open_rows
        self._open_with_table = with_table(open_rows)
        self._probes = probes
        self._joined: tuple[Recent, Days | None, Days] | None = None
        self._ask_dagster = Bounded()
        self._dagster = Kept("morning: Dagster", self._read_dagster, _TIMES)
        self._recent = Kept("morning: today's batches", self._read_recent, _TIMES)
        self._past = Kept("morning: batches of the last days", self._read_past, _PAST_TIMES)

    async def morning(self) -> Morning:
        """Return it, a few seconds old where its parts can be read. It never raises, and waits a bounded time."""
        for probe in self._probes:
            # It asks anew, in a thread of its own, where too long ago; what it finds is for those who come later.
            probe.ask()
        dagster, recent, past = await asyncio.gather(self._dagster.wait(), self._recent.wait(), self._past.wait())
        failing: dict[Away, bool] = {
            # Before the first usable configuration nobody can say which tables there are.
            "config": self._dagster.is_failing and self._last.project is None,
            "dagster": self._dagster.is_failing and self._last.project is not None,
            "batch_jobs": self._recent.is_failing,
            "history": self._past.is_failing,
        }
        away = [name for name, is_failing in failing.items() if is_failing]
        days = None if recent is None else self._all_days(recent.value, None if past is None else past.value)
        parts = Parts(dagster, recent, past, days, away)
        outcomes = [(probe, probe.outcome()) for probe in self._probes]
        return put_together(parts, outcomes, datetime.now(UTC), self._settings.zone)

    def table(self, name: str, morning: Morning) -> OneTable | None:
        """Return one of the tables of this morning; None if it has none of that name. Blocks, for a bounded time."""
        line = next((line for line in morning.tables if line.name == name), None)
        if line is None:
            return None
        events: TableEvents | None = None
        with suppress(MirrorError, SettingsError):
            events = self._ask_dagster(read_table_events, self._instance, name)
        batches = None
        with suppress(MirrorError), self._open_rows(_PAGE_SECONDS) as rows:
            batches = read_table_batches(rows, self._settings.batch_job_type, line)
        days = days_of_table(morning, name)
        usual_rows, usual_seconds = usual_of(days)
        return OneTable(
            line=line,
            description=self._description(name),
            schedule=next((tick for tick in morning.schedules if name in tick.tables), None),
            files=events.files if events else None,
            files_window=events.files_window if events else None,
            checks=events.checks if events else None,
            batches=batches.batches if batches else None,
            more_batches=batches is not None and batches.end is not None,
            days=days,
            usual_rows=usual_rows,
            usual_seconds=usual_seconds,
            refresh=events.refresh if events else None,
        )

    def batch(self, batch_id: UUID) -> OneBatch | None:
        """Return a batch; None if neither batch_jobs nor Dagster has one of that id. Blocks, for a bounded time.

        Raises:
            MirrorError, SettingsError: batch_jobs or Dagster cannot be read, and the other does not know the batch.
        """
        stored, problem = None, None
        try:
            with self._open_rows(_PAGE_SECONDS) as rows:
                stored = read_batch(rows, batch_id)
        except MirrorError as error:
            problem = error
        if stored is not None:
            run = self._run_of(stored.detail.batch)
            return OneBatch(batch_id, stored.detail, stored.tables, run, stored.difference)
        if self._ask_dagster(self._instance.get_run_by_id, str(batch_id)) is not None:
            run = self._ask_dagster(run_detail, self._instance, str(batch_id), self._names())
            return OneBatch(batch_id, None, (), run, None)
        if problem is not None:
            raise problem
        return None

    def day(
        self, day: date, status: str | None, table: str | None, after: Position | None, morning: Morning
    ) -> BatchPage:
        """Return a page of the batches that were created on a day of the project's clock; of one table if one is named.

        Raises:
            MirrorError: batch_jobs cannot be read.
        """
        platform = next((line.platform for line in morning.tables if line.name == table), table)
        wanted = PageFilter(
            self._settings.batch_job_type,
            None if status is None else (status,),
            platform,
            entry=table,
            since=start_of(day, self._settings.zone),
            until=end_of(day, self._settings.zone),
        )
        with self._open_rows(_PAGE_SECONDS) as rows:
            return read_batches(rows, wanted, after, _BATCHES_OF_A_DAY)

    def _all_days(self, recent: Recent, past: Days | None) -> Days:
        """Join them once, as long as they are the same: 500 tables have 15,000 days."""
        known = self._joined
        if known is None or known[0] is not recent or known[1] is not past:
            known = self._joined = (recent, past, joined(past, recent.days))
        return known[2]

    def _run_of(self, batch: Batch) -> RunDetail | None:
        if batch.run_id is None or batch.deployment != self._settings.deployment_name:
            return RunDetail()
        with suppress(MirrorError, SettingsError):
            return self._ask_dagster(run_detail, self._instance, batch.run_id, self._names())
        return None

    def _read_dagster(self) -> DagsterState:
        config_usable = self._last.read()
        if self._last.project is None:
            raise SettingsError("aggregation.yaml cannot be read")
        return read_dagster(self._last.project, self._instance, datetime.now(UTC), config_usable=config_usable)

    def _read_recent(self) -> Recent:
        settings = self._settings
        with self._open_with_table(_RECENT_SECONDS) as rows:
            now = datetime.now(UTC)
            return read_recent(rows, settings.batch_job_type, settings.deployment_name, now, settings.zone)

    def _read_past(self) -> Days:
        settings = self._settings
        with self._open_with_table(_PAST_SECONDS) as rows:
            now = datetime.now(UTC)
            return read_days(rows, settings.batch_job_type, settings.deployment_name, now, settings.zone)

    def _names(self) -> dict[str, str]:
        project = self._last.project
        return {} if project is None else {segment(table.entry.name): table.entry.name for table in project.tables}

    def _description(self, name: str) -> str | None:
        project = self._last.project
        tables = project.tables if project else ()
        return next((table.entry.description for table in tables if table.entry.name == name), None)
