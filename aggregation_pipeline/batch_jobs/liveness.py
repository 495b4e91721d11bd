"""Runs whose process is gone, found by PostgreSQL: their process holds an advisory lock for as long as it lives, however it dies.

Dagster watches the processes that its code server has started, as long as that one lives: when a machine or a container goes down, its
runs stay "started" until they exceed their longest time, and hold up the ticks of their schedules meanwhile. Runs in a process of their
own (`aggregation-pipeline run`) are watched by nobody at all.
"""

import hashlib
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from dagster import DagsterInstance, DagsterRun, RunRecord
from dagster._core.storage.tags import HIDDEN_TAG_PREFIX

from aggregation_pipeline.errors import LockError
from aggregation_pipeline.postgres import create_engine, deadline, reason

# A run in a process of its own, which has taken the lock before the run was made. The value is the run's id, here and below: whoever
# executes a run again gets a copy of its tags.
TAG = "aggregation/in_process"
DIED = "The process that this run was started in died without a word (killed, out of memory, or the machine went down). Run it again"
# A run of a worker, which takes the lock when it has started; and since when nobody has been seen to hold it.
WATCHED = f"{HIDDEN_TAG_PREFIX}aggregation_watched"
SILENT = f"{HIDDEN_TAG_PREFIX}aggregation_silent_since"
# A worker takes a lost lock again within a beat, and gives it back a moment before its run has ended.
PATIENCE = timedelta(seconds=20)
_BEAT_SECONDS = 3.0

# The server's own keepalives: without them it takes two hours to notice that a machine lost its power. Idle for hours is what it is for.
_PREPARE = sa.text("""
    SELECT set_config('tcp_keepalives_idle', '30', false), set_config('tcp_keepalives_interval', '10', false),
           set_config('tcp_keepalives_count', '3', false),
           CASE WHEN current_setting('idle_session_timeout', true) IS NOT NULL THEN set_config('idle_session_timeout', '0', false) END
""")
_TRY = sa.text("SELECT pg_try_advisory_lock(:key)")
_FREE = sa.text("SELECT pg_advisory_unlock(:key)")
_SECONDS = 5.0


@contextmanager
def alive(url: str, run_id: str) -> Iterator[None]:
    """Show, for the body, that the run's process lives. `url` is Dagster's PostgreSQL. Raises LockError when it does not answer."""
    try:
        connection = _take(url, run_id)
    except sa.exc.SQLAlchemyError as error:
        raise LockError(
            f"Run {run_id} cannot show that it lives: PostgreSQL does not answer ({reason(error)}). Check DAGSTER_PG_URL"
        ) from error
    try:
        yield
    finally:
        with suppress(sa.exc.SQLAlchemyError):
            connection.close()


@contextmanager
def watched(instance: DagsterInstance, run: DagsterRun, url: str) -> Iterator[None]:
    """The same for a worker of Dagster's, over every loss of the connection; tells the run's tags that from now on it is so."""
    over, held = threading.Event(), threading.Event()

    def live() -> None:
        while not over.is_set():
            with suppress(sa.exc.SQLAlchemyError, LockError):
                connection = _take(url, run.run_id)
                held.set()
                try:
                    while not over.wait(_BEAT_SECONDS):
                        with deadline(connection, _SECONDS):
                            connection.execute(sa.text("SELECT 1"))
                finally:
                    connection.close()
            over.wait(_BEAT_SECONDS / 3)

    thread = threading.Thread(target=live, name="run lives", daemon=True)
    thread.start()
    try:
        # Without the lock nothing is promised: the run goes on, watched by Dagster alone.
        if held.wait(PATIENCE.total_seconds()):
            instance.add_run_tags(run.run_id, {WATCHED: run.run_id, SILENT: ""})
        yield
    finally:
        over.set()
        thread.join(_SECONDS)


def fail_the_dead(instance: DagsterInstance, runs: Sequence[RunRecord], url: str) -> list[str]:
    """Mark those of the open `runs` as failed whose process is gone; returns their ids."""
    ours = [run.dagster_run for run in runs if in_own_process(run.dagster_run) or _is_watched(run.dagster_run)]
    if not ours:
        return []
    dead = []
    engine = create_engine(url, application_name="aggregation sensors", statement_timeout=_SECONDS)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection, deadline(connection, _SECONDS):
        for run in ours:
            # Whoever gets the lock knows that nobody else has it, and that two of us do not say the same.
            free = connection.execute(_TRY, {"key": _key(run.run_id)}).scalar_one()
            if _is_watched(run):
                if free:
                    # At once, or the worker could not take it again.
                    connection.execute(_FREE, {"key": _key(run.run_id)})
                free = _silent_for_long(instance, run, free=free)
            if free and _fail(instance, run.run_id):
                dead.append(run.run_id)
    return dead


def in_own_process(run: DagsterRun) -> bool:
    """Whether the run's process has shown that it lives since before the run began."""
    return run.tags.get(TAG) == run.run_id


def _is_watched(run: DagsterRun) -> bool:
    return run.tags.get(WATCHED) == run.run_id


def _silent_for_long(instance: DagsterInstance, run: DagsterRun, *, free: bool) -> bool:
    since = run.tags.get(SILENT)
    if free and since:
        return datetime.now(UTC) - datetime.fromisoformat(since) >= PATIENCE
    if free or since:
        instance.add_run_tags(run.run_id, {SILENT: datetime.now(UTC).isoformat() if free else ""})
    return False


def _fail(instance: DagsterInstance, run_id: str) -> bool:
    # Read again: the run may have come to its end just before it gave the lock back.
    run = instance.get_run_by_id(run_id)
    if run is None or run.is_finished:
        return False
    instance.report_run_failed(run, DIED)
    return True


def _take(url: str, run_id: str) -> sa.Connection:
    """A connection that holds the run's lock. A reconciler that is just looking has it for a moment: then it is tried again.

    Raises:
        LockError: it stays taken; PostgreSQL may not have noticed yet that a lost connection of ours is gone.
    """
    engine = create_engine(url, application_name=f"aggregation run {run_id[:8]} lives")
    connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    try:
        connection.execute(_PREPARE)
        for _ in range(50):
            if connection.execute(_TRY, {"key": _key(run_id)}).scalar_one():
                return connection
            time.sleep(0.1)
    except BaseException:
        connection.close()
        raise
    connection.close()
    raise LockError(f"Run {run_id} cannot show that it lives: another session holds its lock")


def _key(run_id: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"aggregation in-process run {run_id}".encode(), digest_size=8).digest(), "big", signed=True)
