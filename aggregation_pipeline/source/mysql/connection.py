"""How a new connection to a source database begins, and what becomes of it at the end of a session."""

import functools
from collections.abc import Mapping
from typing import Any

import pymysql
import sqlalchemy as sa

from aggregation_pipeline.source.kept_connections import keep
from aggregation_pipeline.source.mysql.pymysql_internals import HookedConnection
from aggregation_pipeline.source.mysql.quiet_dialect import DRIVER_NAME
from aggregation_pipeline.source.mysql.session_setup import LIFT_LIMITS
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.tls import Tls, tls_context


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
            **{**parameters, **_tls_arguments(options.tls), "password": options.password.get_secret_value().encode()},
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


def _tls_arguments(tls: Tls) -> dict[str, Any]:
    """What PyMySQL is told: given a context as `ssl` it fails where the server offers no TLS."""
    return {"ssl": tls_context(tls)} if tls.demanded else {"ssl_disabled": tls.mode == "DISABLED"}


def end_session(connection: sa.Connection, *, can_be_kept: bool) -> None:
    """End the snapshot, and leave the connection to the next session if one is to come; else close it."""
    if not (can_be_kept and keep(connection.engine)):
        connection.invalidate()
        return
    try:
        connection.connection.driver_connection.rollback()  # type: ignore[union-attr]
    except (pymysql.MySQLError, OSError):
        connection.invalidate()
