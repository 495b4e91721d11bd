"""The heartbeat of a run: an advisory lock that the run's process holds, so that PostgreSQL knows when it is gone.

Dagster watches the processes that its code server started, for as long as the code server runs. When a machine or a
container goes down, its runs stay "started" until they exceed their longest time, and their schedules skip ticks
meanwhile. Nobody watches a run in a process of its own (`aggregation-pipeline run`). The lock ends with the process,
whatever ended it, and the reconciler marks such runs as failed.

The thread that keeps the lock also reads the run's status, and interrupts the run once somebody has stopped it.
"""

import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

import sqlalchemy as sa
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunRecord

from aggregation_pipeline.errors import LockError
from aggregation_pipeline.postgres.advisory_lock import prepare_lock_session, try_in_session
from aggregation_pipeline.postgres.engine import create_engine, deadline, safe_reason
from aggregation_pipeline.postgres.run_lock import (
    PROCESS_GONE,
    TIMEOUT_SECONDS,
    end_sessions,
    run_key,
    runs_without_process,
)
from aggregation_pipeline.runs.stopped import is_stopped
from aggregation_pipeline.runs.tags import HEARTBEAT_TAG, IN_PROCESS_TAG

_BEAT_SECONDS = 2.0
# A stopped run is interrupted at the second beat that finds it so, a second after the first. Dagster's own message has
# reached it by then if it reaches it at all, and a second interrupt could cut the cleaning up short. One that was lost,
# because a callback of C swallowed it, is sent again after as many beats more.
_STOPPED_BEAT_SECONDS = 1.0
_INTERRUPT_AT_BEAT = 2
_INTERRUPT_EVERY_BEATS = 30
# A process that is frozen (SIGSTOP, a machine that hangs) answers no beat, but its connection stays: PostgreSQL ends it
# after this time, and the lock with it.
_FROZEN_SECONDS = 60

# The runs whose heartbeat this process holds.
_held: set[str] = set()


@contextmanager
def hold_heartbeat(url: str, run_id: str) -> Iterator[None]:
    """Hold the run's heartbeat for the body. A lost connection is opened again. `url` is Dagster's PostgreSQL.

    If somebody stops the run meanwhile, the body gets SIGINT, provided that it runs in the main thread.

    Raises:
        LockError: PostgreSQL does not answer at the beginning.
    """
    try:
        first = _take_lock(url, run_id)
    except sa.exc.SQLAlchemyError as error:
        raise LockError(
            f"The heartbeat of run {run_id} cannot begin: PostgreSQL does not answer ({safe_reason(error)}). Check"
            " DAGSTER_PG_URL"
        ) from error
    ended = threading.Event()
    interrupt = _Interrupt()
    thread = threading.Thread(
        target=_beat, args=(url, run_id, first, ended, interrupt), name="run heartbeat", daemon=True
    )
    thread.start()
    _held.add(run_id)
    try:
        yield
    finally:
        _held.discard(run_id)
        interrupt.forbid()
        ended.set()
        thread.join(TIMEOUT_SECONDS)


@contextmanager
def worker_heartbeat(instance: DagsterInstance, run: DagsterRun, url: str) -> Iterator[None]:
    """Hold the heartbeat of a run of a Dagster worker, and tag the run, so that the reconciler watches it.

    Where the lock cannot be taken, the run goes on without a heartbeat and without the tag. Where this process holds it
    already, nothing is done.
    """
    if run.run_id in _held:
        yield
        return
    with ExitStack() as stack:
        with suppress(LockError):
            stack.enter_context(hold_heartbeat(url, run.run_id))
            instance.add_run_tags(run.run_id, {HEARTBEAT_TAG: run.run_id})
        yield


def in_own_process(run: DagsterRun) -> bool:
    """Whether the run has a process of its own, which held its heartbeat before the run was created."""
    return run.tags.get(IN_PROCESS_TAG) == run.run_id


