"""Reading and writing the rows of batch_jobs, in PostgreSQL or through Supabase's REST interface.

BATCH_JOBS_URL decides, else SUPABASE_URL with SUPABASE_KEY, else the rows go into Dagster's own PostgreSQL.
"""

import functools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

import sqlalchemy as sa

from aggregation_pipeline.batch_jobs import browse, table, writer
from aggregation_pipeline.batch_jobs.browse import DayTrend, JobRow, RowFilter
from aggregation_pipeline.batch_jobs.buckets import Buckets
from aggregation_pipeline.batch_jobs.last_day import LastDay, read_last_day
from aggregation_pipeline.batch_jobs.pages import Figures, Page, PageFilter, Position
from aggregation_pipeline.batch_jobs.postgres_errors import mirror_errors
from aggregation_pipeline.batch_jobs.writer import RowState
from aggregation_pipeline.errors import MirrorError
from aggregation_pipeline.postgres.engine import create_engine, deadline
from aggregation_pipeline.runs.model import BatchJobRow, Owner
from aggregation_pipeline.settings.base import Settings


class BatchJobRepository(Protocol):
    """The rows of batch_jobs.

    Every method raises MirrorBusyError where the next try may succeed, else MirrorError.
    """

    def ensure_table(self) -> bool:
        """Create the table where it is missing; returns whether it was."""

    def prove_writable(self, owner: Owner) -> None:
        """Raise an error if rows cannot be written, as far as that can be found out without leaving one."""

    def record(self, row: BatchJobRow) -> bool:
        """Write a row, and return whether anything changed.

        An equal or newer version of the row stays as it is, and so does a row of another owner.
        """

    def record_all(self, rows: Sequence[BatchJobRow]) -> Mapping[UUID, bool | MirrorError]:
        """Write rows as `record` does; returns by row whether anything changed, or why it was refused."""

    def row_states(self, owner: Owner, ids: Collection[UUID]) -> Mapping[UUID, RowState]:
        """Return the states of those rows that exist and belong to the owner."""

    def open_row_states(self, owner: Owner) -> Mapping[UUID, RowState]:
        """Return the states of the owner's rows that have not ended, the newest first."""

    def read_rows(self, owner: Owner, ids: Collection[UUID]) -> Sequence[BatchJobRow]:
        """Return those rows that exist and belong to the owner, with all columns."""

    def prune(self, owner: Owner, before: datetime) -> int:
        """Delete the owner's rows that ended before then, and return how many."""

    def last_day(self, owner: Owner, job_type: str) -> LastDay:
        """Return what the owner's rows say about the last day."""

    def list_rows(self, wanted: RowFilter) -> Sequence[JobRow]:
        """Return rows of all owners, the newest first."""

    def trend(self, job_type: str, zone: str, days: int) -> Sequence[DayTrend]:
        """Return the figures of the last `days` in a time zone, the newest first. Days without a job are left out."""

    def read_page(self, wanted: PageFilter, after: Position | None, limit: int) -> Page:
        """Return the page of at most `limit` rows of all owners that follows `after`, the newest first."""

    def figures(self, job_type: str, since: datetime) -> Figures:
        """Return how many jobs of a type run and wait, and how those created since then went."""

    def buckets(self, job_type: str, deployment: str, bounds: Sequence[datetime]) -> Buckets:
        """Return what batches did between each of `bounds` and the next: of the deployment, and of other programs."""


# Opens the rows for at most so many seconds.
OpenRepository = Callable[[float], AbstractContextManager[BatchJobRepository]]


def repository_opener(settings: Settings, *, application_name: str) -> OpenRepository:
    """Return what opens the repository that the settings choose. Nothing connects before it is called.

    `application_name` is how PostgreSQL lists the connection in pg_stat_activity.
    """
    return kept_repository(settings, application_name=application_name, keep=False)[0]


