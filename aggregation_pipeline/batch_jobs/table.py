"""The table public.batch_jobs, as SQLAlchemy sees it and as sql/create_batch_jobs_table.sql makes it."""

from importlib import resources

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from aggregation_pipeline.batch_jobs.postgres_errors import mirror_errors
from aggregation_pipeline.errors import MirrorError
from aggregation_pipeline.postgres.advisory_lock import AdvisoryLock, lock_key, wait_in_transaction
from aggregation_pipeline.postgres.engine import transaction

batch_jobs = sa.Table(
    "batch_jobs",
    sa.MetaData(),
    sa.Column("id", postgresql.UUID(as_uuid=True), primary_key=True),
    sa.Column("job_type", sa.String(50), nullable=False),
    sa.Column("status", sa.String(50)),
    sa.Column("platforms_processed", postgresql.ARRAY(sa.Text)),
    sa.Column("total_items", sa.Integer),
    sa.Column("metadata", postgresql.JSONB),
    sa.Column("started_at", sa.DateTime(timezone=True)),
    sa.Column("completed_at", sa.DateTime(timezone=True)),
    sa.Column("created_at", sa.DateTime(timezone=True)),
    schema="public",
)


def create_sql() -> str:
    """Return the text of sql/create_batch_jobs_table.sql, which the installed package holds too."""
    return resources.files(__package__).joinpath("create_batch_jobs_table.sql").read_text(encoding="utf-8")


def ensure_table(bind: sa.Engine | sa.Connection) -> bool:
    """Create public.batch_jobs where it is missing; returns whether it was. An existing table is never altered.

    Raises MirrorError when the table lacks columns or may not be created, MirrorBusyError when PostgreSQL does not
    answer.
    """
    refused = (
        "public.batch_jobs is missing and could not be created: {reason}."
        " Run sql/create_batch_jobs_table.sql as a user who may create tables there"
    )
    with mirror_errors(refused=refused), transaction(bind) as connection:
        return create_where_missing(connection)


def create_where_missing(connection: sa.Connection) -> bool:
    """Create the table in the caller's transaction, which may be rolled back; returns whether it was missing.

    Raises MirrorError when the table lacks columns, and SQLAlchemy's errors.
    """
    created = False
    if not _columns(connection):
        # Two statements CREATE TABLE IF NOT EXISTS at the same time may both find no table, and one of them fails.
        wait_in_transaction(connection, lock_key(AdvisoryLock.BATCH_JOBS_TABLE))
        created = not _columns(connection)
        if created:
            connection.exec_driver_sql(create_sql())
    missing = missing_columns(connection)
    if missing:
        raise MirrorError(
            f"public.batch_jobs has no column {', '.join(missing)}. It was not made by sql/create_batch_jobs_table.sql,"
            " and an existing table is never altered. Add the columns, or point BATCH_JOBS_URL to another database"
        )
    return created


def missing_columns(connection: sa.Connection) -> list[str] | None:
    """Return which of its columns the table lacks; None where there is no table."""
    found = _columns(connection)
    return sorted({column.name for column in batch_jobs.columns} - found) if found else None


def _columns(connection: sa.Connection) -> set[str]:
    rows = connection.execute(
        sa.text(
            "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass('public.batch_jobs') AND attnum > 0 AND NOT"
            " attisdropped"
        )
    )
    return {str(name) for (name,) in rows}
