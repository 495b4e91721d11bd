"""What a server can do, found out by asking it, never from its name or its version.

The variables that it has, the values that it gives back after they were set, and what its replies say decide. So a
proxy, a newer version or a server that nobody has tried is judged by what it does. docs/servers.md lists what was seen.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from aggregation_pipeline.config.sql.hints import COMMAND_MARKS, SETTING_MARKS, LimitHint

# How both datasets and their counts see one state: in a transaction, by a number of the state in each statement
# (`AS OF SNAPSHOT n`), or not at all.
Snapshot = Literal["transaction", "as_of", "none"]

# Only a server whose max_execution_time counts milliseconds has one of these: MySQL and its like, TiDB.
_COUNTS_MILLISECONDS: Final = ("innodb_lock_wait_timeout", "tidb_snapshot")
# Servers that have it run transactions for writing alone (StarRocks, Doris): two statements may see two states,
# whatever isolation level they report.
FOR_WRITES: Final = "query_timeout"
# What decides how the variables above are meant.
EVIDENCE: Final = (*_COUNTS_MILLISECONDS, FOR_WRITES)


# Servers that take a limit on a statement by a hint only, in milliseconds, by what their version says. The name may
# decide here: to any other server the hint is a comment.
_LIMIT_HINTS: Final = (
    ("polardb-x", COMMAND_MARKS, "SOCKET_TIMEOUT({})"),
    ("tddl", COMMAND_MARKS, "SOCKET_TIMEOUT({})"),
    ("analyticdb", SETTING_MARKS, "query_timeout={}"),
)


class StatementLimit(NamedTuple):
    """A variable that limits a statement's time, and its units per second."""

    variable: str
    per_second: int


def statement_limits(variables: Mapping[str, str]) -> tuple[StatementLimit, ...]:
    """Return the limits whose unit is known; a wrong unit would be a thousand times too long or too short.

    Args:
        variables: those that the server has, by name, with their values before they are set.
    """
    if "ob_query_timeout" in variables:
        # OceanBase has max_execution_time as well, and does not keep to it.
        return (StatementLimit("ob_query_timeout", 1_000_000),)
    found = []
    if "max_statement_time" in variables:
        # MariaDB's is a number of seconds with a fraction, and shown as one; Percona's is one of milliseconds.
        seconds = "." in variables["max_statement_time"]
        found.append(StatementLimit("max_statement_time", 1 if seconds else 1000))
    if FOR_WRITES in variables:
        # Doris has max_execution_time as well, which is another name for it.
        found.append(StatementLimit(FOR_WRITES, 1))
    elif "max_execution_time" in variables and any(name in variables for name in _COUNTS_MILLISECONDS):
        found.append(StatementLimit("max_execution_time", 1000))
    return tuple(found)


def limit_hint(version: str, seconds: int) -> LimitHint | None:
    """Return the hint that asks such a server to end a statement after so many seconds; None if none is known."""
    named = (each for each in _LIMIT_HINTS if each[0] in version.casefold())
    return next((LimitHint(marks, text.format(seconds * 1_000)) for _, marks, text in named), None)


@dataclass(frozen=True)
class Capabilities:
    """What the server of a session can do, as it has shown it.

    Attributes:
        snapshot: by what all statements see the same rows.
        no_snapshot: why there is none, in words that follow "the server at ..."; empty if there is one.
        scn: the number of the state that is read, for `as_of`.
        statement_limits: limits on a statement's time that were set, and read back.
        unheld_limits: variables that limit it, and did not take the value.
        limit_hint: limits it where no variable does; whether the server follows it cannot be read back.
        read_only: whether the session cannot write.
        logical_time: whether NOW() returns the logical time.
        time_zone: whether the session's zone was set.
        user_variables: whether the session has variables of its own (`@name`).
    """

    snapshot: Snapshot = "none"
    no_snapshot: str = ""
    scn: int | None = None
    statement_limits: tuple[StatementLimit, ...] = ()
    unheld_limits: tuple[str, ...] = ()
    limit_hint: LimitHint | None = None
    read_only: bool = True
    logical_time: bool = True
    time_zone: bool = True
    user_variables: bool = True

    def knows_limit(self, variable: str) -> bool:
        """Whether the server has this limit on statements, held or not."""
        return variable in self.unheld_limits or any(limit.variable == variable for limit in self.statement_limits)

    def in_words(self) -> Iterator[str]:
        """Yield what people want to know of it before they trust an export to it."""
        yield {
            "transaction": "one read-only snapshot, by a transaction",
            "as_of": f"one snapshot, by AS OF SNAPSHOT {self.scn}",
            "none": f"no snapshot: the server {self.no_snapshot}",
        }[self.snapshot]
        if self.statement_limits:
            yield f"statements are limited by {', '.join(limit.variable for limit in self.statement_limits)}"
        else:
            held = f": {', '.join(self.unheld_limits)} did not take the value" if self.unheld_limits else ""
            hint = f"; a hint in each statement asks for one ({self.limit_hint.text})" if self.limit_hint else ""
            yield f"no limit on a statement's time can be set{held}{hint}; max_snapshot_seconds closes the connection"
        if not self.read_only:
            yield "the session is not read-only, so take an account that can only read"
        if not self.logical_time:
            yield "NOW() is the server's own time, so entries that use it are refused"
        if not self.time_zone:
            yield "the time zone cannot be set, so entries with TIMESTAMP columns are refused"
        if not self.user_variables:
            yield "it has no variables of a session, so rows cannot be ordered by a masked column"
