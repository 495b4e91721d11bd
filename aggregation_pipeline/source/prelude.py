"""What a session sets before it reads anything, so that no setting of a server or of an account can change a result.

Only variables that a server has are set: its kinds and versions differ, and managed ones leave many out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sa

from aggregation_pipeline.config.limits import SourceLimits
from aggregation_pipeline.source.query import ORDER_KEY

# ONLY_FULL_GROUP_BY turns a column that is neither grouped nor aggregated into an error where MySQL would pick any row's value.
# Without ALLOW_INVALID_DATES MySQL 5.6 makes 0000-00-00 of a stored 2026-02-30 in its temporary tables, and groups fall into one.
# Left out on purpose: ANSI_QUOTES, PIPES_AS_CONCAT and NO_BACKSLASH_ESCAPES, under which a fragment would mean something else
# than what was validated, and PAD_CHAR_TO_FULL_LENGTH.
SQL_MODE: Final = "ONLY_FULL_GROUP_BY,ALLOW_INVALID_DATES,STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION"
# The largest that both MySQL and MariaDB take; the default of 1,024 cuts silently.
GROUP_CONCAT_MAX: Final = 4_294_967_295
# The longest that a statement may take, and its units in a second: MySQL, MariaDB, OceanBase.
PER_SECOND: Final = {"max_execution_time": 1000, "max_statement_time": 1, "ob_query_timeout": 1_000_000}


@dataclass(frozen=True)
class Wishes:
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


def settle(connection: sa.Connection, wishes: Wishes) -> dict[str, str]:
    """Set the session's variables, and return what the server had in those that were asked for, by name."""
    variables = _variables(connection, *_LIMITS, "transaction_isolation", "tx_isolation", "version")
    assignments = {
        "sql_mode": f"'{SQL_MODE}'",
        "time_zone": f"'{wishes.time_zone}'",
        "timestamp": repr(wishes.logical_time.astimezone(UTC).timestamp()),
        "group_concat_max_len": str(GROUP_CONCAT_MAX),
        **{name: str(value(wishes)) for name, value in _LIMITS.items() if name in variables},
    }
    settled = ", ".join(f"SESSION {name} = {value}" for name, value in assignments.items())
    connection.exec_driver_sql(f"SET {settled}, {ORDER_KEY} = '{wishes.order_key}'")
    return variables


def _variables(connection: sa.Connection, *names: str) -> dict[str, str]:
    wanted = ", ".join(f"'{name}'" for name in names)
    return {str(row[0]).lower(): str(row[1]) for row in connection.exec_driver_sql(f"SHOW VARIABLES WHERE Variable_name IN ({wanted})")}


# Each kind of server has its own name for a limit.
_LIMITS: Final[dict[str, Callable[[Wishes], int]]] = {
    "ob_trx_timeout": lambda wishes: (wishes.limits.max_snapshot_seconds + 60) * 1_000_000,
    "lock_wait_timeout": lambda wishes: wishes.limits.lock_wait_seconds,
    "net_write_timeout": lambda wishes: wishes.stall_timeout,
    "max_execution_time": lambda wishes: _statement_time(wishes, "max_execution_time"),
    "max_statement_time": lambda wishes: _statement_time(wishes, "max_statement_time"),
    "ob_query_timeout": lambda wishes: _statement_time(wishes, "ob_query_timeout"),
}


def _statement_time(wishes: Wishes, name: str) -> int:
    return wishes.limits.timeout_seconds * PER_SECOND[name]
