"""A session: one connection and one read-only snapshot, through which a window of one table is read."""

import contextlib
import hmac
import math
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from pydantic import SecretStr

from aggregation_pipeline.config.limits import SourceLimits
from aggregation_pipeline.config.sql.hints import Hints, read_hints
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SnapshotError
from aggregation_pipeline.source.clock import Clock
from aggregation_pipeline.source.mysql.capabilities import Capabilities
from aggregation_pipeline.source.mysql.connection import end_session, source_engine
from aggregation_pipeline.source.mysql.errors import translate_errors
from aggregation_pipeline.source.mysql.full_group_by import full_group_by_disabled
from aggregation_pipeline.source.mysql.pymysql_internals import PyMySQLConnection, force_close
from aggregation_pipeline.source.mysql.quotable import NOTHING_QUOTABLE, QuotableNames
from aggregation_pipeline.source.mysql.row_protocol import RowStream
from aggregation_pipeline.source.mysql.session_setup import SessionSettings, set_session_variables
from aggregation_pipeline.source.mysql.snapshot import begin_snapshot
from aggregation_pipeline.source.named_variables import named_variables
from aggregation_pipeline.source.options import SourceOptions

# Functions by their names, in every database of the server.
_STORED_FUNCTIONS: Final = sa.text(
    "SELECT LOWER(routine_name) FROM information_schema.routines"
    " WHERE routine_type = 'FUNCTION' AND LOWER(routine_name) IN :names"
).bindparams(sa.bindparam("names", expanding=True))

NO_LIMITS: Final = SourceLimits()


@dataclass(frozen=True)
class SourceColumn:
    """A column of the source table.

    Attributes:
        type: as information_schema has it: `datetime`.
        comment: empty if it has none.
        virtual: the SQL that computes a virtual column whenever it is read; empty for any other column.
        max_length: of a text in characters, of bytes in bytes; 0 for other types.
        generated: the SQL that computes a generated column, stored or virtual; empty for a column that is written.
        default: the SQL that computes the value of a row that is written without one; empty for a fixed value.
        full_type: with its length and sign: `decimal(10,2) unsigned`.
        nullable: whether it may hold NULL.
        collation: by which its texts are compared; empty for other types.
    """

    name: str
    type: str
    comment: str
    virtual: str = ""
    max_length: int = 0
    generated: str = ""
    default: str = ""
    full_type: str = ""
    nullable: bool = True
    collation: str = ""


@dataclass(frozen=True)
class Session:
    """An open snapshot.

    Attributes:
        connection: the only connection, in the only transaction.
        clock: in which the session computes and TIMESTAMP columns arrive.
        capabilities: what the server has shown that it can do. It gives no snapshot only if the entry says
            `consistency: none`.
        server: the server's version, as it reports it.
        identity: address and version, which tell this server from others.
        quotable: the names that may be repeated from the server's messages.
        starts_over: whether a session that starts over is like a new one. It is not where the server has statements
            for new connections (init_connect).
    """

    connection: sa.Connection
    clock: Clock
    capabilities: Capabilities
    server: str
    identity: str
    quotable: QuotableNames = NOTHING_QUOTABLE
    starts_over: bool = False

    def translate_errors(self) -> AbstractContextManager[None]:
        """Turn the driver's errors into ours."""
        return translate_errors(quotable=self.quotable)

    @property
    def snapshot(self) -> bool:
        """Whether all statements see the same rows."""
        return self.capabilities.snapshot != "none"

    @property
    def driver_connection(self) -> PyMySQLConnection:
        """PyMySQL's connection, for row_protocol."""
        return self.connection.connection.driver_connection

    def hints_of(self, entry: TableEntry) -> Hints:
        """Return the hints of statements over an entry: its own, and ours."""
        return read_hints(entry.hints).with_limit(self.capabilities.limit_hint)

    def primary_key(self, database: str | None, table: str) -> tuple[str, ...]:
        """Return the primary key's columns in order; empty for a view or a table without one."""
        query = sa.text(
            "SELECT column_name FROM information_schema.statistics WHERE table_schema = COALESCE(:database, DATABASE())"
            " AND table_name = :table AND index_name = 'PRIMARY' ORDER BY seq_in_index"
        )
        with self.translate_errors():
            rows = self.connection.execute(query, {"database": database, "table": table})
            return tuple(str(row[0]) for row in rows)

    def columns(self, database: str | None, table: str) -> dict[str, SourceColumn]:
        """Return the table's columns by name, in order."""
        # Not every server has all of its columns.
        query = sa.text(
            "SELECT * FROM information_schema.columns"
            " WHERE table_schema = COALESCE(:database, DATABASE()) AND table_name = :table ORDER BY ordinal_position"
        )
        with self.translate_errors():
            rows = self._column_rows(query, database, table)
            if not rows:
                # MariaDB and MySQL 5.6 list none for a view whose grouping ONLY_FULL_GROUP_BY refuses.
                with full_group_by_disabled(self.driver_connection):
                    rows = self._column_rows(query, database, table)
        return {str(row["column_name"]): _column(row) for row in rows}

    def _column_rows(self, query: sa.TextClause, database: str | None, table: str) -> list[dict[str, Any]]:
        return rows_by_column(self.connection.execute(query, {"database": database, "table": table}))

    def stored_functions(self, names: Collection[str]) -> frozenset[str]:
        """Return those of the names, in lower case, that are functions stored in any database of the server."""
        if not names:
            return frozenset()
        with self.translate_errors():
            rows = self.connection.execute(_STORED_FUNCTIONS, {"names": sorted(names)})
            return frozenset(row[0] for row in rows)

    def set_time_zone(self, value: str) -> None:
        """Let the session compute in a named zone, or at an offset.

        Raises:
            SourceError: the server does not accept it.
        """
        with self.translate_errors():
            self.connection.exec_driver_sql("SET SESSION time_zone = %s", (value,))

    def row(self, sql: str) -> tuple[Any, ...]:
        """Return the single row of a statement, which is sent as it is."""
        with self.translate_errors():
            return tuple(self.connection.exec_driver_sql(sql, execution_options={"no_parameters": True}).one())

    def rows(self, sql: str) -> tuple[tuple[str, ...], list[tuple[str | None, ...]]]:
        """Return the column names and the rows of a small result, all as text.

        seekdb cuts the names in a query plan, sometimes in the middle of a character. Such a character becomes � here;
        a driver would fail on it in the middle of the result and leave the connection out of step.
        """
        with self.translate_errors():
            stream = RowStream(self.driver_connection, sql)
            rows = [row for block in stream.blocks() for row in block.texts()]
        return tuple(field.name for field in stream.fields), rows

    def limit_statements(self, seconds: float) -> None:
        """Let the server end every later statement after so many seconds."""
        with self.translate_errors():
            for name, per_second in self.capabilities.statement_limits:
                self.connection.exec_driver_sql(f"SET {name} = {max(1, math.ceil(seconds * per_second))}")

    def warnings(self) -> list[tuple[str, int, str]]:
        """Return (level, code, message) of each warning about the last statement."""
        with self.translate_errors():
            return [tuple(row) for row in self.connection.exec_driver_sql("SHOW WARNINGS")]

    def abort(self) -> None:
        """Close the socket at once, without reading what the server is still sending."""
        with contextlib.suppress(Exception):
            force_close(self.driver_connection)
        self.connection.invalidate()


