"""Begin the snapshot of a session, and find out whether it is one."""

from collections.abc import Mapping
from typing import Final

import pymysql
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from aggregation_pipeline.source.mysql.capabilities import FOR_WRITES, Capabilities, Snapshot
from aggregation_pipeline.source.mysql.errors import is_refusal
from aggregation_pipeline.source.mysql.query import ORDER_KEY
from aggregation_pipeline.source.mysql.row_protocol import RowStream
from aggregation_pipeline.source.mysql.session_setup import KnownVariables

# The isolation levels under which a consistent snapshot really is one.
_SNAPSHOT_LEVELS: Final = {"REPEATABLE-READ", "SERIALIZABLE"}
# SERVER_STATUS_IN_TRANS, in every reply's status flags.
IN_TRANSACTION: Final = 1
# TiDB's grammar has no READ ONLY here; the session's own READ ONLY, where it is taken, holds for it as well.
_STARTS: Final = (
    "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT",
)
# OceanBase ends a transaction after this time, in microseconds, whatever it is doing.
_TRANSACTION_TIME: Final = "ob_trx_timeout"
# The number of the present state: seekdb and OceanBase name it differently.
_PRESENT_STATES: Final = (
    "SELECT CURRENT_SCN()",
    "SELECT ts_value FROM oceanbase.V$OB_TIMESTAMP_SERVICE",
)


def begin_snapshot(connection: sa.Connection, known: KnownVariables, seconds: int) -> tuple[Capabilities, str | None]:
    """Begin the snapshot; return what the server has shown that it can do, and the session's database.

    Three statements, and a fourth and fifth where OceanBase would end a transaction too soon.

    Args:
        connection: with its variables set.
        known: what became of them.
        seconds: how long the snapshot may last.

    Raises:
        sqlalchemy.exc.DBAPIError, pymysql.MySQLError: the connection is lost.
    """
    read_only = known.read_only or _takes(connection, "SET SESSION TRANSACTION READ ONLY")
    starts = FOR_WRITES not in known.before and any(_takes(connection, start) for start in _STARTS)
    level = next((name for name in ("transaction_isolation", "tx_isolation") if name in known.before), None)
    shown = _read_back(connection, ([level] if level else []) + list(known.read_back))
    snapshot: Snapshot = "none"
    scn, why = None, ""
    if not starts and FOR_WRITES in known.before:
        why = "has transactions for writing only, so two statements may see two states"
    elif not starts:
        why = "takes no START TRANSACTION WITH CONSISTENT SNAPSHOT"
    elif level is None or shown.get(level, "").upper().replace(" ", "-") not in _SNAPSHOT_LEVELS:
        why = f"stays at isolation level {shown.get(level or '', 'unknown').upper()}"
    elif not shown.in_transaction:
        why = "says after START TRANSACTION that there is no transaction"
    else:
        snapshot = "transaction"
        if _lasts_too_short(shown, seconds) and (scn := _present_state(connection)) is not None:
            snapshot = "as_of"
    limits = tuple(limit for limit in known.limits if _holds(shown, limit.variable, known.wanted))
    return (
        Capabilities(
            snapshot=snapshot,
            no_snapshot=why,
            scn=scn,
            statement_limits=limits,
            unheld_limits=tuple(limit.variable for limit in known.limits if limit not in limits),
            limit_hint=None if limits else known.limit_hint,
            read_only=read_only,
            logical_time="timestamp" not in known.unset,
            time_zone="time_zone" not in known.unset,
            user_variables=ORDER_KEY not in known.unset,
        ),
        shown.database,
    )


class _Shown(dict[str, str]):
    """Values of variables, the session's database, and whether a transaction is open."""

    database: str | None = None
    in_transaction: bool = False


def _read_back(connection: sa.Connection, names: list[str]) -> _Shown:
    """Read variables back in one statement; those that the server does not give that way are left out."""
    wanted = ["DATABASE()", *(f"@@session.{name}" for name in names)]
    for selected in (wanted, wanted[:2], wanted[:1]):
        try:
            stream = RowStream(connection.connection.driver_connection, f"SELECT {', '.join(selected)}")
            rows = [row for block in stream.blocks() for row in block.texts()]
        except pymysql.MySQLError as error:
            if not is_refusal(error):
                raise
            continue
        shown = _Shown({name: value for name, value in zip(names, rows[0][1:], strict=False) if value is not None})
        shown.database, shown.in_transaction = rows[0][0], bool(stream.status & IN_TRANSACTION)
        return shown
    return _Shown()


def _holds(shown: Mapping[str, str], name: str, wanted: Mapping[str, int]) -> bool:
    """Whether a limit was read back as it was set. MariaDB shows 1800.000000 for 1800."""
    if name not in wanted:
        # It has been read back already.
        return True
    try:
        return float(shown[name]) == wanted[name]
    except (KeyError, ValueError):
        return False


def _lasts_too_short(shown: Mapping[str, str], seconds: int) -> bool:
    return _TRANSACTION_TIME in shown and int(shown[_TRANSACTION_TIME]) < seconds * 1_000_000


def _present_state(connection: sa.Connection) -> int | None:
    """End the transaction, and return the number of the present state; None if the server tells none."""
    for question in _PRESENT_STATES:
        try:
            (number,) = connection.exec_driver_sql(question).one()
        except DBAPIError as error:
            if not is_refusal(error):
                raise
            continue
        connection.exec_driver_sql("ROLLBACK")
        return int(number)
    return None


def _takes(connection: sa.Connection, statement: str) -> bool:
    """Execute a statement that not every server knows; return whether it was taken."""
    try:
        connection.exec_driver_sql(statement)
    except DBAPIError as error:
        if not is_refusal(error):
            raise
        return False
    return True
