"""Runs whose process is gone, found by PostgreSQL: their process holds an advisory lock for as long as it lives,
however it dies.

Dagster watches the processes that its code server has started, as long as that one lives: when a machine or a container
goes down, its runs stay "started" until they exceed their longest time, and hold up the ticks of their schedules
meanwhile. Runs in a process of their own (`aggregation-pipeline run`) are watched by nobody at all.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

import sqlalchemy as sa
from dagster import DagsterInstance, DagsterRun, RunRecord

from aggregation_pipeline.errors import LockError
from aggregation_pipeline.runs.tags import HEARTBEAT_TAG, IN_PROCESS_TAG
from aggregation_pipeline.postgres.advisory_lock import (
    AdvisoryLock,
    lock_key,
    prepare_lock_session,
    release_all,
    try_in_session,
)
from aggregation_pipeline.postgres.engine import create_engine, deadline, safe_reason

PROCESS_GONE = (
    "The process that this run was started in died without a word (killed, out of memory, or the machine went down)."
    " Run it again"
)
# Between the two looks at a lock that nobody holds: a process takes a lost lock again within two beats, and gives it
# back a moment before its run has ended.
PATIENCE_SECONDS = 8.0
_BEAT_SECONDS = 3.0

_SECONDS = 5.0


@contextmanager
def hold_heartbeat(url: str, run_id: str) -> Iterator[None]:
    """Show, for the body, that the run's process lives, over every loss of the connection. `url` is Dagster's
    PostgreSQL.

    Raises:
        LockError: it does not answer in the first place.
    """
    try:
        first = _take(url, run_id)
    except sa.exc.SQLAlchemyError as error:
        raise LockError(
            f"Run {run_id} cannot show that it lives: PostgreSQL does not answer ({safe_reason(error)}). Check"
            " DAGSTER_PG_URL"
        ) from error
    over = threading.Event()

    def live(connection: sa.Connection | None) -> None:
        while not over.is_set():
            # Whatever happens here, a thread that ends would make a dead run of one that lives.
            with suppress(Exception):
                connection = connection or _take(url, run_id)
                while not over.wait(_BEAT_SECONDS):
                    with deadline(connection, _SECONDS):
                        connection.execute(sa.text("SELECT 1"))
            if connection is not None:
                with suppress(Exception):
                    connection.close()
                connection = None
            over.wait(_BEAT_SECONDS / 3)

    thread = threading.Thread(target=live, args=(first,), name="run lives", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(_SECONDS)


@contextmanager
def worker_heartbeat(instance: DagsterInstance, run: DagsterRun, url: str) -> Iterator[None]:
    """The same for a worker of Dagster's, whose run tells from now on that it is so; where the lock is not to be had,
    nothing is told.
    """
    with ExitStack() as stack:
        with suppress(LockError):
            stack.enter_context(hold_heartbeat(url, run.run_id))
            instance.add_run_tags(run.run_id, {HEARTBEAT_TAG: run.run_id})
        yield


def fail_orphaned_runs(instance: DagsterInstance, runs: Sequence[RunRecord], url: str) -> list[str]:
    """Mark those of the open `runs` as failed whose process is gone; returns their ids. Takes PATIENCE_SECONDS if there
    may be any.
    """
    ours = [
        run.dagster_run.run_id
        for run in runs
        if run.dagster_run.run_id in map(run.dagster_run.tags.get, (IN_PROCESS_TAG, HEARTBEAT_TAG))
    ]
    silent = _silent(ours, url)
    if silent:
        time.sleep(PATIENCE_SECONDS)
        silent = _silent(silent, url)
    return [run_id for run_id in silent if _fail(instance, run_id)]


def _silent(run_ids: Sequence[str], url: str) -> list[str]:
    """Those whose lock nobody holds at this moment."""
    if not run_ids:
        return []
    engine = create_engine(url, application_name="aggregation sensors", statement_timeout=_SECONDS)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection, deadline(connection, _SECONDS):
        free = [run_id for run_id in run_ids if try_in_session(connection, _key(run_id))]
        # At once, or their processes could not take them again.
        release_all(connection)
    return free


def in_own_process(run: DagsterRun) -> bool:
    """Whether the run's process has shown that it lives since before the run began."""
    return run.tags.get(IN_PROCESS_TAG) == run.run_id


def _fail(instance: DagsterInstance, run_id: str) -> bool:
    # Read again: the run may have come to its end just before it gave the lock back.
    run = instance.get_run_by_id(run_id)
    if run is None or run.is_finished:
        return False
    instance.report_run_failed(run, PROCESS_GONE)
    return True


def _take(url: str, run_id: str) -> sa.Connection:
    """A connection that holds the run's lock. A reconciler that is just looking has it for a moment: then it is tried
    again.

    Raises:
        LockError: it stays taken; PostgreSQL may not have noticed yet that a lost connection of ours is gone.
    """
    engine = create_engine(url, application_name=f"aggregation run {run_id[:8]} lives")
    connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    try:
        prepare_lock_session(connection)
        for _ in range(50):
            if try_in_session(connection, _key(run_id)):
                return connection
            time.sleep(0.1)
    except BaseException:
        connection.close()
        raise
    connection.close()
    raise LockError(f"Run {run_id} cannot show that it lives: another session holds its lock")


def _key(run_id: str) -> int:
    return lock_key(AdvisoryLock.RUN_HEARTBEAT, run_id)