def kept_repository(
    settings: Settings, *, application_name: str, keep: bool = True, statement_timeout: float = 15.0
) -> tuple[OpenRepository, Callable[[], None]]:
    """Return the same, with a connection that is kept, and what closes it. A statement has so many seconds."""
    if settings.batch_jobs_url is None and settings.supabase_url is not None and settings.supabase_key is not None:
        from aggregation_pipeline.batch_jobs.supabase import supabase_repository

        key = settings.supabase_key.get_secret_value()
        return functools.partial(supabase_repository, settings.supabase_url, key), lambda: None
    engine = create_engine(
        settings.require_batch_jobs_url(),
        application_name=application_name,
        keep=keep,
        statement_timeout=statement_timeout,
    )
    return functools.partial(postgres_repository, engine), engine.dispose


@dataclass(frozen=True)
class PostgresRepository:
    """The rows by a connection to PostgreSQL."""

    connection: sa.Connection

    def ensure_table(self) -> bool:
        """Create the table where it is missing; returns whether it was."""
        return table.ensure_table(self.connection)

    def prove_writable(self, owner: Owner) -> None:
        """Write a row, and the table where it is missing, in a transaction that is rolled back."""
        writer.prove_writable(self.connection, owner)

    def record(self, row: BatchJobRow) -> bool:
        """Write a row by an upsert that never replaces a newer version."""
        return writer.record(self.connection, row)

    def record_all(self, rows: Sequence[BatchJobRow]) -> Mapping[UUID, bool | MirrorError]:
        """Write rows by one statement; where one is refused, each by itself."""
        return writer.record_all(self.connection, rows)

    def row_states(self, owner: Owner, ids: Collection[UUID]) -> Mapping[UUID, RowState]:
        """Return the states of those rows that exist and belong to the owner."""
        return writer.row_states(self.connection, owner, ids)

    def open_row_states(self, owner: Owner) -> Mapping[UUID, RowState]:
        """Return the states of the owner's rows that have not ended, the newest first."""
        return writer.open_row_states(self.connection, owner)

    def read_rows(self, owner: Owner, ids: Collection[UUID]) -> Sequence[BatchJobRow]:
        """Return those rows that exist and belong to the owner, with all columns."""
        return writer.read_rows(self.connection, owner, ids)

    def prune(self, owner: Owner, before: datetime) -> int:
        """Delete the owner's rows that ended before then, and return how many."""
        return writer.prune(self.connection, owner, before)

    def last_day(self, owner: Owner, job_type: str) -> LastDay:
        """Return what the owner's rows say about the last day."""
        return read_last_day(self.connection, owner, job_type)

    def list_rows(self, wanted: RowFilter) -> Sequence[JobRow]:
        """Return rows of all owners, the newest first."""
        return browse.list_rows(self.connection, wanted)

    def trend(self, job_type: str, zone: str, days: int) -> Sequence[DayTrend]:
        """Return the figures of the last days that had jobs, the newest first."""
        return browse.trend(self.connection, job_type, zone, days)

    def read_page(self, wanted: PageFilter, after: Position | None, limit: int) -> Page:
        """Return the page of at most `limit` rows of all owners that follows `after`, the newest first."""
        return browse.read_page(self.connection, wanted, after, limit)

    def figures(self, job_type: str, since: datetime) -> Figures:
        """Return how many jobs of a type run and wait, and how those created since then went."""
        return browse.figures(self.connection, job_type, since)

    def buckets(self, job_type: str, deployment: str, bounds: Sequence[datetime]) -> Buckets:
        """Return what batches did between each of `bounds` and the next: of the deployment, and of other programs."""
        return browse.buckets(self.connection, job_type, deployment, bounds)


@contextmanager
def postgres_repository(engine: sa.Engine, seconds: float) -> Iterator[BatchJobRepository]:
    """Open the rows by a connection of their own, which is cut after `seconds`, whatever it is waiting for."""
    with mirror_errors(refused="batch_jobs cannot be opened ({reason}). Check BATCH_JOBS_URL"):
        connection = engine.connect()
    with connection, deadline(connection, seconds):
        yield PostgresRepository(connection)
