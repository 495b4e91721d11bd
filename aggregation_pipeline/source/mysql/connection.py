"""Where the source database is, and how a new connection to it begins."""

import contextlib
import functools
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pymysql
import sqlalchemy as sa
from pydantic import SecretStr

from aggregation_pipeline.source.mysql.pymysql_internals import HookedConnection
from aggregation_pipeline.source.mysql.quiet_dialect import DRIVER_NAME
from aggregation_pipeline.source.mysql.session_setup import LIFT_LIMITS
from aggregation_pipeline.source.mysql.tls import Tls, tls_context

NO_PASSWORD: Final = SecretStr("")
IF_OFFERED: Final = Tls()


@dataclass(frozen=True)
class SourceOptions:
    """Where the source database is, and how to reach it.

    Attributes:
        stall_timeout: seconds without a byte, in either direction, after which a connection counts as lost.
        mask_salt: the key of hashes that stand for personal data; empty if there are none.
        name: that of the source, which its variables are called by; None for the database without a name.
    """

    database: str
    user: str
    password: SecretStr = NO_PASSWORD
    host: str | None = None
    port: int = 3306
    socket: Path | None = None
    connect_timeout: int = 10
    stall_timeout: int = 600
    mask_salt: SecretStr = NO_PASSWORD
    tls: Tls = IF_OFFERED
    name: str | None = None

    @property
    def where(self) -> str:
        """The server's address, for people."""
        return str(self.socket) if self.socket else f"{self.host}:{self.port}"


@functools.lru_cache(maxsize=64)
def source_engine(options: SourceOptions) -> sa.Engine:
    """Return the SQLAlchemy engine of a server, which keeps one connection if its session was kept.

    A connection that is used again has started over: one table's session variables (`timestamp`!) never reach the next.
    The engine itself is cached, and its connection with it.
    """
    url = sa.URL.create(
        DRIVER_NAME,
        username=options.user,
        host=None if options.socket else options.host,
        port=None if options.socket else options.port,
        database=options.database,
    )
    arguments = {
        "charset": "utf8mb4",
        "connect_timeout": options.connect_timeout,
        "read_timeout": options.stall_timeout,
        "write_timeout": options.stall_timeout,
        "local_infile": False,
        # A session begins and ends its snapshot by statements of its own.
        "autocommit": True,
        "program_name": "aggregation_pipeline",
    }
    if options.socket:
        arguments["unix_socket"] = str(options.socket)
    engine = sa.create_engine(
        url,
        pool_size=1,
        max_overflow=-1,
        connect_args=arguments,
        hide_parameters=True,
        # What SQLAlchemy would send for a transaction of its own: eight statements a window.
        isolation_level="AUTOCOMMIT",
        skip_autocommit_rollback=True,
    )

    @sa.event.listens_for(engine, "do_connect")
    def _connect(
        _dialect: object, _record: object, _args: object, parameters: Mapping[str, object]
    ) -> HookedConnection:
        return HookedConnection(
            tls_context=functools.partial(tls_context, options.tls),
            # Sent before the session asks its first question, which these limits could spoil.
            first_statement=LIFT_LIMITS,
            # A password goes out in UTF-8, as MySQL's own clients send it; PyMySQL encodes a str in Latin-1.
            **{**parameters, **options.tls.driver_arguments, "password": options.password.get_secret_value().encode()},
        )

    @sa.event.listens_for(engine, "checkout")
    def _start_over(connection: HookedConnection, record: sa.pool.ConnectionPoolEntry, _proxy: object) -> None:
        if record.info.get("used"):
            try:
                connection.start_over()
            except (pymysql.MySQLError, OSError) as error:
                # The server does not know how, or is gone: a new connection will do, or tell why it cannot be had.
                raise sa.exc.DisconnectionError("the session cannot start over") from error
        record.info["used"] = True

    return engine


class _Keepers:
    """How many runs of this process keep their connections."""

    def __init__(self) -> None:
        self.count = 0
        self.engines: set[sa.Engine] = set()
        self.lock = threading.Lock()


_keepers: Final = _Keepers()


@contextlib.contextmanager
def kept_connections() -> Iterator[None]:
    """Let sessions that end in the body leave their connections to the next; the end closes them."""
    with _keepers.lock:
        _keepers.count += 1
    try:
        yield
    finally:
        with _keepers.lock:
            _keepers.count -= 1
            idle = [] if _keepers.count else [_keepers.engines.pop() for _ in range(len(_keepers.engines))]
        for engine in idle:
            engine.dispose()


def end_session(connection: sa.Connection, *, can_be_kept: bool) -> None:
    """End the snapshot, and leave the connection to the next session if one is to come; else close it."""
    with _keepers.lock:
        keep = can_be_kept and _keepers.count > 0
        if keep:
            _keepers.engines.add(connection.engine)
    if not keep:
        connection.invalidate()
        return
    try:
        connection.connection.driver_connection.rollback()  # type: ignore[union-attr]
    except (pymysql.MySQLError, OSError):
        connection.invalidate()
