"""One connection, one read-only snapshot: everything that one table's window reads from MySQL."""

import contextlib
import functools
import hmac
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.exc import DBAPIError

from aggregation_pipeline.config.limits import SourceLimits
from aggregation_pipeline.errors import SnapshotError
from aggregation_pipeline.source.faults import translated
from aggregation_pipeline.source.query import ORDER_KEY
from aggregation_pipeline.source.tls import Tls, TlsConnection
from aggregation_pipeline.source.types import offset_text

# ONLY_FULL_GROUP_BY turns a column that is neither grouped nor aggregated into an error where MySQL would pick any row's value.
# Left out on purpose: ANSI_QUOTES, PIPES_AS_CONCAT and NO_BACKSLASH_ESCAPES, under which a fragment would mean something else
# than what was validated, and PAD_CHAR_TO_FULL_LENGTH.
SQL_MODE: Final = "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION"
# The largest that both MySQL and MariaDB take; the default of 1,024 cuts silently.
GROUP_CONCAT_MAX: Final = 4_294_967_295
# The isolation levels under which a consistent snapshot really is one.
_SNAPSHOT_LEVELS: Final = {"REPEATABLE-READ", "SERIALIZABLE"}
_PARSE_ERROR: Final = 1064


NO_PASSWORD: Final = SecretStr("")
NO_LIMITS: Final = SourceLimits()
IF_OFFERED: Final = Tls()


@dataclass(frozen=True)
class SourceOptions:
    """Where the source database is, and how to reach it.

    Attributes:
        stall_timeout: seconds without a byte, in either direction, after which a connection counts as lost.
        mask_salt: the key of hashes that stand for personal data; empty where there are none.
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

    @property
    def where(self) -> str:
        """The server, for people."""
        return str(self.socket) if self.socket else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class SourceColumn:
    """A column of the source table: `type` as information_schema has it (`datetime`), `comment` empty without one."""

    name: str
    type: str
    comment: str


@dataclass(frozen=True)
class Session:
    """An open snapshot.

    Attributes:
        connection: the only connection, in the only transaction.
        offset_seconds: offset from UTC in which the session computes and TIMESTAMP columns arrive.
        snapshot: whether all statements see the same rows (False only where the entry says `consistency: none`).
        server: the server's version, as it gives it.
        statement_limits: the server's own variables that bound a statement.
    """

    connection: sa.Connection
    offset_seconds: int
    snapshot: bool
    server: str
    statement_limits: tuple[str, ...] = ()

    @property
    def driver_connection(self) -> Any:  # noqa: ANN401
        """PyMySQL's connection, for the row stream."""
        return self.connection.connection.driver_connection

    def primary_key(self, database: str | None, table: str) -> tuple[str, ...]:
        """Return the primary key's columns in order; empty for a view or a table without one."""
        query = sa.text(
            "SELECT column_name FROM information_schema.statistics WHERE table_schema = COALESCE(:database, DATABASE())"
            " AND table_name = :table AND index_name = 'PRIMARY' ORDER BY seq_in_index"
        )
        with translated():
            return tuple(row[0] for row in self.connection.execute(query, {"database": database, "table": table}))

    def columns(self, database: str | None, table: str) -> dict[str, SourceColumn]:
        """Return the table's columns by name, in order."""
        query = sa.text(
            "SELECT column_name, data_type, column_comment FROM information_schema.columns"
            " WHERE table_schema = COALESCE(:database, DATABASE()) AND table_name = :table ORDER BY ordinal_position"
        )
        with translated():
            rows = self.connection.execute(query, {"database": database, "table": table}).all()
        return {str(name): SourceColumn(str(name), str(kind).lower(), str(comment or "")) for name, kind, comment in rows}

    def scalar(self, sql: str) -> Any:  # noqa: ANN401
        """Return the single value of a statement without parameters; `%` and `:` in it go out as they are."""
        with translated():
            return self.connection.exec_driver_sql(sql, execution_options={"no_parameters": True}).scalar_one()

    def rows(self, sql: str) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """Return the names of the columns, and the rows, of a small result."""
        with translated():
            result = self.connection.exec_driver_sql(sql, execution_options={"no_parameters": True})
            return tuple(result.keys()), [tuple(row) for row in result]

    def limit_statements(self, seconds: float) -> None:
        """Let the server end each further statement after so many seconds."""
        with translated():
            for name in self.statement_limits:
                self.connection.exec_driver_sql(f"SET SESSION {name} = {max(1, math.ceil(seconds * _PER_SECOND[name]))}")

    def warnings(self) -> list[tuple[str, int, str]]:
        """Return the (level, code, message) of what the last statement brought about."""
        with translated():
            return [tuple(row) for row in self.connection.exec_driver_sql("SHOW WARNINGS")]

    def abort(self) -> None:
        """Close the socket, without the drain that a polite close would begin with."""
        with contextlib.suppress(Exception):
            self.driver_connection._force_close()  # noqa: SLF001
        self.connection.invalidate()


