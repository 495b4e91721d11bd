"""One run at a time on one window of one table.

Dagster's pools and tag limits count runs; they cannot keep two runs off the same files. A session-level advisory lock
in PostgreSQL can. It ends with its connection, so it is free again as soon as the process dies.
"""

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Final

import sqlalchemy as sa

from aggregation_pipeline.errors import LockError
from aggregation_pipeline.postgres.advisory_lock import (
    AdvisoryLock,
    describe_holder,
    is_held_here,
    lock_key,
    prepare_lock_session,
    release,
    release_all,
    try_in_session,
)
from aggregation_pipeline.postgres.engine import create_engine, deadline, safe_reason

# A waiter that is silent for an hour looks hung; one that repeats itself every second fills the log.
_REPEAT_SECONDS: Final = 60.0
# A frozen server answers nothing at all. A lock that nobody can confirm counts as lost.
_CONFIRM_SECONDS: Final = 20.0

_NAME_SESSION: Final = sa.text(
    "SELECT set_config('application_name', :holder, false), set_config('statement_timeout', '15s', false)"
)


class WindowLock:
    """A lock that is held. Two threads must not use it at once.

    `hold_also(window)` holds the lock of another window of the table for its body. `reacquire()` takes the same lock
    once more, in a new session.
    """

    def __init__(
        self,
        connection: sa.Connection,
        key: int,
        description: str,
        hold_also: Callable[[str], AbstractContextManager[None]],
        reacquire: "Callable[[], AbstractContextManager[WindowLock]]",
        on_confirm: Callable[[sa.Connection], None],
    ) -> None:
        self._connection = connection
        self._key = key
        self._description = description
        self.hold_also = hold_also
        self.reacquire = reacquire
        self._on_confirm = on_confirm

    def assert_held(self) -> None:
        """Raise LockError when the session is gone: another run may be writing these files already."""
        try:
            with deadline(self._connection, _CONFIRM_SECONDS):
                held = is_held_here(self._connection, self._key)
                self._on_confirm(self._connection)
        except sa.exc.SQLAlchemyError as error:
            raise self._lost(error) from error
        if not held:
            # SQLAlchemy reconnects by itself; the new session holds nothing.
            raise self._lost(None)

    def _lost(self, error: Exception | None) -> LockError:
        why = f" ({safe_reason(error)})" if error else ""
        return LockError(
            f"The lock on {self._description} was lost: the PostgreSQL session that held it ended{why}. The server was"
            " restarted, the connection was cut, or a pooler that shares sessions is in between. Nothing more is"
            " written for this window; run it again"
        )


@contextmanager
def window_lock(
    database: sa.Engine | str,
    prefix: str,
    table: str,
    window: str,
    *,
    holder: str,
    on_wait: Callable[[str], None],
    poll: float = 1.0,
    on_confirm: Callable[[sa.Connection], None] = lambda _: None,
) -> Iterator[WindowLock]:
    """Hold the lock on (prefix, table, window) for the body, waiting for it as long as it takes.

    `holder` names this process to those who wait (at most 63 ASCII characters, such as "aggregation run 1a2b3c4d").
    `on_wait` gets a sentence that says who holds the lock: at once, whenever that changes, and every minute.
    `poll` is the longest pause between two tries, in seconds. `database` is its URL, or an engine, which may keep the
    session for the next lock. `on_confirm` gets that session whenever the holder confirms its lock, and may raise.
    Raises LockError when PostgreSQL cannot be reached.
    """
    description = f"table {table}, window {window}"
    key = lock_key(AdvisoryLock.WINDOW, prefix, table, window)
    engine = _engine(database) if isinstance(database, str) else database
    try:
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    except sa.exc.SQLAlchemyError as error:
        raise LockError(
            f"The lock on {description} cannot be taken: PostgreSQL does not answer ({safe_reason(error)}). "
            "Check DAGSTER_PG_URL and that the server runs"
        ) from error

    @contextmanager
    def hold_also(another: str) -> Iterator[None]:
        """Hold the lock on another window of the table too, in the same session, and wait for it in the same way."""
        second = lock_key(AdvisoryLock.WINDOW, prefix, table, another)
        _acquire(connection, second, f"table {table}, window {another}", on_wait=on_wait, poll=poll)
        try:
            yield
        finally:
            # A session that is gone has freed it.
            with suppress(sa.exc.SQLAlchemyError):
                release(connection, second)

    @contextmanager
    def reacquire() -> Iterator[WindowLock]:
        """Take the lock in a new session. The old session is closed first, or we might wait for ourselves."""
        _end(connection, keep=False)
        with window_lock(
            database, prefix, table, window, holder=holder, on_wait=on_wait, poll=poll, on_confirm=on_confirm
        ) as held:
            yield held

    try:
        _acquire(connection, key, description, on_wait=on_wait, poll=poll, holder=holder)
        yield WindowLock(connection, key, description, hold_also, reacquire, on_confirm)
    finally:
        _end(connection, keep=True)


def _end(connection: sa.Connection, *, keep: bool) -> None:
    """Free all locks of the session. One that cannot say that they are free is closed, which frees them too."""
    with suppress(sa.exc.SQLAlchemyError), connection:
        try:
            if keep:
                release_all(connection)
        except sa.exc.SQLAlchemyError:
            keep = False
        if not keep:
            connection.invalidate()


@functools.lru_cache(maxsize=8)
def _engine(url: str) -> sa.Engine:
    """One engine per URL, because a run over a year takes hundreds of locks. Its connections are not kept."""
    return create_engine(url, application_name="aggregation lock")


def _acquire(
    connection: sa.Connection,
    key: int,
    description: str,
    *,
    on_wait: Callable[[str], None],
    poll: float,
    holder: str | None = None,
) -> None:
    """Take a lock; with a `holder`, name and prepare the session first."""
    # Tries and pauses, rather than one blocking call: libpq does not let Python's signals through, and a cancelled run
    # has to stop waiting.
    try:
        if holder is not None and connection.info.get("holder") != holder:
            connection.execute(_NAME_SESSION, {"holder": holder})
            prepare_lock_session(connection)
            connection.info["holder"] = holder
        retry_pause, last_holder, reported_at = min(0.05, poll), "", 0.0
        while not try_in_session(connection, key):
            if found := describe_holder(connection, key):
                who, since = found
                if who != last_holder or time.monotonic() - reported_at >= _REPEAT_SECONDS:
                    on_wait(f"Waiting for {description}: it is held by {who}{since}")
                    last_holder, reported_at = who, time.monotonic()
            time.sleep(retry_pause)
            retry_pause = min(retry_pause * 1.5, poll)
    except sa.exc.SQLAlchemyError as error:
        raise LockError(
            f"The lock on {description} cannot be taken: PostgreSQL went away while waiting ({safe_reason(error)})"
        ) from error
