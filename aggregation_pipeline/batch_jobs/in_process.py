"""Runs in a process of their own: nobody in Dagster watches it, so PostgreSQL does.

The process holds a session-level advisory lock for as long as it lives, however it dies. A run that says it is such a one, is not at its
end, and whose lock is free has lost its process: it would stay "started" for ever.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import sqlalchemy as sa
from dagster import DagsterInstance, RunRecord

from aggregation_pipeline.errors import LockError
from aggregation_pipeline.postgres import create_engine, deadline, reason

TAG = "aggregation/in_process"
DIED = "The process that this run was started in died without a word (killed, out of memory, or the machine went down). Run it again"

# The server's own keepalives: without them it takes two hours to notice that a machine lost its power. Idle for hours is what it is for.
_PREPARE = sa.text("""
    SELECT set_config('tcp_keepalives_idle', '30', false), set_config('tcp_keepalives_interval', '10', false),
           set_config('tcp_keepalives_count', '3', false),
           CASE WHEN current_setting('idle_session_timeout', true) IS NOT NULL THEN set_config('idle_session_timeout', '0', false) END
""")
_TRY = sa.text("SELECT pg_try_advisory_lock(:key)")
_SECONDS = 5.0


@contextmanager
def alive(url: str, run_id: str) -> Iterator[None]:
    """Show, for the body, that the run's process lives. `url` is Dagster's PostgreSQL. Raises LockError when it does not answer."""
    engine = create_engine(url, application_name=f"aggregation run {run_id[:8]} lives")
    try:
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(_PREPARE)
        connection.execute(_TRY, {"key": _key(run_id)})
    except sa.exc.SQLAlchemyError as error:
        raise LockError(
            f"Run {run_id} cannot show that it lives: PostgreSQL does not answer ({reason(error)}). Check DAGSTER_PG_URL"
        ) from error
    try:
        yield
    finally:
        with suppress(sa.exc.SQLAlchemyError):
            connection.close()


def fail_the_dead(instance: DagsterInstance, runs: Sequence[RunRecord], url: str) -> list[str]:
    """Mark those of the open `runs` as failed whose process is gone; returns their ids."""
    ours = [run.dagster_run.run_id for run in runs if TAG in run.dagster_run.tags]
    if not ours:
        return []
    dead = []
    engine = create_engine(url, application_name="aggregation sensors", statement_timeout=_SECONDS)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection, deadline(connection, _SECONDS):
        for run_id in ours:
            # Whoever gets the lock knows that nobody else has it, and that two of us do not say the same.
            if connection.execute(_TRY, {"key": _key(run_id)}).scalar_one():
                # Read again: the run may have come to its end just before it gave the lock back.
                run = instance.get_run_by_id(run_id)
                if run is not None and not run.is_finished:
                    instance.report_run_failed(run, DIED)
                    dead.append(run_id)
    return dead


def _key(run_id: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"aggregation in-process run {run_id}".encode(), digest_size=8).digest(), "big", signed=True)
