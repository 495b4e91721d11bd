"""One connection, one read-only snapshot: everything that one table's window reads from MySQL."""

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
from sqlalchemy.exc import DBAPIError

from aggregation_pipeline.config.limits import SourceLimits
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SnapshotError
from aggregation_pipeline.source.clock import Clock
from aggregation_pipeline.source.mysql.connection import SourceOptions, source_engine
from aggregation_pipeline.source.mysql.errors import translate_errors
from aggregation_pipeline.source.mysql.full_group_by import full_group_by_disabled
from aggregation_pipeline.source.mysql.quotable import NOTHING, QuotableNames
from aggregation_pipeline.source.mysql.row_protocol import RowStream
from aggregation_pipeline.source.mysql.session_setup import PER_SECOND, SessionSettings, settle

# The isolation levels under which a consistent snapshot really is one.
_SNAPSHOT_LEVELS: Final = {"REPEATABLE-READ", "SERIALIZABLE"}
_PARSE_ERROR: Final = 1064


NO_LIMITS: Final = SourceLimits()


@dataclass(frozen=True)
class SourceColumn:
    """A column of the source table.

    Attributes:
        type: as information_schema has it: `datetime`.
        comment: empty without one.
        virtual: the SQL that a virtual column is computed by whenever it is read; empty for a stored one.
        letters: the most that a text or bytes may have; 0 for other types.
        generated: the SQL that the server computes it by, stored or virtual; empty for a column that is written.
    """

    name: str
    type: str
    comment: str
    virtual: str = ""
    letters: int = 0
    generated: str = ""


@dataclass(frozen=True)
class Session:
    """An open snapshot.

    Attributes:
        connection: the only connection, in the only transaction.
        clock: in which the session computes and TIMESTAMP columns arrive.
        snapshot: whether all statements see the same rows (False only where the entry says `consistency: none`).
        server: the server's version, as it gives it.
        identity: tells this server from others.
        statement_limits: the server's own variables that bound a statement.
        known: what may be repeated of the server's messages.
    """

    connection: sa.Connection
    clock: Clock
    snapshot: bool
    server: str
    identity: str
    statement_limits: tuple[str, ...] = ()
    known: QuotableNames = NOTHING

    def translate_errors(self) -> AbstractContextManager[None]:
        """Turn the driver's errors into ours."""
        return translate_errors(known=self.known)

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
        with self.translate_errors():
            return tuple(row[0] for row in self.connection.execute(query, {"database": database, "table": table}))

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
                # MariaDB and MySQL 5.6 have none for a view that groups as ONLY_FULL_GROUP_BY refuses.
                with full_group_by_disabled(self.driver_connection):
                    rows = self._column_rows(query, database, table)
        return {str(row["column_name"]): _column(row) for row in rows}

    def _column_rows(self, query: sa.TextClause, database: str | None, table: str) -> list[dict[str, Any]]:
        result = self.connection.execute(query, {"database": database, "table": table})
        names = [name.lower() for name in result.keys()]  # noqa: SIM118 - a result is no mapping
        return [dict(zip(names, row, strict=True)) for row in result]

    def stored_functions(self, names: Collection[str]) -> frozenset[str]:
        """Those of the names, in lower case, that are functions stored in some database of the server."""
        if not names:
            return frozenset()
        query = sa.text(
            "SELECT LOWER(routine_name) FROM information_schema.routines WHERE routine_type = 'FUNCTION' AND"
            " LOWER(routine_name) IN :names"
        )
        with self.translate_errors():
            return frozenset(
                row[0]
                for row in self.connection.execute(
                    query.bindparams(sa.bindparam("names", sorted(names), expanding=True))
                )
            )

    def set_time_zone(self, value: str) -> None:
        """Let the session compute in a zone by its name, or at an offset.

        Raises:
            SourceError: the server does not know it.
        """
        with self.translate_errors():
            self.connection.exec_driver_sql("SET SESSION time_zone = %s", (value,))

    def scalar(self, sql: str) -> Any:  # noqa: ANN401
        """Return the single value of a statement without parameters; `%` and `:` in it go out as they are."""
        with self.translate_errors():
            return self.connection.exec_driver_sql(sql, execution_options={"no_parameters": True}).scalar_one()

    def row(self, sql: str) -> tuple[Any, ...]:
        """Return the single row of a statement without parameters."""
        with self.translate_errors():
            return tuple(self.connection.exec_driver_sql(sql, execution_options={"no_parameters": True}).one())

    def rows(self, sql: str) -> tuple[tuple[str, ...], list[tuple[str | None, ...]]]:
        """Return the names of the columns, and the rows, of a small result, all of it as text; a letter that the server
        halved is �.

        seekdb cuts a plan's names where it likes, and what stops a driver in the middle of a result leaves the
        connection out of step.
        """
        with self.translate_errors():
            stream = RowStream(self.driver_connection, sql)
            rows = [row for block in stream.blocks() for row in block.texts()]
        return tuple(field.name for field in stream.fields), rows

    def limit_statements(self, seconds: float) -> None:
        """Let the server end each further statement after so many seconds."""
        with self.translate_errors():
            for name in self.statement_limits:
                self.connection.exec_driver_sql(f"SET SESSION {name} = {max(1, math.ceil(seconds * PER_SECOND[name]))}")

    def warnings(self) -> list[tuple[str, int, str]]:
        """Return the (level, code, message) of what the last statement brought about."""
        with self.translate_errors():
            return [tuple(row) for row in self.connection.exec_driver_sql("SHOW WARNINGS")]

    def abort(self) -> None:
        """Close the socket, without the drain that a polite close would begin with."""
        with contextlib.suppress(Exception):
            self.driver_connection._force_close()  # noqa: SLF001
        self.connection.invalidate()


