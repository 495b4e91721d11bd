"""Rows into public.batch_jobs: one monotonic upsert, which never touches a row that is not ours."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from aggregation_pipeline.batch_jobs.projection import INTEGER_MAX
from aggregation_pipeline.batch_jobs.table import batch_jobs, ensure_within
from aggregation_pipeline.errors import MirrorBusyError, MirrorError
from aggregation_pipeline.postgres.engine import safe_reason, transaction
from aggregation_pipeline.runs.model import BatchJobRow, Owner
from aggregation_pipeline.runs.row_text import storable, storable_json, without_secrets

_DEPLOYMENT = ("dagster", "deployment")
_INSTANCE = ("dagster", "instance")
_VERSION = ("dagster", "version")


@dataclass(frozen=True)
class RowState:
    """What a row of ours says about the reading that it came from."""

    run_id: str
    status: str
    updated: str | None
    refused: bool


def record(bind: sa.Engine | sa.Connection, row: BatchJobRow) -> bool:
    """Insert the row, or bring an older version of it up to date. Returns whether anything changed.

    An equal or newer version, and a row of another deployment or another program, stay as they are. A row that
    PostgreSQL refuses is written with the bare facts and the reason under `mirror_error`. Raises MirrorError when even
    that is refused, MirrorBusyError when PostgreSQL does not answer.
    """
    try:
        try:
            with transaction(bind) as connection:
                return _upsert(connection, row)
        except sa.exc.DBAPIError as refusal:
            if refusal.connection_invalidated or isinstance(refusal, sa.exc.OperationalError):
                raise
            # Afterwards rather than around a savepoint: the usual row is one statement and a commit, which a backlog of
            # a thousand feels.
            with transaction(bind) as connection:
                return _upsert(connection, _minimal(row, refusal))
    except sa.exc.OperationalError as error:
        raise MirrorBusyError(
            f"The run {row.id} could not be recorded: batch_jobs does not answer ({safe_reason(error)})"
        ) from None
    except sa.exc.SQLAlchemyError as error:
        # Alone: PostgreSQL's own error shows the row that it refuses.
        raise MirrorError(
            f"The run {row.id} could not be recorded: batch_jobs refuses the row ({safe_reason(error)}). Check the grants,"
            " constraints and triggers of public.batch_jobs, and that BATCH_JOBS_URL names the right user"
        ) from None


def prove(connection: sa.Connection, owner: Owner) -> None:
    """Write a row, and the table where it is missing, in a transaction that is rolled back: nothing is left.

    Raises MirrorError where rows cannot be kept here, MirrorBusyError when PostgreSQL does not answer.
    """
    whose = {"deployment": owner.deployment, "instance": owner.instance, "version": [0, 0, 0]}
    row = BatchJobRow(uuid4(), "plan", "pending", (), 0, {"dagster": whose}, None, None, datetime.now(UTC))
    try:
        with connection.begin() as proof:
            ensure_within(connection)
            _upsert(connection, row)
            proof.rollback()
    except sa.exc.OperationalError as error:
        raise MirrorBusyError(f"batch_jobs does not answer ({safe_reason(error)}). Check BATCH_JOBS_URL") from error
    except sa.exc.SQLAlchemyError as error:
        raise MirrorError(
            f"no row can be written into public.batch_jobs ({safe_reason(error)}). Check its grants, constraints and"
            " triggers; where it is missing, run sql/create_batch_jobs_table.sql as a user who may create tables"
        ) from error


def row_states(connection: sa.Connection, owner: Owner, ids: Collection[UUID]) -> Mapping[UUID, RowState]:
    """Those of the rows that exist and are ours."""
    return _select(connection, owner, batch_jobs.c.id.in_(ids)) if ids else {}


def open_row_states(connection: sa.Connection, owner: Owner) -> Mapping[UUID, RowState]:
    """Our rows that have not come to an end, the newest first."""
    return _select(connection, owner, batch_jobs.c.status.in_(["pending", "in_progress"]))


def read_rows(connection: sa.Connection, owner: Owner, ids: Collection[UUID]) -> Sequence[BatchJobRow]:
    """Those of the rows that exist and are ours, whole."""
    try:
        with transaction(connection):
            found = connection.execute(sa.select(batch_jobs).where(batch_jobs.c.id.in_(ids), owned(owner))).mappings()
            return [
                BatchJobRow(**{**row, "platforms_processed": tuple(row["platforms_processed"] or ())}) for row in found
            ]
    except sa.exc.SQLAlchemyError as error:
        raise MirrorBusyError(f"batch_jobs cannot be read ({safe_reason(error)})") from error


def prune(connection: sa.Connection, owner: Owner, before: datetime) -> int:
    """Delete our rows that came to an end before the moment given; returns how many. Open rows and other people's
    stay.
    """
    ended = sa.func.coalesce(batch_jobs.c.completed_at, batch_jobs.c.created_at)
    statement = sa.delete(batch_jobs).where(
        owned(owner), batch_jobs.c.status.in_(["completed", "failed"]), ended < before
    )
    try:
        with transaction(connection):
            return connection.execute(statement).rowcount
    except sa.exc.OperationalError as error:
        raise MirrorBusyError(f"batch_jobs could not be pruned: it does not answer ({safe_reason(error)})") from error
    except sa.exc.SQLAlchemyError as error:
        raise MirrorError(
            f"batch_jobs cannot be pruned ({safe_reason(error)}). The user needs the right to remove rows"
        ) from error


def owned(owner: Owner) -> sa.ColumnElement[bool]:
    """The condition that a row is ours."""
    metadata = batch_jobs.c.metadata
    return sa.and_(metadata[_DEPLOYMENT].astext == owner.deployment, metadata[_INSTANCE].astext == owner.instance)


def _upsert_statement() -> sa.Executable:
    insert = postgresql.insert(batch_jobs)
    columns = [column.name for column in batch_jobs.columns if not column.primary_key]
    old, new = batch_jobs.c, insert.excluded
    empty = sa.cast("[]", postgresql.JSONB)
    upsert = insert.on_conflict_do_update(
        index_elements=[old.id],
        set_={name: new[name] for name in columns},
        where=sa.and_(
            old.metadata[_DEPLOYMENT].astext == new.metadata[_DEPLOYMENT].astext,
            old.metadata[_INSTANCE].astext == new.metadata[_INSTANCE].astext,
            # jsonb arrays compare element by element, numbers as numbers; whatever else a hand may have left there is
            # no error.
            sa.func.coalesce(old.metadata[_VERSION], empty) <= sa.func.coalesce(new.metadata[_VERSION], empty),
            sa.or_(*(old[name].is_distinct_from(new[name]) for name in columns)),
        ),
    )
    return upsert.returning(old.id)


_UPSERT = _upsert_statement()


def _upsert(connection: sa.Connection, row: BatchJobRow) -> bool:
    values = {
        "id": row.id,
        "job_type": storable(row.job_type)[:50],
        "status": row.status,
        "platforms_processed": [storable(platform) for platform in row.platforms_processed],
        "total_items": max(0, min(row.total_items, INTEGER_MAX)),
        "metadata": storable_json(row.metadata),
        "started_at": row.started_at,
        "completed_at": row.completed_at,
        "created_at": row.created_at,
    }
    return connection.execute(_UPSERT, values).first() is not None


def _minimal(row: BatchJobRow, refusal: sa.exc.DBAPIError) -> BatchJobRow:
    metadata = {"dagster": row.metadata["dagster"], "mirror_error": without_secrets(safe_reason(refusal))}
    return replace(row, platforms_processed=(), metadata=metadata)


def _select(connection: sa.Connection, owner: Owner, condition: sa.ColumnElement[bool]) -> dict[UUID, RowState]:
    metadata = batch_jobs.c.metadata
    run_id, updated = (metadata[("dagster", name)].astext for name in ("run_id", "updated"))
    query = (
        sa.select(batch_jobs.c.id, batch_jobs.c.status, run_id, updated, metadata.has_key("mirror_error"))
        .where(condition, owned(owner))
        .order_by(batch_jobs.c.created_at.desc())
    )
    try:
        with transaction(connection):
            found = connection.execute(query).all()
            return {
                key: RowState(run or str(key), status, moment, bool(refused))
                for key, status, run, moment, refused in found
            }
    except sa.exc.SQLAlchemyError as error:
        raise MirrorBusyError(f"batch_jobs cannot be read ({safe_reason(error)})") from error
