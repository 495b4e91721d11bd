"""The variables that a session sets before it reads, so that no setting of a server or an account changes a result.

Only variables that the server has are set: kinds and versions differ, and managed servers leave many out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from aggregation_pipeline.config.limits import SourceLimits
from aggregation_pipeline.config.sql.hints import LimitHint
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.mysql.capabilities import EVIDENCE, StatementLimit, limit_hint, statement_limits
from aggregation_pipeline.source.mysql.errors import is_refusal
from aggregation_pipeline.source.mysql.query import ORDER_KEY
from aggregation_pipeline.source.mysql.server_settings import set_settings
from aggregation_pipeline.source.mysql.variables import FIXED, NEWER_COLLATION, NO_LIMIT

# Sent before any query: under the limits that it lifts, SHOW VARIABLES returns no rows or an error.
LIFT_LIMITS: Final = f"SET SESSION sql_select_limit = {NO_LIMIT}, SESSION sql_big_selects = 1"


@dataclass(frozen=True)
class SessionSettings:
    """The values that differ from session to session.

    Attributes:
        time_zone: as `SET time_zone` takes it: an offset (`+08:00`), or a name that the server knows.
        logical_time: what `NOW()` returns.
        limits: how much load the session may put on the server.
        stall_timeout: seconds without a byte after which the connection counts as lost.
        order_key: key of the hash that orders rows by a masked column.
    """

    time_zone: str
    logical_time: datetime
    limits: SourceLimits
    stall_timeout: int
    order_key: str


@dataclass(frozen=True)
class KnownVariables:
    """What became of the variables of a session.

    Attributes:
        before: the values that they had; only variables that the server has are in it.
        limits: those that limit a statement's time, in units that are known.
        wanted: what those were set to, for those that have to be read back.
        unset: variables that the server has not, or did not take without a change of results.
        read_only: whether a variable of the server has made the session read-only.
        limit_hint: limits a statement's time, on a server that takes the limit in no other way.
    """

    before: Mapping[str, str]
    limits: tuple[StatementLimit, ...] = ()
    wanted: Mapping[str, int] = field(default_factory=dict)
    unset: frozenset[str] = frozenset()
    read_only: bool = False
    limit_hint: LimitHint | None = None

    @property
    def read_back(self) -> tuple[str, ...]:
        """The variables whose values are asked for again, because servers may cap or ignore them."""
        return (*self.wanted, *({"ob_trx_timeout"} & self.before.keys()))


def set_session_variables(connection: sa.Connection, settings: SessionSettings) -> KnownVariables:
    """Set the session's variables, and return the values that they had before.

    Raises:
        SourceError: a variable that changes results has a wrong value, and the account may not set it.
        sqlalchemy.exc.DBAPIError: the connection is lost.
    """
    variables = _read_variables(connection, *FIXED, *SET_BY_US, *EVIDENCE, "version", "init_connect")
    if not variables:
        return _without_variables(connection, settings)
    limits = statement_limits(variables)
    wanted = {limit.variable: settings.limits.timeout_seconds * limit.per_second for limit in limits}
    moment = {
        "time_zone": f"'{settings.time_zone}'",
        "timestamp": repr(settings.logical_time.astimezone(UTC).timestamp()),
    }
    assignments = {
        **{name: value for name, value in moment.items() if name in variables},
        **{name: fixed.value for name, fixed in FIXED.items() if {name, fixed.only_with or name} <= variables.keys()},
        **{name: str(value(settings)) for name, value in _COMPUTED.items() if name in variables},
        **{name: str(value) for name, value in wanted.items()},
        ORDER_KEY: f"'{settings.order_key}'",
    }
    newer, collation = NEWER_COLLATION
    if newer in variables:
        assignments["collation_connection"] = collation
    different = {name: value for name, value in assignments.items() if variables.get(name) != value.strip("'")}
    usual = {
        name: value
        for name, value in assignments.items()
        if name in different or not (name in FIXED and FIXED[name].only_if_different)
    }
    refused = _assign(connection, usual, different, variables)
    hint = limit_hint(variables.get("version", ""), settings.limits.timeout_seconds)
    return KnownVariables(variables, limits, wanted, refused | (_MOMENT - variables.keys()), limit_hint=hint)


def _without_variables(connection: sa.Connection, settings: SessionSettings) -> KnownVariables:
    """Set what a server without MySQL's variables can be told."""
    limit, read_only = set_settings(connection, settings.limits.timeout_seconds)
    refused = _assign(connection, order := {ORDER_KEY: f"'{settings.order_key}'"}, order, {})
    return KnownVariables({}, (limit,) if limit else (), {}, refused | _MOMENT, read_only)