def _column(row: Mapping[str, Any]) -> SourceColumn:
    generated = str(row.get("generation_expression") or "")
    return SourceColumn(
        name=str(row["column_name"]),
        type=str(row["data_type"]).lower(),
        comment=str(row["column_comment"] or ""),
        virtual=generated if "VIRTUAL" in str(row.get("extra")).upper() else "",
        letters=int(row["character_maximum_length"] or 0),
        generated=generated,
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
    """Connect, fix everything that a server's defaults could change in a result, and begin the snapshot.

    Args:
        options: the server.
        logical_time: what `NOW()` and `CURDATE()` mean for this window, whenever it really runs.
        zone: the zone in which instants are shown; the session computes at its offset at `logical_time`.
        limits: what may be asked of the server.
        require_snapshot: fail where the server cannot give one.
        entry: that is read; its words may be repeated in errors.

    Raises:
        SourceLostError: no connection.
        SnapshotError: no snapshot is to be had, and one is required.
    """
    clock = Clock.at(zone, logical_time)
    known = QuotableNames.of(user=options.user, database=options.database, entry=entry)
    engine = source_engine(options)
    with contextlib.ExitStack() as stack:
        with translate_errors(options.where, known):
            connection = stack.enter_context(engine.connect().execution_options(isolation_level="AUTOCOMMIT"))
        session = _prepare(connection, options, limits, logical_time, clock, known, require_snapshot=require_snapshot)
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
    clock: Clock,
    known: QuotableNames,
    *,
    require_snapshot: bool,
) -> Session:
    wishes = SessionSettings(clock.time_zone, logical_time, limits, options.stall_timeout, order_key(options.mask_salt))
    with translate_errors(options.where, known):
        variables = settle(connection, wishes)
        _begin(connection)
        # Read back, since START TRANSACTION WITH CONSISTENT SNAPSHOT is silently no snapshot at READ COMMITTED.
        name = "transaction_isolation" if "transaction_isolation" in variables else "tx_isolation"
        level, database = connection.exec_driver_sql(f"SELECT UPPER(@@{name}), DATABASE()").one()
        if str(database).casefold() != options.database.casefold():
            # The server's init_connect holds a USE.
            connection.connection.driver_connection.select_db(options.database)  # type: ignore[union-attr]
    snapshot = level in _SNAPSHOT_LEVELS
    if require_snapshot and not snapshot:
        raise SnapshotError(
            f"the server at {options.where} stays at isolation level {level}, where the summary and the detail rows"
            " could disagree. Allow REPEATABLE READ for this user, or write `consistency: none` in the table's entry;"
            " its manifest will then say so."
        )
    version = str(variables.get("version", "unknown"))
    limits_there = tuple(PER_SECOND.keys() & variables.keys())
    return Session(connection, clock, snapshot, version, f"{options.where} ({version})", limits_there, known)


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("SET SESSION TRANSACTION READ ONLY")
    try:
        connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
    except DBAPIError as error:
        # TiDB's grammar has no READ ONLY here; the session variable above holds all the same.
        if getattr(error.orig, "args", [None])[0] != _PARSE_ERROR:
            raise
        connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT")


def order_key(salt: SecretStr) -> str:
    """Return what rows are ordered by where their order must not tell a masked column; it does not tell the salt
    either.
    """
    return hmac.digest(salt.get_secret_value().encode(), b"order of masked rows", "sha256").hex()