@functools.lru_cache(maxsize=8)
def source_engine(options: SourceOptions) -> sa.Engine:
    """Return the engine of a server, which opens a new connection each time.

    A pooled connection would hand one table's session variables (`timestamp`!) to the next. The engine itself is kept: what it asks
    a server for before its first connection would otherwise be asked for every window.
    """
    url = sa.URL.create(
        "mysql+pymysql",
        username=options.user,
        password=options.password.get_secret_value(),
        host=None if options.socket else options.host,
        port=None if options.socket else options.port,
        database=options.database,
    )
    arguments: dict[str, Any] = {
        "charset": "utf8mb4",
        "connect_timeout": options.connect_timeout,
        "read_timeout": options.stall_timeout,
        "write_timeout": options.stall_timeout,
        "local_infile": False,
        "program_name": "aggregation_pipeline",
    }
    if options.socket:
        arguments["unix_socket"] = str(options.socket)
    engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args=arguments, hide_parameters=True)

    @sa.event.listens_for(engine, "do_connect")
    def _connect(_dialect: object, _record: object, _args: object, parameters: dict[str, Any]) -> TlsConnection:
        return TlsConnection(tls=options.tls, **parameters)

    return engine


@contextlib.contextmanager
def open_session(
    options: SourceOptions, *, logical_time: datetime, zone: ZoneInfo, limits: SourceLimits = NO_LIMITS, require_snapshot: bool = True
) -> Iterator[Session]:
    """Connect, fix everything that a server's defaults could change in a result, and begin the snapshot.

    Args:
        options: the server.
        logical_time: what `NOW()` and `CURDATE()` mean for this window, whenever it really runs.
        zone: the zone whose offset at `logical_time` the session computes in.
        limits: what may be asked of the server.
        require_snapshot: fail where the server cannot give one.

    Raises:
        SourceLostError: no connection.
        SnapshotError: no snapshot is to be had, and one is required.
    """
    offset = zone.utcoffset(logical_time.astimezone(zone).replace(tzinfo=None))
    offset_seconds = int(offset.total_seconds()) if offset else 0
    engine = source_engine(options)
    with contextlib.ExitStack() as stack:
        with translated(where=options.where):
            connection = stack.enter_context(engine.connect().execution_options(isolation_level="AUTOCOMMIT"))
        session = _prepare(connection, options, limits, logical_time, offset_seconds, require_snapshot=require_snapshot)
        try:
            yield session
        except BaseException:
            session.abort()
            raise


def _prepare(
    connection: sa.Connection,
    options: SourceOptions,
    limits: SourceLimits,
    logical_time: datetime,
    offset_seconds: int,
    *,
    require_snapshot: bool,
) -> Session:
    with translated(where=options.where):
        variables = _variables(connection, *_LIMITS, *_PER_SECOND, "transaction_isolation", "tx_isolation", "version")
        assignments = {
            "sql_mode": f"'{SQL_MODE}'",
            "time_zone": f"'{offset_text(offset_seconds)}'",
            "timestamp": repr(logical_time.astimezone(UTC).timestamp()),
            "group_concat_max_len": str(GROUP_CONCAT_MAX),
            **{name: str(value(options, limits)) for name, value in _LIMITS.items() if name in variables},
            **{name: str(limits.timeout_seconds * factor) for name, factor in _PER_SECOND.items() if name in variables},
        }
        settled = ", ".join(f"SESSION {name} = {value}" for name, value in assignments.items())
        connection.exec_driver_sql(f"SET {settled}, {ORDER_KEY} = '{order_key(options.mask_salt)}'")
        connection.exec_driver_sql("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        _begin(connection)
        # Read back, since START TRANSACTION WITH CONSISTENT SNAPSHOT is silently no snapshot at READ COMMITTED.
        name = "transaction_isolation" if "transaction_isolation" in variables else "tx_isolation"
        level = str(connection.exec_driver_sql(f"SELECT @@{name}").scalar_one()).upper()
    snapshot = level in _SNAPSHOT_LEVELS
    if require_snapshot and not snapshot:
        raise SnapshotError(
            f"the server at {options.where} stays at isolation level {level}, where the summary and the detail rows could disagree. "
            f"Allow REPEATABLE READ for this user, or write `consistency: none` in the table's entry; its manifest will then say so."
        )
    return Session(
        connection, offset_seconds, snapshot, str(variables.get("version", "unknown")), tuple(_PER_SECOND.keys() & variables.keys())
    )


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("SET SESSION TRANSACTION READ ONLY")
    try:
        connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
    except DBAPIError as error:
        # TiDB's grammar has no READ ONLY here; the session variable above holds all the same.
        if getattr(error.orig, "args", [None])[0] != _PARSE_ERROR:
            raise
        connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT")


# Each kind of server has its own name for a limit; only those that it has are set.
_LIMITS: Final[dict[str, Callable[[SourceOptions, SourceLimits], int]]] = {
    "ob_trx_timeout": lambda _, limits: (limits.max_snapshot_seconds + 60) * 1_000_000,
    "lock_wait_timeout": lambda _, limits: limits.lock_wait_seconds,
    "net_write_timeout": lambda options, _: options.stall_timeout,
}
# The longest that a statement may take, and its units in a second.
_PER_SECOND: Final = {"max_execution_time": 1000, "max_statement_time": 1, "ob_query_timeout": 1_000_000}  # MySQL, MariaDB, OceanBase


def order_key(salt: SecretStr) -> str:
    """Return what rows are ordered by where their order must not tell a masked column; it does not tell the salt either."""
    return hmac.digest(salt.get_secret_value().encode(), b"order of masked rows", "sha256").hex()


def _variables(connection: sa.Connection, *names: str) -> dict[str, str]:
    wanted = ", ".join(f"'{name}'" for name in names)
    return {str(row[0]).lower(): str(row[1]) for row in connection.exec_driver_sql(f"SHOW VARIABLES WHERE Variable_name IN ({wanted})")}
