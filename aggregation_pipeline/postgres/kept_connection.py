"""A connection that an engine keeps between two uses, instead of one for each: to open one takes longer than most uses.

A connection that the server has closed is replaced before it is used. To ask the server would cost a round trip each
time; a socket that can be read while nobody has asked anything says the same.
"""

import os
import select
from typing import Any, Final

import psycopg2.extensions
import sqlalchemy as sa

# Firewalls and poolers let a connection be idle for longer than this.
_KEPT_SECONDS: Final = 240
# One connection is kept. Further threads open and close their own.
KEEP_ONE: Final[dict[str, Any]] = {
    "poolclass": sa.QueuePool,
    "pool_size": 1,
    "max_overflow": -1,
    "pool_recycle": _KEPT_SECONDS,
}


def check_before_use(engine: sa.Engine) -> None:
    """Let the engine replace a kept connection that is closed, or that belongs to the process that forked this one."""
    sa.event.listen(engine, "connect", _note_process)
    sa.event.listen(engine, "checkout", _refuse_unusable)


def _note_process(_connection: psycopg2.extensions.connection, record: sa.pool.ConnectionPoolEntry) -> None:
    record.info["process"] = os.getpid()


def _refuse_unusable(
    connection: psycopg2.extensions.connection,
    record: sa.pool.ConnectionPoolEntry,
    proxy: sa.pool.PoolProxiedConnection,
) -> None:
    if record.info["process"] != os.getpid():
        # Not closed: that would end the session of the other process.
        record.dbapi_connection = proxy.dbapi_connection = None  # type: ignore[misc]
        raise sa.exc.DisconnectionError("the connection belongs to another process")
    if connection.closed:
        raise sa.exc.DisconnectionError("the connection is closed")
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    if waiting.poll(0):
        raise sa.exc.DisconnectionError("the server has closed the connection")
