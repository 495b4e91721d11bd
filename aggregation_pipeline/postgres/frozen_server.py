"""Ends what waits for a PostgreSQL that is frozen: such a server keeps its connections, and answers nothing on them.

A new connection has a time limit, and one that is kept has none. No time limit of PostgreSQL or of TCP helps: the
server counts nothing, and its machine still acknowledges what comes. A thread that waits in libpq does not even hear
Ctrl-C. A slow statement looks the same from here. So a server that lets somebody wait is asked for a new connection,
and only where it gives no answer are those who wait cut off.
"""

import os
import socket
import threading
import time
from contextlib import closing, suppress
from typing import Final

import psycopg2
import sqlalchemy as sa

# As long as TCP tries to reach a machine that is gone: see engine.KEEPALIVES.
_PATIENCE: Final = 60.0
_CONNECT_SECONDS: Final = 10


def end_waits_when_frozen(engine: sa.Engine, *, patience: float = _PATIENCE) -> None:
    """Let the engine's statements raise OperationalError when the server is frozen for about `patience` seconds."""
    watch = _Watch(engine, patience)
    sa.event.listen(engine, "before_cursor_execute", watch.begin)
    sa.event.listen(engine, "after_cursor_execute", watch.end)
    sa.event.listen(engine, "handle_error", watch.end)


class _Watch:
    """Who waits for a server, and the thread that looks after them while somebody does."""

    def __init__(self, engine: sa.Engine, patience: float) -> None:
        self._engine = engine
        self._patience = patience
        self._forget()

    def _forget(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        # By thread: since when it waits, and its connection's socket.
        self._waiting: dict[int, tuple[float, int]] = {}
        self._is_watched = False

    def begin(self, connection: sa.Connection, *_: object) -> None:
        """Note that this thread waits from now on."""
        if self._process != os.getpid():
            # Forked: what waits belongs to the other process, and the thread did not come along.
            self._forget()
        descriptor = connection.connection.dbapi_connection.fileno()  # type: ignore[union-attr]
        with self._lock:
            self._waiting[threading.get_ident()] = time.monotonic(), descriptor
            if not self._is_watched:
                self._is_watched = True
                threading.Thread(target=self._run, name="frozen PostgreSQL", daemon=True).start()

    def end(self, *_: object) -> None:
        """Note that this thread waits no longer."""
        with self._lock:
            self._waiting.pop(threading.get_ident(), None)

    def _run(self) -> None:
        while True:
            time.sleep(self._patience / 4)
            with self._lock:
                if not self._waiting:
                    self._is_watched = False
                    return
                before = time.monotonic() - self._patience
                late = {thread: wait for thread, wait in self._waiting.items() if wait[0] < before}
            if late and not self._answers():
                self._cut_off(late)

    def _answers(self) -> bool:
        """Whether the server answers somebody new, be it with a refusal."""
        _, parameters = self._engine.dialect.create_connect_args(self._engine.url)
        parameters["connect_timeout"] = _CONNECT_SECONDS
        started = time.monotonic()
        with suppress(psycopg2.Error), closing(psycopg2.connect(**parameters)):
            return True
        return time.monotonic() - started < _CONNECT_SECONDS / 2

    def _cut_off(self, late: dict[int, tuple[float, int]]) -> None:
        with self._lock:
            # Whoever got an answer meanwhile may have closed the socket, and its number may be another's.
            for _, descriptor in (wait for thread, wait in late.items() if self._waiting.get(thread) == wait):
                with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as duplicate:
                    duplicate.shutdown(socket.SHUT_RDWR)
