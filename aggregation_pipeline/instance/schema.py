"""The tables that Dagster makes in PostgreSQL: who makes them, and what a process knows of them."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Final

import sqlalchemy as sa

from aggregation_pipeline.postgres.advisory_lock import AdvisoryLock, lock_key, wait_in_session
from aggregation_pipeline.postgres.engine import create_engine

# By these tables Dagster tells whether it has to make its own.
BEGINNINGS: Final = ("runs", "instance_info", "event_logs", "jobs")
_FOUND: Final = sa.text(
    "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = ANY(:names)"
)
_FIRST_RUN: Final = sa.text("SELECT FROM runs LIMIT 1")
_LOCK_SECONDS: Final = 60.0


class SeenInSchema:
    """What a process has seen in the schema of Dagster's tables. Migrations add to it and take nothing away."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def once(self, what: str, is_there: Callable[[], bool]) -> bool:
        """Return whether it is there. What was there once is not asked for again."""
        if what not in self._seen and is_there():
            self._seen.add(what)
        return what in self._seen


def count_beginnings(connection: sa.Connection) -> int:
    """Return how many of the tables are there at which Dagster itself looks before it makes its tables."""
    return int(connection.execute(_FOUND, {"names": list(BEGINNINGS)}).scalar_one())


def make_tables(connection: sa.Connection) -> None:
    """Make all tables of Dagster, in one transaction.

    Dagster commits each by itself, and makes none where it finds the first. If a process is killed in between, the
    others are missing for ever.
    """
    # Only a new database needs them, and they take long to import.
    from dagster._core.storage.event_log.schema import SqlEventLogStorageMetadata
    from dagster._core.storage.runs.schema import RunStorageSqlMetadata
    from dagster._core.storage.schedules.schema import ScheduleStorageSqlMetadata
    from dagster._core.storage.sql import stamp_alembic_rev
    from dagster_postgres import run_storage
    from dagster_postgres.utils import pg_alembic_config

    for metadata in (RunStorageSqlMetadata, SqlEventLogStorageMetadata, ScheduleStorageSqlMetadata):
        metadata.create_all(connection)
    stamp_alembic_rev(pg_alembic_config(run_storage.__file__), connection)
    connection.commit()


def has_no_run(connection: sa.Connection) -> bool:
    """Return whether Dagster has not stored a run. Its tables have to be there."""
    return connection.execute(_FIRST_RUN).first() is None


@contextlib.contextmanager
def one_process_at_a_time(url: str) -> Iterator[sa.Connection]:
    """Hold an advisory lock that ends with its connection, however this process ends; yield the connection."""
    engine = create_engine(url, application_name="aggregation storage", statement_timeout=_LOCK_SECONDS)
    with engine.connect() as connection:
        wait_in_session(connection, lock_key(AdvisoryLock.DAGSTER_STORAGE))
        yield connection
