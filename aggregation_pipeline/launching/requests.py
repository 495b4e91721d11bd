"""The table of requests, in Dagster's PostgreSQL: what was asked for, and the runs that it comes to.

A row is written before the first run is created. So a request that a crash has left half done can be finished: whoever
repeats it gets the same runs.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Self
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from aggregation_pipeline.errors import LaunchError
from aggregation_pipeline.launching.plan import Plan
from aggregation_pipeline.postgres.table_format import newer_tables, note_format

SCHEMA: Final = "aggregation_launches"
# Whatever changes the table, or what `plan` holds, counts it up, and adds a step to `upgrade`.
FORMAT: Final = 1
# How long a repeat is recognized, and GET /aggregate/{id} answers.
KEPT_DAYS: Final = 7

_metadata = sa.MetaData(schema=SCHEMA)
requests: Final = sa.Table(
    "requests",
    _metadata,
    sa.Column("id", postgresql.UUID(as_uuid=True), primary_key=True),
    # Of what was asked for, where there is a key: the same key may not stand for anything else.
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("requested_by", sa.Text, nullable=False),
    sa.Column("plan", postgresql.JSONB, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now(), index=True),
    # When all its runs were in the queue.
    sa.Column("submitted_at", sa.DateTime(timezone=True)),
)
_EXISTS: Final = sa.text(f"SELECT to_regclass('{SCHEMA}.requests') IS NOT NULL")


@dataclass(frozen=True)
class StoredRequest:
    """A row of the table."""

    id: UUID
    fingerprint: str
    plan: Plan
    created_at: datetime
    is_submitted: bool

    @classmethod
    def of(cls, row: sa.Row[tuple[object, ...]]) -> Self:
        """Read a row."""
        return cls(row.id, row.fingerprint, Plan.from_json(row.plan), row.created_at, row.submitted_at is not None)


def ensure_table(connection: sa.Connection) -> None:
    """Create the table if it is missing. The caller holds the lock of launches; the connection is in autocommit.

    Raises:
        LaunchError: a newer version of this package made it.
    """
    if not connection.execute(_EXISTS).scalar_one():
        connection.execute(sa.schema.CreateSchema(SCHEMA, if_not_exists=True))
        note_format(connection, SCHEMA, FORMAT)
        _metadata.create_all(connection)
    else:
        _refuse_newer(connection)


def find(connection: sa.Connection, request_id: UUID) -> StoredRequest | None:
    """Return a request; None if nobody has made it, or too long ago.

    Raises:
        LaunchError: a newer version of this package made the table.
    """
    if not connection.execute(_EXISTS).scalar_one():
        return None
    _refuse_newer(connection)
    row = connection.execute(sa.select(requests).where(requests.c.id == request_id, _is_kept())).one_or_none()
    return None if row is None else StoredRequest.of(row)


def insert(
    connection: sa.Connection, request_id: UUID, *, fingerprint: str, requested_by: str, plan: Plan
) -> StoredRequest:
    """Write a request down, and delete those that are too old."""
    connection.execute(sa.delete(requests).where(~_is_kept()))
    values = {"id": request_id, "fingerprint": fingerprint, "requested_by": requested_by, "plan": plan.to_json()}
    return StoredRequest.of(connection.execute(sa.insert(requests).values(values).returning(requests)).one())


def mark_submitted(connection: sa.Connection, request: StoredRequest) -> StoredRequest:
    """Note that all runs of a request are in the queue."""
    connection.execute(sa.update(requests).where(requests.c.id == request.id).values(submitted_at=sa.func.now()))
    return replace(request, is_submitted=True)


def _refuse_newer(connection: sa.Connection) -> None:
    if (newer := newer_tables(connection, SCHEMA, FORMAT)) is not None:
        raise LaunchError(newer)


def _is_kept() -> sa.ColumnElement[bool]:
    return requests.c.created_at > sa.func.now() - sa.func.make_interval(0, 0, 0, KEPT_DAYS)
