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

from aggregation_pipeline.batch_jobs import browse, writer
from aggregation_pipeline.batch_jobs.browse import DayTrend, JobRow, RowFilter
from aggregation_pipeline.batch_jobs.supabase import supabase_repository
from aggregation_pipeline.batch_jobs.table import ensure_table
from aggregation_pipeline.batch_jobs.writer import RowState
from aggregation_pipeline.errors import MirrorBusyError
from aggregation_pipeline.postgres.engine import create_engine, deadline, safe_reason
from aggregation_pipeline.runs.model import BatchJobRow, Owner
from aggregation_pipeline.settings.base import Settings


class BatchJobRepository(Protocol):
    """What the mirror does with batch_jobs. Every method raises MirrorBusyError where another try may do, else
    MirrorError.
    """

    def ensure(self) -> bool:
        """Prove that rows can be kept here, making the table where that is possible; whether it was made."""

    def prove(self, owner: Owner) -> None:
        """Raise MirrorError where rows cannot be written, as far as that can be told without leaving one."""

    def record(self, row: BatchJobRow) -> bool:
        """Write the row unless an equal or newer version of it, or a row that is not its owner's, is there; whether it
        was written.
        """

    def row_states(self, owner: Owner, ids: Collection[UUID]) -> Mapping[UUID, RowState]:
        """Those of the rows that exist and are the owner's."""

    def open_row_states(self, owner: Owner) -> Mapping[UUID, RowState]:
        """The owner's rows that have not come to an end."""

    def read(self, owner: Owner, ids: Collection[UUID]) -> Sequence[BatchJobRow]:
        """Those of the rows that exist and are the owner's, whole."""

    def prune(self, owner: Owner, before: datetime) -> int:
        """Delete the owner's rows that came to an end before; how many."""

    def list_rows(self, wanted: RowFilter) -> Sequence[JobRow]:
        """Rows of everybody, the newest first."""

    def trend(self, job_type: str, zone: str, days: int) -> Sequence[DayTrend]:
        """What the last `days` of a time zone saw, the newest first; days without a job are left out."""


@dataclass(frozen=True)
class PostgresRepository:
    """The table itself, by a connection string."""

    connection: sa.Connection

    def ensure(self) -> bool:
        return ensure_table(self.connection)

    def prove(self, owner: Owner) -> None:
        writer.prove(self.connection, owner)

    def record(self, row: BatchJobRow) -> bool:
        return writer.record(self.connection, row)

    def row_states(self, owner: Owner, ids: Collection[UUID]) -> Mapping[UUID, RowState]:
        return writer.row_states(self.connection, owner, ids)

    def open_row_states(self, owner: Owner) -> Mapping[UUID, RowState]:
        return writer.open_row_states(self.connection, owner)

    def read(self, owner: Owner, ids: Collection[UUID]) -> Sequence[BatchJobRow]:
        return writer.read_rows(self.connection, owner, ids)

    def prune(self, owner: Owner, before: datetime) -> int:
        return writer.prune(self.connection, owner, before)

    def list_rows(self, wanted: RowFilter) -> Sequence[JobRow]:
        return browse.list_rows(self.connection, wanted)

    def trend(self, job_type: str, zone: str, days: int) -> Sequence[DayTrend]:
        return browse.trend(self.connection, job_type, zone, days)


@contextmanager
def postgres_repository(engine: sa.Engine, seconds: float) -> Iterator[BatchJobRepository]:
    """The rows by a connection of their own, which is cut after `seconds`, whatever it is waiting for."""
    try:
        connection = engine.connect()
    except sa.exc.OperationalError as error:
        raise MirrorBusyError(
            f"batch_jobs cannot be reached: {safe_reason(error)}. Check BATCH_JOBS_URL (without it, DAGSTER_PG_URL) and that"
            " the server runs"
        ) from error
    with connection, deadline(connection, seconds):
        yield PostgresRepository(connection)


# Opens the rows for at most so many seconds.
OpenRepository = Callable[[float], AbstractContextManager[BatchJobRepository]]


def repository_opener(settings: Settings, *, application_name: str) -> OpenRepository:
    """Return what opens the repository that the settings choose. Nothing connects before it is called.

    `application_name` is how PostgreSQL lists the connection in pg_stat_activity.
    """
    if settings.batch_jobs_url is None and settings.supabase_url is not None and settings.supabase_key is not None:
        return functools.partial(supabase_repository, settings.supabase_url, settings.supabase_key.get_secret_value())
    engine = create_engine(settings.require_batch_jobs_url(), application_name=application_name)
    return functools.partial(postgres_repository, engine)
