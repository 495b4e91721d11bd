"""The tables of access in Dagster's PostgreSQL: sessions, audit and the last use of tokens."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from aggregation_pipeline.errors import AccessBusyError, AccessError
from aggregation_pipeline.postgres.advisory_lock import AdvisoryLock, lock_key, wait_in_transaction
from aggregation_pipeline.postgres.engine import create_engine, deadline, safe_reason
from aggregation_pipeline.postgres.table_format import newer_tables, note_format

SCHEMA: Final = "aggregation_access"
# Whatever changes the tables counts it up, and adds a step to `upgrade`.
FORMAT: Final = 1
_SECONDS: Final = 3.0
# Requests that wait for PostgreSQL at once. Others are told so: a frozen server must not take all threads.
_AT_ONCE: Final = 8
_WAIT_SECONDS: Final = 3.0
_metadata = sa.MetaData(schema=SCHEMA)
_MOMENT = sa.DateTime(timezone=True)

sessions = sa.Table(
    "sessions",
    _metadata,
    sa.Column("secret_hash", sa.LargeBinary, primary_key=True),
    sa.Column("name", sa.Text),
    sa.Column("role", sa.Text),
    sa.Column("account_version", sa.Integer),
    sa.Column("address", sa.Text),
    sa.Column("started_at", _MOMENT),
    sa.Column("seen_at", _MOMENT),
)

audit = sa.Table(
    "audit",
    _metadata,
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("at", _MOMENT),
    sa.Column("who", sa.Text),
    sa.Column("what", sa.Text),
    sa.Column("address", sa.Text),
    sa.Column("result", sa.Text),
    sa.Column("details", postgresql.JSONB),
)

token_use = sa.Table(
    "token_use",
    _metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("used_at", _MOMENT),
    sa.Column("address", sa.Text),
)

# What the file makes last.
_EXISTS: Final = sa.text(
    "SELECT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = to_regclass('aggregation_access.audit') AND tgname ="
    " 'keep_audit_table')"
)


def create_sql() -> str:
    """Return the text of sql/access/create_access_tables.sql, which the installed package holds too."""
    return resources.files(__package__).joinpath("create_access_tables.sql").read_text(encoding="utf-8")


class AccessStore:
    """One kept connection to PostgreSQL, made when it is first needed, which also makes the tables where missing.

    Each use is over in about five seconds, whatever the server does.
    """

    def __init__(self, url: str, *, application_name: str = "aggregation access") -> None:
        self._engine = create_engine(
            url, application_name=application_name, statement_timeout=_SECONDS, connect_timeout=2, keep=True
        )
        self._turns = threading.BoundedSemaphore(_AT_ONCE)
        self._has_tables = False

    def close(self) -> None:
        """Close the kept connection."""
        self._engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """A transaction, in which the tables exist.

        Raises:
            AccessBusyError: PostgreSQL does not answer, or too many wait for it.
            AccessError: it refuses, or a newer version of this package made the tables.
        """
        if not self._turns.acquire(timeout=_WAIT_SECONDS):
            raise AccessBusyError("Too many requests wait for Dagster's PostgreSQL")
        try:
            with self._engine.connect() as connection, deadline(connection, _SECONDS), connection.begin():
                self._ensure_tables(connection)
                yield connection
        except (sa.exc.OperationalError, sa.exc.InterfaceError) as error:
            raise AccessBusyError(
                f"Sessions and the audit log cannot be reached: {safe_reason(error)}. Check DAGSTER_PG_URL and that the"
                " server runs"
            ) from error
        except sa.exc.SQLAlchemyError as error:
            raise AccessError(
                f"Sessions and the audit log ({SCHEMA}) cannot be used: {safe_reason(error)}. If the tables are"
                " missing, run sql/access/create_access_tables.sql as a user who may create a schema, and grant it to"
                " the user of DAGSTER_PG_URL"
            ) from error
        finally:
            self._turns.release()

    def _ensure_tables(self, connection: sa.Connection) -> None:
        if self._has_tables:
            return
        if not connection.execute(_EXISTS).scalar_one():
            wait_in_transaction(connection, lock_key(AdvisoryLock.ACCESS_TABLES))
            if not connection.execute(_EXISTS).scalar_one():
                connection.exec_driver_sql(create_sql())
                note_format(connection, SCHEMA, FORMAT)
        if (newer := newer_tables(connection, SCHEMA, FORMAT)) is not None:
            raise AccessError(newer)
        self._has_tables = True
