"""Writing rows into public.batch_jobs by an upsert that never goes back, and never touches a row that is not ours."""

import functools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from aggregation_pipeline.batch_jobs.postgres_errors import mirror_errors
from aggregation_pipeline.batch_jobs.projection import INTEGER_MAX
from aggregation_pipeline.batch_jobs.table import batch_jobs, create_where_missing
from aggregation_pipeline.errors import MirrorBusyError, MirrorError
from aggregation_pipeline.postgres.engine import safe_reason, transaction
from aggregation_pipeline.runs.batch_job_text import storable, storable_json, without_secrets
from aggregation_pipeline.runs.model import BatchJobRow, JobStatus, Owner

_DEPLOYMENT = ("dagster", "deployment")
_INSTANCE = ("dagster", "instance")
_VERSION = ("dagster", "version")


@dataclass(frozen=True)
class RowState:
    """What the reconciler compares with a run.

    Attributes:
        updated: ISO instant of the run's last change when the row was written.
        refused: PostgreSQL refused the whole row, so only its bare facts are there.
    """

    run_id: str
    status: str
    updated: str | None
    refused: bool


def record(bind: sa.Engine | sa.Connection, row: BatchJobRow) -> bool:
    """Insert a row, or bring an older version of it up to date; returns whether anything changed.

    An equal or newer version, and a row of another deployment or another program, stay as they are. Where PostgreSQL
    refuses a row, a shorter one is written, with the reason under `mirror_error`. Raises MirrorError when that is
    refused as well, MirrorBusyError when PostgreSQL does not answer.
    """
    attempt = f"The run {row.id} could not be recorded"
    refused = (
        f"{attempt}: batch_jobs refuses the row ({{reason}}). Check the grants, constraints and triggers of"
        " public.batch_jobs, and that BATCH_JOBS_URL names the right user"
    )
    with mirror_errors(refused=refused, attempt=attempt):
        try:
            with transaction(bind) as connection:
                return _upsert(connection, row)
        except sa.exc.DBAPIError as refusal:
            if refusal.connection_invalidated or isinstance(refusal, sa.exc.OperationalError):
                raise
            # In a second transaction instead of around a savepoint: the usual row stays one statement and one commit,
            # which counts where a thousand runs are to be caught up.
            with transaction(bind) as connection:
                return _upsert(connection, shortened(row, safe_reason(refusal)))


def record_all(bind: sa.Engine | sa.Connection, rows: Sequence[BatchJobRow]) -> Mapping[UUID, bool | MirrorError]:
    """Do the same for rows that differ in their ids, by one statement; where one is refused, each by itself.

    Returns by row whether anything changed, or why it was refused. Raises MirrorBusyError.
    """
    if len(rows) > 1:
        with suppress(MirrorError), mirror_errors(refused="{reason}"), transaction(bind) as connection:
            changed = set(connection.execute(_UPSERT, [column_values(row) for row in rows]).scalars())
            return {row.id: row.id in changed for row in rows}
    return record_each(functools.partial(record, bind), rows)


def record_each(
    record: Callable[[BatchJobRow], bool], rows: Sequence[BatchJobRow]
) -> Mapping[UUID, bool | MirrorError]:
    """Write rows one by one; returns by row whether anything changed, or why it was refused. Raises MirrorBusyError."""
    outcomes: dict[UUID, bool | MirrorError] = {}
    for row in rows:
        try:
            outcomes[row.id] = record(row)
        except MirrorBusyError:
            raise
        except MirrorError as refusal:
            outcomes[row.id] = refusal
    return outcomes


def prove_writable(connection: sa.Connection, owner: Owner) -> None:
    """Write rows as runs do, and the table where it is missing, in a transaction that is rolled back.

    Raises MirrorError where rows cannot be written, MirrorBusyError when PostgreSQL does not answer.
    """
    refused = (
        "no row can be written into public.batch_jobs ({reason}). Check its grants, constraints and triggers; where it"
        " is missing, run sql/create_batch_jobs_table.sql as a user who may create tables"
    )
    with mirror_errors(refused=refused), connection.begin() as trial:
        create_where_missing(connection)
        written = [_upsert(connection, row) for row in _trial_rows(owner)]
        trial.rollback()
    if not all(written):
        raise MirrorError(
            "public.batch_jobs drops rows that are written into it, without an error. Look for triggers on it that"
            " return NULL"
        )


