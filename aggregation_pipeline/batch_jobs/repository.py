"""The rows of batch_jobs as the mirror sees them, whichever way leads to them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

import sqlalchemy as sa

from aggregation_pipeline.batch_jobs import browse, writer
from aggregation_pipeline.batch_jobs.browse import Day, JobRow, RowFilter
from aggregation_pipeline.batch_jobs.table import ensure_table
from aggregation_pipeline.batch_jobs.writer import Mirrored
from aggregation_pipeline.errors import MirrorBusyError
from aggregation_pipeline.postgres.engine import deadline, safe_reason
from aggregation_pipeline.runs.model import BatchJobRow, Owner


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

    def mirrored(self, owner: Owner, ids: Collection[UUID]) -> Mapping[UUID, Mirrored]:
        """Those of the rows that exist and are the owner's."""

    def unfinished(self, owner: Owner) -> Mapping[UUID, Mirrored]:
        """The owner's rows that have not come to an end."""

    def read(self, owner: Owner, ids: Collection[UUID]) -> Sequence[BatchJobRow]:
        """Those of the rows that exist and are the owner's, whole."""

    def prune(self, owner: Owner, before: datetime) -> int:
        """Delete the owner's rows that came to an end before; how many."""

    def listed(self, wanted: RowFilter) -> Sequence[JobRow]:
        """Rows of everybody, the newest first."""

    def trend(self, job_type: str, zone: str, days: int) -> Sequence[Day]:
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

    def mirrored(self, owner: Owner, ids: Collection[UUID]) -> Mapping[UUID, Mirrored]:
        return writer.mirrored(self.connection, owner, ids)

    def unfinished(self, owner: Owner) -> Mapping[UUID, Mirrored]:
        return writer.unfinished(self.connection, owner)

    def read(self, owner: Owner, ids: Collection[UUID]) -> Sequence[BatchJobRow]:
        return writer.read(self.connection, owner, ids)

    def prune(self, owner: Owner, before: datetime) -> int:
        return writer.prune(self.connection, owner, before)

    def listed(self, wanted: RowFilter) -> Sequence[JobRow]:
        return browse.listed(self.connection, wanted)

    def trend(self, job_type: str, zone: str, days: int) -> Sequence[Day]:
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
