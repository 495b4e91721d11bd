"""The tables of the outbox, as SQLAlchemy sees them and as sql/alerts/create_alert_tables.sql makes them."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from aggregation_pipeline.errors import AlertError
from aggregation_pipeline.postgres.advisory_lock import AdvisoryLock, lock_key, wait_in_transaction
from aggregation_pipeline.postgres.engine import safe_reason, transaction
from aggregation_pipeline.postgres.table_format import newer_tables, note_format

SCHEMA = "aggregation_alerts"
# Whatever changes the tables counts it up, and adds a step to `upgrade`.
FORMAT = 1
_metadata = sa.MetaData(schema=SCHEMA)
_MOMENT = sa.DateTime(timezone=True)

# One row an incident.
incidents = sa.Table(
    "incidents",
    _metadata,
    sa.Column("deployment", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text),
    sa.Column("subject", sa.Text),
    sa.Column("details", postgresql.JSONB),
    sa.Column("occurred_at", _MOMENT),
    sa.Column("found_at", _MOMENT),
    sa.Column("recovered_at", _MOMENT),
    sa.Column("message", postgresql.UUID(as_uuid=True)),
)

# One row a message and channel.
deliveries = sa.Table(
    "deliveries",
    _metadata,
    sa.Column("message", postgresql.UUID(as_uuid=True), primary_key=True),
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("deployment", sa.Text),
    sa.Column("kind", sa.Text),
    sa.Column("title", sa.Text),
    sa.Column("body", sa.Text),
    sa.Column("incidents", sa.Integer),
    sa.Column("created_at", _MOMENT),
    sa.Column("due_at", _MOMENT),
    sa.Column("attempts", sa.Integer),
    sa.Column("attempted_at", _MOMENT),
    sa.Column("error", sa.Text),
    sa.Column("delivered_at", _MOMENT),
    sa.Column("moved_at", _MOMENT),
)

# A delivery that no channel has accepted yet, and that was not handed over to another one.
WAITING = (deliveries.c.delivered_at.is_(None), deliveries.c.moved_at.is_(None))
_EXISTS = sa.text(
    f"SELECT to_regclass('{SCHEMA}.incidents') IS NOT NULL AND to_regclass('{SCHEMA}.deliveries') IS NOT NULL"
)


@contextmanager
def outbox_errors() -> Iterator[None]:
    """Raise AlertError where PostgreSQL does not answer, or refuses."""
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        raise AlertError(
            f"The outbox of alerts cannot be read or written: {safe_reason(error)}. Check BATCH_JOBS_URL and its grants"
        ) from error


def create_sql() -> str:
    """Return the text of sql/alerts/create_alert_tables.sql, which the installed package holds too."""
    return resources.files(__package__).joinpath("create_alert_tables.sql").read_text(encoding="utf-8")


def ensure_tables(bind: sa.Engine | sa.Connection) -> bool:
    """Create the outbox where it is missing; returns whether it was. Existing tables are never altered.

    Raises AlertError when PostgreSQL does not answer, or refuses, or a newer version of this package made the tables.
    """
    try:
        with transaction(bind) as connection:
            if connection.execute(_EXISTS).scalar_one():
                if (newer := newer_tables(connection, SCHEMA, FORMAT)) is not None:
                    raise AlertError(newer)
                return False
            wait_in_transaction(connection, lock_key(AdvisoryLock.ALERT_TABLES))
            missing = not connection.execute(_EXISTS).scalar_one()
            if missing:
                connection.exec_driver_sql(create_sql())
                note_format(connection, SCHEMA, FORMAT)
            return missing
    except sa.exc.OperationalError as error:
        raise AlertError(
            f"The outbox of alerts cannot be reached: {safe_reason(error)}. Check BATCH_JOBS_URL and that the server"
            " runs"
        ) from error
    except sa.exc.SQLAlchemyError as error:
        raise AlertError(
            f"The outbox of alerts ({SCHEMA}) is missing and could not be created: {safe_reason(error)}. Run"
            " sql/alerts/create_alert_tables.sql as a user who may create a schema, and grant it to the user of"
            " BATCH_JOBS_URL"
        ) from error
