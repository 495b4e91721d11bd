"""What a session sets before it reads anything, so that no setting of a server or of an account can change a result.

Only variables that a server has are set: its kinds and versions differ, and managed ones leave many out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from aggregation_pipeline.config.limits import SourceLimits
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.mysql.query import ORDER_KEY
from aggregation_pipeline.source.mysql.variables import FIXED, NEWER_COLLATION, NO_LIMIT

# The longest that a statement may take, and its units in a second: MySQL, MariaDB, OceanBase.
PER_SECOND: Final = {"max_execution_time": 1000, "max_statement_time": 1, "ob_query_timeout": 1_000_000}
# Comes before any question: under the limits that it lifts, SHOW VARIABLES gives no rows or an error.
LIFT_LIMITS: Final = f"SET SESSION sql_select_limit = {NO_LIMIT}, SESSION sql_big_selects = 1"


@dataclass(frozen=True)
class SessionSettings:
    """What differs from session to session.

    Attributes:
        time_zone: as `SET time_zone` takes it: an offset (`+08:00`), or a name that the server knows.
        logical_time: what `NOW()` means.
        limits: what may be asked of the server.
        stall_timeout: seconds without a byte after which the connection counts as lost.
        order_key: what rows are ordered by where their order must not tell a masked column.
    """

    time_zone: str
    logical_time: datetime
    limits: SourceLimits
    stall_timeout: int
    order_key: str


def settle(connection: sa.Connection, wishes: SessionSettings) -> dict[str, str]:
    """Set the session's variables, and return what the server had in those that were asked for, by name.

    Raises:
        SourceError: the account may not set one that has another value than it should and that changes results.
        sqlalchemy.exc.DBAPIError: no connection any more.
    """
    variables = _variables(connection, *FIXED, *_WISHED, "version")
    assignments = {
        "time_zone": f"'{wishes.time_zone}'",
        "timestamp": repr(wishes.logical_time.astimezone(UTC).timestamp()),
        **{name: fixed.value for name, fixed in FIXED.items() if {name, fixed.beside or name} <= variables.keys()},
        **{name: str(value(wishes)) for name, value in _WISHED.items() if name in variables},
        ORDER_KEY: f"'{wishes.order_key}'",
    }
    newer, collation = NEWER_COLLATION
    if newer in variables:
        assignments["collation_connection"] = collation
    different = {name: value for name, value in assignments.items() if variables.get(name) != value.strip("'")}
    usual = {name: value for name, value in assignments.items() if name in different or not _careful(name)}
    _assign(connection, usual, different, variables)
    return variables


def _assign(
    connection: sa.Connection, usual: Mapping[str, str], different: Mapping[str, str], present: Mapping[str, str]
) -> None:
    """In one statement; where the account may not set all, those that differ; where it may not either, one by one."""
    if _refusal(connection, usual) is None or _refusal(connection, different) is None:
        return
    refused = {
        name: error for name, value in different.items() if (error := _refusal(connection, {name: value})) is not None
    }
    wrong = [name for name in refused if not _loud(name)]
    if wrong:
        raise SourceError(
            "; ".join(_complaint(name, different[name], present, refused[name]) for name in wrong) + _REMEDY
        )


_REMEDY: Final = (
    ". These variables change results. Have the server's administrator set them so, for all or by init_connect, "
    "or grant DB_USER the right to (SESSION_VARIABLES_ADMIN on MySQL 8)."
)


def _complaint(name: str, value: str, present: Mapping[str, str], error: DBAPIError) -> str:
    arguments = getattr(error.orig, "args", ())
    code = arguments[0] if arguments else "unknown"
    if name == ORDER_KEY:
        return f"DB_USER may not set the variable {name} (error {code})"
    return (
        f"DB_USER may not set {name}, which is {present.get(name, 'not shown')!r} and should be {value} (error {code})"
    )


def _loud(name: str) -> bool:
    # The driver has asked for the server's own collation already, so that an odd one is all that is missed.
    return name == "collation_connection" or name in _PATIENCE or (name in FIXED and FIXED[name].loud)


def _careful(name: str) -> bool:
    return name in FIXED and FIXED[name].careful


def _refusal(connection: sa.Connection, assignments: Mapping[str, str]) -> DBAPIError | None:
    """Return the server's error, None when all are set."""
    settled = ", ".join(
        f"{'' if name.startswith('@') else 'SESSION '}{name} = {value}" for name, value in assignments.items()
    )
    try:
        connection.exec_driver_sql(f"SET {settled}")
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
        return error
    return None


def _variables(connection: sa.Connection, *names: str) -> dict[str, str]:
    wanted = ", ".join(f"'{name}'" for name in names)
    return {
        str(row[0]).lower(): str(row[1])
        for row in connection.exec_driver_sql(f"SHOW VARIABLES WHERE Variable_name IN ({wanted})")
    }


def _snapshot_seconds(wishes: SessionSettings) -> int:
    return wishes.limits.max_snapshot_seconds + 60


# A session that waits is not ended before its snapshot would be.
_PATIENCE: Final[dict[str, Callable[[SessionSettings], int]]] = {
    "wait_timeout": _snapshot_seconds,
    "idle_transaction_timeout": _snapshot_seconds,
    "idle_readonly_transaction_timeout": _snapshot_seconds,
    "ob_trx_idle_timeout": lambda wishes: _snapshot_seconds(wishes) * 1_000_000,
    "net_write_timeout": lambda wishes: wishes.stall_timeout,
}
# Each kind of server has its own name for a limit.
_WISHED: Final[dict[str, Callable[[SessionSettings], int]]] = {
    **_PATIENCE,
    "ob_trx_timeout": lambda wishes: _snapshot_seconds(wishes) * 1_000_000,
    "lock_wait_timeout": lambda wishes: wishes.limits.lock_wait_seconds,
    "max_execution_time": lambda wishes: _statement_time(wishes, "max_execution_time"),
    "max_statement_time": lambda wishes: _statement_time(wishes, "max_statement_time"),
    "ob_query_timeout": lambda wishes: _statement_time(wishes, "ob_query_timeout"),
}
# All that a session sets where the server has it.
SET_BY_US: Final = frozenset({"time_zone", "timestamp", *FIXED, *_WISHED})


def _statement_time(wishes: SessionSettings, name: str) -> int:
    return wishes.limits.timeout_seconds * PER_SECOND[name]
