"""The lock that a run's process holds from its beginning to its end, and a look at it from elsewhere.

While somebody else holds it for a moment, no process can begin the run.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from aggregation_pipeline.postgres.advisory_lock import AdvisoryLock, lock_key, release_all, try_in_session
from aggregation_pipeline.postgres.engine import create_engine, deadline

# Between two looks at a lock that nobody holds. A process that lost its connection takes the lock again within two
# beats, and a process releases it a moment before its run has ended.
PATIENCE_SECONDS = 8.0
TIMEOUT_SECONDS = 5.0


def run_key(run_id: str) -> int:
    """The key of the lock."""
    return lock_key(AdvisoryLock.RUN_HEARTBEAT, run_id)


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
    free = _free(url, run_ids)
    if free:
        time.sleep(PATIENCE_SECONDS)
        free = _free(url, free)
    return free


def _free(url: str, run_ids: list[str]) -> list[str]:
    """Those of the runs whose lock nobody holds at this moment."""
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