def _assign(
    connection: sa.Connection, usual: Mapping[str, str], different: Mapping[str, str], present: Mapping[str, str]
) -> frozenset[str]:
    """Set all in one statement; if the account may not, only those that differ; if it may not either, one by one.

    Returns those that stay as they are, none of which changes a result.
    """
    if _try_to_set(connection, usual) is None or _try_to_set(connection, different) is None:
        return frozenset()
    refused = {
        name: error
        for name, value in different.items()
        if (error := _try_to_set(connection, {name: value})) is not None
    }
    if wrong := [name for name in refused if _changes_results(name)]:
        raise SourceError(
            "; ".join(_refusal_of(name, different[name], present, refused[name]) for name in wrong) + _REMEDY
        )
    return frozenset(refused)


_REMEDY: Final = (
    ". These variables change results. Have the server's administrator set them so, for all or by init_connect, "
    "or grant DB_USER the right to (SESSION_VARIABLES_ADMIN on MySQL 8)."
)


def _refusal_of(name: str, value: str, present: Mapping[str, str], error: DBAPIError) -> str:
    arguments = getattr(error.orig, "args", ())
    code = arguments[0] if arguments else "unknown"
    return (
        f"DB_USER may not set {name}, which is {present.get(name, 'not shown')!r} and should be {value} (error {code})"
    )


def _changes_results(name: str) -> bool:
    # The driver has already asked for the server's own collation with SET NAMES, so nothing is lost where it stays.
    # Limits are read back; without ORDER_KEY only an entry that orders by it is refused.
    if name == "collation_connection":
        return False
    return name in _MOMENT or (name in FIXED and FIXED[name].changes_results)


def _try_to_set(connection: sa.Connection, assignments: Mapping[str, str]) -> DBAPIError | None:
    """Set variables in one statement; return the server's error, or None if all are set."""
    terms = ", ".join(
        f"{'' if name.startswith('@') else 'SESSION '}{name} = {value}" for name, value in assignments.items()
    )
    try:
        connection.exec_driver_sql(f"SET {terms}")
    except DBAPIError as error:
        if error.connection_invalidated or not is_refusal(error):
            raise
        return error
    return None


def _read_variables(connection: sa.Connection, *names: str) -> dict[str, str]:
    """The values of those variables that the server has; of none if it does not know the question (ClickHouse)."""
    wanted = ", ".join(f"'{name}'" for name in names)
    try:
        rows = connection.exec_driver_sql(f"SHOW VARIABLES WHERE Variable_name IN ({wanted})").all()
    except DBAPIError as error:
        if not is_refusal(error):
            raise
        return {}
    return {str(row[0]).lower(): str(row[1]) for row in rows if len(row) > 1}


def _snapshot_seconds(settings: SessionSettings) -> int:
    return settings.limits.max_snapshot_seconds + 60


# The server must not end an idle session before the snapshot's own limit does.
_IDLE_TIMEOUTS: Final[dict[str, Callable[[SessionSettings], int]]] = {
    "wait_timeout": _snapshot_seconds,
    "idle_transaction_timeout": _snapshot_seconds,
    "idle_readonly_transaction_timeout": _snapshot_seconds,
    "ob_trx_idle_timeout": lambda settings: _snapshot_seconds(settings) * 1_000_000,
    "net_write_timeout": lambda settings: settings.stall_timeout,
}
# Computed from the settings; each kind of server has its own name for a limit.
_COMPUTED: Final[dict[str, Callable[[SessionSettings], int]]] = {
    **_IDLE_TIMEOUTS,
    "ob_trx_timeout": lambda settings: _snapshot_seconds(settings) * 1_000_000,
    "lock_wait_timeout": lambda settings: settings.limits.lock_wait_seconds,
}
# When and where the session is.
_MOMENT: Final = frozenset({"time_zone", "timestamp"})
# Every variable that a session sets, if the server has it.
SET_BY_US: Final = frozenset(
    {*_MOMENT, *FIXED, *_COMPUTED, "max_execution_time", "max_statement_time", "ob_query_timeout", "query_timeout"}
)
