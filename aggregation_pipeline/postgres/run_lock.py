"""The lock that a run's process holds from its beginning to its end, and a look at it from elsewhere.

While somebody else holds it for a moment, no process can begin the run.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

import sqlalchemy as sa

from aggregation_pipeline.postgres.advisory_lock import AdvisoryLock, lock_key, release_all, try_in_session
from aggregation_pipeline.postgres.engine import create_engine, deadline

# Between two looks at a lock that nobody holds. A process that lost its connection takes the lock again within two
# beats, and a process releases it a moment before its run has ended.
PATIENCE_SECONDS = 8.0
TIMEOUT_SECONDS = 5.0
# What a run says that was marked as failed.
PROCESS_GONE = (
    "The process of this run is gone, and left no message: it was killed, ran out of memory, or its machine went down."
    " Run it again"
)
_END_SESSIONS: Final = sa.text("""
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = ANY(:names) AND usename = current_user AND datname = current_database()
""")


def run_key(run_id: str) -> int:
    """The key of the lock."""
    return lock_key(AdvisoryLock.RUN_HEARTBEAT, run_id)


def session_name(run_id: str) -> str:
    """The name in pg_stat_activity of the session that holds the window locks of a run. Those who wait see it."""
    return f"aggregation run {run_id[:8]}"


@contextmanager
def run_lock_if_free(url: str, run_id: str) -> Iterator[bool]:
    """Hold the lock for the body if nobody holds it; yields whether it is held here. `url` is Dagster's PostgreSQL.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: PostgreSQL does not answer.
    """
    engine = create_engine(url, application_name="aggregation sensors", statement_timeout=TIMEOUT_SECONDS)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        with deadline(connection, TIMEOUT_SECONDS):
            held = try_in_session(connection, run_key(run_id))
        try:
            yield held
        finally:
            release_all(connection)


def runs_without_process(url: str, run_ids: list[str]) -> list[str]:
    """Return those of the runs whose lock nobody holds. Where one is free, this waits PATIENCE_SECONDS and looks again.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: PostgreSQL does not answer.
    """
    free = free_locks(url, run_ids)
    if free:
        time.sleep(PATIENCE_SECONDS)
        free = free_locks(url, free)
    return free


def free_locks(url: str, run_ids: list[str]) -> list[str]:
    """Return those of the runs whose lock nobody holds at this moment."""
    if not run_ids:
        return []
    engine = create_engine(url, application_name="aggregation sensors", statement_timeout=TIMEOUT_SECONDS)
    with (
        engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
        deadline(connection, TIMEOUT_SECONDS),
    ):
        free = [run_id for run_id in run_ids if try_in_session(connection, run_key(run_id))]
        # At once, so that a process that lost its connection can take its lock again.
        release_all(connection)
    return free


def end_sessions(url: str, run_ids: Sequence[str]) -> None:
    """End the sessions that runs without a process have left: a frozen process keeps the locks of its windows."""
    engine = create_engine(url, application_name="aggregation sensors", statement_timeout=TIMEOUT_SECONDS)
    with suppress(sa.exc.SQLAlchemyError), engine.begin() as connection, deadline(connection, TIMEOUT_SECONDS):
        connection.execute(_END_SESSIONS, {"names": [session_name(run_id) for run_id in run_ids]})
