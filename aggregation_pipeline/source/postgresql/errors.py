"""The one place where an error of PostgreSQL or of its driver becomes one of ours, in our own words.

Only the SQLSTATE, the place in our own statement, and names that are known to be safe are taken from what the server
said. The rest may hold the value of a cell: `invalid input syntax for type integer: "13812345678"`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from aggregation_pipeline.errors import SourceError, SourceLostError
from aggregation_pipeline.source.postgresql.error_messages import (
    CONNECT_FAILURES,
    LOST,
    OTHER_REFUSAL,
    PERMANENT_CONNECT_FAILURES,
    REFUSALS,
)

# The end of what is said to those whose run met a SourceLostError.
REPEATABLE: Final = " The run can be repeated; nothing was published."
# The name, operator or mark at which the server's parser stopped.
_WORD: Final = re.compile(r'(?:"(?:[^"]|"")+"|[\w$]+)(?:\.(?:"(?:[^"]|"")+"|[\w$]+))*|[^\s\w]{1,3}')
_CONFLICT: Final = "conflict with recovery"
_POSITION: Final = b"PG_DIAG_STATEMENT_POSITION"
# Errors that the server finds in a statement before it reads a row, at a place that it names.
_AT_A_PLACE: Final = ("42",)


class SilenceError(Exception):
    """The server did not answer for as long as one waits for it."""


class ExpiredError(Exception):
    """What was asked was not over within the seconds that it had."""


@dataclass(frozen=True)
class Quotable:
    """Names that a message may repeat, because they hold no data.

    Attributes:
        user: of the settings.
        names: of tables, columns and functions.
    """

    user: str = ""
    names: frozenset[str] = frozenset()

    def plus(self, names: Iterable[str]) -> "Quotable":
        """Return the same with more names."""
        return replace(self, names=self.names | frozenset(name for name in names if name))

    def named(self, message: str) -> tuple[str, ...]:
        """Return the known names that stand in a message as whole words, in its order."""
        found = [
            (place.start(), name)
            for name in self.names
            if (place := re.search(rf"(?<![\w$]){re.escape(name)}(?![\w$])", message)) is not None
        ]
        return tuple(name for _, name in sorted(found))


def to_source_error(
    error: BaseException, quotable: Quotable = Quotable(), *, where: str = "", sql: str = ""
) -> SourceError:
    """Return our error for one of the driver's.

    Args:
        error: of the driver, of the operating system, a SilenceError or an ExpiredError.
        quotable: what may be repeated of the server's message.
        where: the server's address.
        sql: the statement, ours and the user's own words; empty while connecting.
    """
    if isinstance(error, ExpiredError):
        return SourceError(
            f"the snapshot was ended after max_snapshot_seconds = {error}, because a long one is a load on the"
            " database. Nothing was published. Read less (where, limit, fewer columns), read while the server is idle,"
            " or raise max_snapshot_seconds."
        )
    if isinstance(error, SilenceError):
        return SourceLostError(
            f"PostgreSQL at {where}: the server is silent: no answer came, and none of a connection that is gone. It is"
            f" frozen, or the network between drops packets.{REPEATABLE}"
        )
    state = str(getattr(error, "sqlstate", None) or "")
    # The last words of a session that a replica ends come without their SQLSTATE.
    if not state and _CONFLICT in str(error):
        state = "40001"
    if not sql:
        return _connect_failure(str(error), quotable, where)
    if not state or state[:2] == "08" or state in LOST:
        words = LOST.get(state, "the connection broke")
        return _with_code(
            SourceLostError(f"PostgreSQL at {where}: {words}{f' (SQLSTATE {state})' if state else ''}.{REPEATABLE}"),
            state,
        )
    said, place = _said(error)
    word = _word_at(sql, place) if state.startswith(_AT_A_PLACE) else ""
    names = tuple(dict.fromkeys([*filter(None, [word.replace('"', "")]), *quotable.named(said)]))
    words, remedy = REFUSALS.get(state) or REFUSALS.get(state[:2]) or OTHER_REFUSAL
    slots = {"name": f" {names[0]}" if names else "", "near": f" near {word}" if word else "", "user": quotable.user}
    refusal = SourceError(
        f"PostgreSQL at {where} refused a statement (SQLSTATE {state}): {words.format_map(slots)}."
        f"{f' {remedy}' if remedy else ''}"
    )
    refusal.named = names
    return _with_code(refusal, state)


def _with_code(error: SourceError, state: str) -> SourceError:
    error.code = state or None
    return error


def _said(error: BaseException) -> tuple[str, int]:
    """The server's message, and the position in the statement that it names; 0 without one."""
    details: Mapping[bytes, bytes] = dict(getattr(error, "details", None) or ())
    message = details.get(b"PG_DIAG_MESSAGE_PRIMARY", b"").decode("utf-8", "replace")
    return message, int(details.get(_POSITION, b"0"))


def _word_at(sql: str, place: int) -> str:
    found = _WORD.match(sql, place - 1) if place else None
    return found.group() if found else ""


def _connect_failure(said: str, quotable: Quotable, where: str) -> SourceError:
    """Say why there is no connection. libpq has no SQLSTATE for that, only texts."""
    for pattern, state, words in CONNECT_FAILURES:
        if not pattern.search(said):
            continue
        message = f"PostgreSQL at {where}: {words.format_map({'user': quotable.user})}"
        if state in PERMANENT_CONNECT_FAILURES:
            return _with_code(SourceError(message), state)
        return _with_code(SourceLostError(f"{message}{REPEATABLE}"), state)
    return SourceLostError(
        f"PostgreSQL at {where}: no connection; the server, or something before it, refused it. Check DB_HOST, DB_PORT,"
        f" DB_USER, DB_PASSWORD and DB_NAME.{REPEATABLE}"
    )
