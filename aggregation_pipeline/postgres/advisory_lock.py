"""The registry of advisory locks: what the project locks in PostgreSQL, under which number, by which statement.

PostgreSQL knows an advisory lock by one number per database. Two purposes with the same number would wait for each
other, so every number is made here, and no other module calls PostgreSQL's functions for advisory locks.
"""

import hashlib
import json
from enum import StrEnum, unique
from typing import Final

import sqlalchemy as sa

_WAIT: Final = sa.text("SELECT pg_advisory_lock(:key)")
_TRY: Final = sa.text("SELECT pg_try_advisory_lock(:key)")
_RELEASE: Final = sa.text("SELECT pg_advisory_unlock(:key)")
_RELEASE_ALL: Final = sa.text("SELECT pg_advisory_unlock_all()")
_WAIT_IN_TRANSACTION: Final = sa.text("SELECT pg_advisory_xact_lock(:key)")
_TRY_IN_TRANSACTION: Final = sa.text("SELECT pg_try_advisory_xact_lock(:key)")

# pg_locks shows a lock whose key is one bigint in two halves.
_HELD_HERE: Final = sa.text("""
    SELECT count(*) FROM pg_locks
    WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND (classid::bigint << 32 | objid::bigint) = :key
      AND pid = pg_backend_pid()
""")
_HOLDER: Final = sa.text("""
    SELECT l.pid, a.application_name, extract(epoch FROM clock_timestamp() - a.backend_start)::bigint
    FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)
    WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND (classid::bigint << 32 | objid::bigint) = :key
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    LIMIT 1
""")

# For sessions that hold a lock and are idle for hours: without keepalives the server takes two hours to notice that the
# holder's machine lost its power. idle_session_timeout exists since PostgreSQL 14; a parameter that the server lacks is
# left alone.
_STAY_OPEN: Final = sa.text("""
    SELECT set_config('tcp_keepalives_idle', '30', false), set_config('tcp_keepalives_interval', '10', false),
           set_config('tcp_keepalives_count', '3', false),
           CASE WHEN current_setting('idle_session_timeout', true) IS NOT NULL
                THEN set_config('idle_session_timeout', :idle, false) END
""")


@unique
class AdvisoryLock(StrEnum):
    """What is locked; the comment names the parts that tell one lock of the kind from another.

    Processes of two releases that run side by side have to agree on the texts.
    """

    WINDOW = "aggregation window"  # prefix, table, window
    RUN_HEARTBEAT = "aggregation run heartbeat"  # run id
    DAGSTER_STORAGE = "aggregation Dagster storage"  # none
    BATCH_JOBS_TABLE = "aggregation batch_jobs table"  # none
    LAUNCHES = "aggregation launches"  # none
    BATCH_JOBS_TEST = "aggregation batch_jobs test"  # none
    UPGRADE = "aggregation upgrade"  # none
    ALERT_TABLES = "aggregation alert tables"  # none
    ACCESS_TABLES = "aggregation access tables"  # none
    ALERT_OUTBOX = "aggregation alerts"  # deployment
    ALERT_DELIVERY = "aggregation alerts to"  # channel


def lock_key(lock: AdvisoryLock, *parts: str) -> int:
    """The signed 64-bit number of a lock in PostgreSQL; the same in every process and release."""
    # As JSON, so that ("a", "bc") and ("ab", "c") stay apart.
    text = json.dumps([lock.value, *parts], ensure_ascii=True)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


def wait_in_session(connection: sa.Connection, key: int) -> None:
    """Take a lock for as long as the session lives, and wait until it is free."""
    connection.execute(_WAIT, {"key": key})


def try_in_session(connection: sa.Connection, key: int) -> bool:
    """Take a lock for as long as the session lives; False where another session holds it."""
    return bool(connection.execute(_TRY, {"key": key}).scalar_one())


def wait_in_transaction(connection: sa.Connection, key: int) -> None:
    """Take a lock until the transaction ends, and wait until it is free."""
    connection.execute(_WAIT_IN_TRANSACTION, {"key": key})


def try_in_transaction(connection: sa.Connection, key: int) -> bool:
    """Take a lock until the transaction ends; False where another session holds it."""
    return bool(connection.execute(_TRY_IN_TRANSACTION, {"key": key}).scalar_one())


def release(connection: sa.Connection, key: int) -> None:
    """Give back a lock of this session."""
    connection.execute(_RELEASE, {"key": key})


def release_all(connection: sa.Connection) -> None:
    """Give back all locks of this session."""
    connection.execute(_RELEASE_ALL)


def is_held_here(connection: sa.Connection, key: int) -> bool:
    """Whether this session holds the lock."""
    return bool(connection.execute(_HELD_HERE, {"key": key}).scalar_one())


def describe_holder(connection: sa.Connection, key: int) -> tuple[str, str] | None:
    """Who holds the lock, and since when (", connected for 12 s" or nothing); None where nobody does any more."""
    row = connection.execute(_HOLDER, {"key": key}).first()
    if row is None:
        return None
    holder = f"{row[1] or 'a session without a name'} (PostgreSQL process {row[0]})"
    return holder, f", connected for {row[2]} s" if row[2] is not None else ""


def prepare_lock_session(connection: sa.Connection, *, silent_seconds: int = 0) -> None:
    """Let an idle session keep its locks for hours, and let the server notice within a minute that its client died.

    With `silent_seconds` the session ends, and its locks are free, when the client has said nothing for so long.
    """
    connection.execute(_STAY_OPEN, {"idle": f"{silent_seconds}s"})