def fail_orphaned_runs(instance: DagsterInstance, runs: Sequence[RunRecord], url: str) -> list[str]:
    """Mark those of the open `runs` as failed whose process is gone, and return their ids.

    Runs without a heartbeat are left alone. Where a lock is free, this waits PATIENCE_SECONDS and looks again. A run
    that is being cancelled is marked as cancelled.
    """
    failed = [run_id for run_id in orphaned_runs(runs, url) if _mark_as_failed(instance, run_id)]
    if failed:
        end_sessions(url, failed)
    return failed


def orphaned_runs(runs: Sequence[RunRecord], url: str) -> list[str]:
    """Return the ids of those of the open `runs` whose process is gone. This may wait as `fail_orphaned_runs` does."""
    watched = [
        run.dagster_run.run_id
        for run in runs
        if run.dagster_run.run_id in map(run.dagster_run.tags.get, (IN_PROCESS_TAG, HEARTBEAT_TAG))
    ]
    return runs_without_process(url, watched)


class _Interrupt:
    """Interrupts the thread that made this object. Signals reach the main thread only; in another, nothing happens."""

    def __init__(self) -> None:
        self._thread = threading.current_thread()
        self._allowed = self._thread is threading.main_thread()
        self._lock = threading.Lock()
        self._beats = 0

    def beat(self, *, stopped: bool) -> None:
        """Count the beats that found the run stopped, and interrupt where that is due."""
        self._beats = self._beats + 1 if stopped else 0
        if self._beats % _INTERRUPT_EVERY_BEATS == _INTERRUPT_AT_BEAT:
            with self._lock:
                if self._allowed and self._thread.ident is not None:
                    signal.pthread_kill(self._thread.ident, signal.SIGINT)

    def forbid(self) -> None:
        """Interrupt no more: the run is over, and a signal would hit what comes after it."""
        with self._lock:
            self._allowed = False


def _beat(
    url: str, run_id: str, connection: sa.Connection | None, ended: threading.Event, interrupt: _Interrupt
) -> None:
    """Use the connection that holds the lock every few seconds, and take the lock again when the connection is lost."""
    while not ended.is_set():
        # If this thread exits, the reconciler marks a healthy run as failed.
        with suppress(Exception):
            connection = connection or _take_lock(url, run_id)
            stopped = False
            while not ended.wait(_STOPPED_BEAT_SECONDS if stopped else _BEAT_SECONDS):
                with deadline(connection, TIMEOUT_SECONDS):
                    stopped = is_stopped(connection, run_id)
                interrupt.beat(stopped=stopped)
        if connection is not None:
            with suppress(Exception):
                connection.close()
            connection = None
        ended.wait(_BEAT_SECONDS / 3)


def _mark_as_failed(instance: DagsterInstance, run_id: str) -> bool:
    # Read again: the run may have ended just before it released the lock.
    run = instance.get_run_by_id(run_id)
    if run is None or run.is_finished:
        return False
    if run.status == DagsterRunStatus.CANCELING:
        # Somebody wanted it to end, and it has.
        instance.report_run_canceled(run, PROCESS_GONE)
    else:
        instance.report_run_failed(run, PROCESS_GONE)
    return True


def _take_lock(url: str, run_id: str) -> sa.Connection:
    """Return a connection that holds the run's lock.

    The reconciler holds a lock for a moment while it looks, so this tries for five seconds.

    Raises:
        LockError: the lock stays taken. PostgreSQL may not have noticed yet that our lost connection is gone.
    """
    engine = create_engine(url, application_name=f"aggregation heartbeat {run_id[:8]}")
    connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    try:
        prepare_lock_session(connection, silent_seconds=_FROZEN_SECONDS)
        for _ in range(50):
            if try_in_session(connection, run_key(run_id)):
                return connection
            time.sleep(0.1)
    except BaseException:
        connection.close()
        raise
    connection.close()
    raise LockError(f"The heartbeat of run {run_id} cannot begin: another session holds its lock")