def _trial_rows(owner: Owner) -> Iterator[BatchJobRow]:
    """A run that succeeds, and one that fails: a constraint may know of other words for that."""
    now = datetime.now(UTC)
    runs: tuple[tuple[JobStatus, ...], ...] = (("pending", "in_progress", "completed"), ("failed",))
    for statuses in runs:
        key = uuid4()
        for step, status in enumerate(statuses):
            dagster = {"deployment": owner.deployment, "instance": owner.instance, "version": [step, 0, 0]}
            yield BatchJobRow(key, "plan", status, ("plan",) * step, step, {"dagster": dagster}, now, now, now)


def row_states(connection: sa.Connection, owner: Owner, ids: Collection[UUID]) -> Mapping[UUID, RowState]:
    """Return the states of those rows that exist and are ours."""
    return _states(connection, owner, batch_jobs.c.id.in_(ids)) if ids else {}


def open_row_states(connection: sa.Connection, owner: Owner) -> Mapping[UUID, RowState]:
    """Return the states of our rows that have not ended, the newest first."""
    return _states(connection, owner, batch_jobs.c.status.in_(["pending", "in_progress"]))


def read_rows(connection: sa.Connection, owner: Owner, ids: Collection[UUID]) -> Sequence[BatchJobRow]:
    """Return those rows that exist and are ours, with all columns."""
    found = _read(connection, sa.select(batch_jobs).where(batch_jobs.c.id.in_(ids), owned(owner)))
    rows = [dict(zip(batch_jobs.columns.keys(), row, strict=True)) for row in found]
    return [BatchJobRow(**row | {"platforms_processed": tuple(row["platforms_processed"] or ())}) for row in rows]


def prune(connection: sa.Connection, owner: Owner, before: datetime) -> int:
    """Delete our rows that ended before then; returns how many. Open rows and rows of others stay."""
    ended = sa.func.coalesce(batch_jobs.c.completed_at, batch_jobs.c.created_at)
    statement = sa.delete(batch_jobs).where(
        owned(owner), batch_jobs.c.status.in_(["completed", "failed"]), ended < before
    )
    refused = "batch_jobs cannot be pruned ({reason}). The user needs the right to delete rows"
    with mirror_errors(refused=refused), transaction(connection):
        return connection.execute(statement).rowcount


def column_values(row: BatchJobRow) -> dict[str, Any]:
    """Return the row by column, made fit for PostgreSQL: no text that it refuses, no number out of range."""
    return {
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


def shortened(row: BatchJobRow, reason: str) -> BatchJobRow:
    """Return what is written of a row that was refused for this reason: status and times, and which run it is."""
    metadata = {"dagster": row.metadata["dagster"], "mirror_error": without_secrets(reason)}
    return replace(row, platforms_processed=(), metadata=metadata)


def owned(owner: Owner) -> sa.ColumnElement[bool]:
    """Return the condition that a row is ours."""
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
            # jsonb compares arrays element by element, and numbers as numbers. Anything else that somebody may have
            # written there by hand compares without an error.
            sa.func.coalesce(old.metadata[_VERSION], empty) <= sa.func.coalesce(new.metadata[_VERSION], empty),
            sa.or_(*(old[name].is_distinct_from(new[name]) for name in columns)),
        ),
    )
    return upsert.returning(old.id)


_UPSERT = _upsert_statement()


def _upsert(connection: sa.Connection, row: BatchJobRow) -> bool:
    return connection.execute(_UPSERT, column_values(row)).first() is not None


def _states(connection: sa.Connection, owner: Owner, condition: sa.ColumnElement[bool]) -> dict[UUID, RowState]:
    metadata = batch_jobs.c.metadata
    run_id, updated = (metadata[("dagster", name)].astext for name in ("run_id", "updated"))
    query = (
        sa.select(batch_jobs.c.id, batch_jobs.c.status, run_id, updated, metadata.has_key("mirror_error"))
        .where(condition, owned(owner))
        .order_by(batch_jobs.c.created_at.desc())
    )
    return {
        key: RowState(run or str(key), status, moment, bool(refused))
        for key, status, run, moment, refused in _read(connection, query)
    }


def _read(connection: sa.Connection, query: sa.Select[*tuple[Any, ...]]) -> Sequence[sa.Row[*tuple[Any, ...]]]:
    """Read rows. Whatever goes wrong, the next pass tries again: reading changes nothing."""
    try:
        with transaction(connection):
            return connection.execute(query).all()
    except sa.exc.SQLAlchemyError as error:
        raise MirrorBusyError(f"batch_jobs cannot be read ({safe_reason(error)})") from error
