"""The one way to PostgreSQL for batch_jobs, alerts and the locks: sessions in UTC, bounded in time, named.

Dagster makes engines of its own for its storage; instance/storage.py gives them the same URL and keepalives.
"""

import os
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final

import psycopg2.extensions
import sqlalchemy as sa

from aggregation_pipeline.postgres.frozen_server import end_waits_when_frozen
from aggregation_pipeline.postgres.kept_connection import KEEP_ONE, check_before_use
from aggregation_pipeline.postgres.url import normalize_url

# libpq notices a dead peer in about a minute instead of the operating system's two hours.
KEEPALIVES: Final[Mapping[str, int]] = {
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
# SQLSTATE classes whose messages quote names of tables, columns, users and settings, and no values.
_NAMES_ONLY: Final = re.compile(r"0[38A]|2[3568]|3[DF]|40|42(?!601)|5[3578]")


def create_engine(
    url: str, *, application_name: str, statement_timeout: float = 15.0, connect_timeout: int = 5, keep: bool = False
) -> sa.Engine:
    """An engine whose connections are in UTC, have a name in pg_stat_activity and never wait for ever.

    Timeouts are in seconds; `statement_timeout=0` means none. Each use has a connection of its own, unless `keep` says
    that one is kept until the engine is disposed.
    """
    engine = sa.create_engine(
        normalize_url(url),
        **(KEEP_ONE if keep else {"poolclass": sa.NullPool}),
        # Parameters are people's data: they stay out of exceptions.
        hide_parameters=True,
        connect_args={"application_name": application_name, "connect_timeout": connect_timeout, **KEEPALIVES},
    )

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: psycopg2.extensions.connection, _record: object) -> None:
        # In SQL, not in `options`: poolers drop or refuse options that they do not know, and PGTZ overrules them.
        # A pooler may accept the connection while the server behind it hangs, so this first statement is bounded too.
        with _cut_after(connection.fileno(), 2.0 * connect_timeout), connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('TimeZone', 'UTC', false), set_config('statement_timeout', %s, false)",
                (f"{int(statement_timeout * 1000)}ms",),
            )
        connection.commit()

    if keep:
        check_before_use(engine)
        end_waits_when_frozen(engine)
    return engine


@contextmanager
def transaction(bind: sa.Engine | sa.Connection) -> Iterator[sa.Connection]:
    """A transaction, on a connection of its own or on the one given."""
    if isinstance(bind, sa.Engine):
        with bind.begin() as connection:
            yield connection
    else:
        with bind.begin():
            yield bind


@contextmanager
def deadline(connection: sa.Connection, seconds: float) -> Iterator[None]:
    """Cut the connection after `seconds`, whatever it waits for.

    The statement that is running then raises OperationalError. statement_timeout cannot do this: the server counts it,
    and a frozen server, or one behind a network that drops packets, counts nothing.
    """
    with _cut_after(connection.connection.dbapi_connection.fileno(), seconds):  # type: ignore[union-attr]
        yield


@contextmanager
def _cut_after(descriptor: int, seconds: float) -> Iterator[None]:
    with socket.socket(fileno=os.dup(descriptor)) as duplicate:

        def cut() -> None:
            with suppress(OSError):
                duplicate.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(seconds, cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def safe_reason(error: Exception) -> str:
    """The first line of PostgreSQL's message if it quotes names only, else the SQLSTATE alone.

    The lines that follow show rows and statements, which may hold people's data.
    """
    original = getattr(error, "orig", None) or error
    code = getattr(original, "pgcode", None)
    if code and not quotes_names_only(code):
        return f"{type(original).__name__}, SQLSTATE {code}"
    text = str(original).strip()
    return text.splitlines()[0][:500] if text else type(error).__name__


def quotes_names_only(code: str) -> bool:
    """Whether PostgreSQL's messages with this SQLSTATE quote names only.

    Errors in data (22), syntax errors (42601) and triggers (P0) quote values.
    """
    return _NAMES_ONLY.match(code) is not None
