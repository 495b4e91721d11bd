"""One run at a time on one window of one table.

Dagster's pools and tag limits count runs, and none of them can keep two runs off the same files. A session-level
advisory lock in PostgreSQL can: it is held for as long as one connection lives, so the death of the process, however
sudden, frees it.
"""

import functools
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

import sqlalchemy as sa

from aggregation_pipeline.errors import LockError
from aggregation_pipeline.postgres.engine import LASTING_SESSION, create_engine, deadline, safe_reason

# A waiter that says nothing for an hour looks hung; one that repeats itself every second fills the log.
_REPEAT_SECONDS = 60.0
# A frozen server answers nothing at all; a lock nobody can vouch for is as good as lost.
_PATIENCE_SECONDS = 20.0

_PREPARE = sa.text(
    "SELECT set_config('application_name', :holder, false), set_config('statement_timeout', '15s', false),"
    f" {LASTING_SESSION}"
)
_TRY = sa.text("SELECT pg_try_advisory_lock(:key)")
_FREE = sa.text("SELECT pg_advisory_unlock(:key)")
_HELD = sa.text("""
    SELECT count(*) FROM pg_locks
    WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND (classid::bigint << 32 | objid::bigint) = :key AND pid = pg_backend_pid()
""")
_HOLDER = sa.text("""
    SELECT l.pid, a.application_name, extract(epoch FROM clock_timestamp() - a.backend_start)::bigint
    FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)
    WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND (classid::bigint << 32 | objid::bigint) = :key
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    LIMIT 1
""")


def lock_key(prefix: str, table: str, window: str) -> int:
    """The signed 64-bit number that stands for a window in PostgreSQL; the same in every process and release."""
    text = json.dumps(["aggregation window", prefix, table, window], ensure_ascii=True)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


class WindowLock:
    """A lock that is held. Not for use by two threads at once.

    `hold_also(window)` holds that of another window too, for its body; `reacquire()` takes the same lock once more, in a new
    session.
    """

    def __init__(
        self,
        connection: sa.Connection,
        key: int,
        words: str,
        hold_also: Callable[[str], AbstractContextManager[None]],
        reacquire: "Callable[[], AbstractContextManager[WindowLock]]",
    ) -> None:
        self._connection = connection
        self._key = key
        self._words = words
        self.hold_also = hold_also
        self.reacquire = reacquire

    def assert_held(self) -> None:
        """Raise LockError when the session is gone: somebody else may be writing these files by now."""
        try:
            with deadline(self._connection, _PATIENCE_SECONDS):
                held = self._connection.execute(_HELD, {"key": self._key}).scalar_one()
        except sa.exc.SQLAlchemyError as error:
            raise self._lost(error) from error
        if not held:
            # SQLAlchemy reconnects by itself; the new session holds nothing.
            raise self._lost(None)

    def _lost(self, error: Exception | None) -> LockError:
        why = f" ({safe_reason(error)})" if error else ""
        return LockError(
            f"The lock on {self._words} was lost: the PostgreSQL session that held it ended{why}. The server was"
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
) -> Iterator[WindowLock]:
    """Hold the lock on (prefix, table, window) for the body, waiting for it as long as it takes.

    `holder` is how this process is named to those who wait (at most 63 ASCII characters, such as "aggregation run
    1a2b3c4d"). `on_wait` is told in a sentence who is waited for: at once, whenever that changes, and every minute.
    `poll` is the longest pause between two tries, in seconds. Raises LockError when PostgreSQL cannot be reached.
    """
    words = f"table {table}, window {window}"
    key = lock_key(prefix, table, window)
    engine = _engine(database) if isinstance(database, str) else database
    try:
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    except sa.exc.SQLAlchemyError as error:
        raise LockError(
            f"The lock on {words} cannot be taken: PostgreSQL does not answer ({safe_reason(error)}). "
            "Check DAGSTER_PG_URL and that the server runs"
        ) from error
    # Off any pool: the session carries our settings, and closing it is what frees the lock.
    connection.detach()

    @contextmanager
    def hold_also(another: str) -> Iterator[None]:
        """Hold the lock on another window of the table as well, in the same session, waiting for it like for the
        first.
        """
        second = lock_key(prefix, table, another)
        _acquire(connection, second, f"table {table}, window {another}", on_wait=on_wait, poll=poll)
        try:
            yield
        finally:
            # A session that is gone has freed it.
            with suppress(sa.exc.SQLAlchemyError):
                connection.execute(_FREE, {"key": second})

    @contextmanager
    def reacquire() -> Iterator[WindowLock]:
        """Take the lock in a new session. What is left of this one goes first, or we might wait for ourselves."""
        with suppress(sa.exc.SQLAlchemyError):
            connection.close()
        with window_lock(database, prefix, table, window, holder=holder, on_wait=on_wait, poll=poll) as held:
            yield held

    try:
        _acquire(connection, key, words, on_wait=on_wait, poll=poll, holder=holder)
        yield WindowLock(connection, key, words, hold_also, reacquire)
    finally:
        with suppress(sa.exc.SQLAlchemyError):
            connection.close()


@functools.lru_cache(maxsize=8)
def _engine(url: str) -> sa.Engine:
    """Kept, for a run over a year takes hundreds of locks; its connections are not."""
    return create_engine(url, application_name="aggregation lock")


def _acquire(
    connection: sa.Connection,
    key: int,
    words: str,
    *,
    on_wait: Callable[[str], None],
    poll: float,
    holder: str | None = None,
) -> None:
    """Take a lock; with a `holder`, name and prepare the session first."""
    # Tries and pauses, rather than one blocking call: libpq does not let Python's signals through, and a cancelled run
    # has to stop waiting.
    try:
        if holder is not None:
            connection.execute(_PREPARE, {"holder": holder})
        pause, said, said_at = min(0.05, poll), "", 0.0
        while not connection.execute(_TRY, {"key": key}).scalar_one():
            row = connection.execute(_HOLDER, {"key": key}).first()
            if row is not None:
                who = f"{row[1] or 'a session without a name'} (PostgreSQL process {row[0]})"
                if who != said or time.monotonic() - said_at >= _REPEAT_SECONDS:
                    since = f", connected for {row[2]} s" if row[2] is not None else ""
                    on_wait(f"Waiting for {words}: it is held by {who}{since}")
                    said, said_at = who, time.monotonic()
            time.sleep(pause)
            pause = min(pause * 1.5, poll)
    except sa.exc.SQLAlchemyError as error:
        raise LockError(
            f"The lock on {words} cannot be taken: PostgreSQL went away while waiting ({safe_reason(error)})"
        ) from error