def rows_by_column(result: sa.CursorResult[Any]) -> list[dict[str, Any]]:
    """Return the rows as mappings by column name in lower case: servers differ in the case of information_schema."""
    names = list(map(str.lower, result.keys()))
    return [dict(zip(names, row, strict=True)) for row in result]


def _column(row: Mapping[str, Any]) -> SourceColumn:
    generated = str(row.get("generation_expression") or "")
    default = str(row.get("column_default") or "")
    return SourceColumn(
        name=str(row["column_name"]),
        type=str(row["data_type"]).lower(),
        comment=str(row["column_comment"] or ""),
        virtual=generated if "VIRTUAL" in str(row.get("extra")).upper() else "",
        max_length=int(row["character_maximum_length"] or 0),
        generated=generated,
        # Servers print the names in an expression in backticks, and texts in quotes or bare.
        default=default if "`" in default else "",
        full_type=str(row["column_type"]).lower(),
        nullable=row["is_nullable"] == "YES",
        collation=str(row.get("collation_name") or ""),
    )


@contextlib.contextmanager
def open_session(
    options: SourceOptions,
    *,
    logical_time: datetime,
    zone: ZoneInfo,
    limits: SourceLimits = NO_LIMITS,
    require_snapshot: bool = True,
    entry: TableEntry | None = None,
) -> Iterator[Session]:
    """Connect, set every variable that could change a result, and begin the snapshot.

    Args:
        options: the server.
        logical_time: what `NOW()` and `CURDATE()` return, whenever the run really happens.
        zone: whose clock shows instants; the session computes at the offset that it has at `logical_time`.
        limits: how much load the session may put on the server.
        require_snapshot: fail if the server cannot give a snapshot.
        entry: the entry that is read, whose words errors may repeat.

    Raises:
        SourceLostError: no connection.
        SnapshotError: the server gives no snapshot, and one is required.
    """
    clock = Clock.at(zone, logical_time)
    quotable = QuotableNames.of(user=options.user, database=options.database, entry=entry)
    engine = source_engine(options)
    with contextlib.ExitStack() as stack:
        stack.enter_context(named_variables(options.name))
        with translate_errors(options.where, quotable):
            connection = stack.enter_context(engine.connect())
        settings = SessionSettings(
            clock.time_zone, logical_time, limits, options.stall_timeout, order_key(options.mask_salt)
        )
        session = _begin_session(connection, options, settings, clock, quotable, require_snapshot=require_snapshot)
        try:
            yield session
        except BaseException:
            session.abort()
            raise
        end_session(connection, can_be_kept=session.starts_over)


def _begin_session(
    connection: sa.Connection,
    options: SourceOptions,
    settings: SessionSettings,
    clock: Clock,
    quotable: QuotableNames,
    *,
    require_snapshot: bool,
) -> Session:
    with translate_errors(options.where, quotable):
        known = set_session_variables(connection, settings)
        capabilities, database = begin_snapshot(connection, known, settings.limits.max_snapshot_seconds)
        if str(database).casefold() != options.database.casefold():
            # The server's init_connect has a USE statement.
            connection.connection.driver_connection.select_db(options.database)  # type: ignore[union-attr]
    if require_snapshot and capabilities.snapshot == "none":
        raise SnapshotError(
            f"the server at {options.where} {capabilities.no_snapshot}, and the summary and the detail rows could"
            " disagree. Allow REPEATABLE READ for this user, if it is MySQL; or write `consistency: none` in the"
            " table's entry; its manifest will then say so."
        )
    version = known.before.get("version", "unknown")
    return Session(
        connection=connection,
        clock=clock,
        capabilities=capabilities,
        server=version,
        identity=f"{options.where} ({version})",
        quotable=quotable,
        starts_over=known.before.get("init_connect") == "",
    )


def order_key(salt: SecretStr) -> str:
    """Return the key of the hash that orders rows by a masked column, so that their order does not reveal it.

    The salt cannot be computed from the key.
    """
    return hmac.digest(salt.get_secret_value().encode(), b"order of masked rows", "sha256").hex()
