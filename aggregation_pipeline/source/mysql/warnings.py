"""Read the server's warnings: one about a value fails the table, one about deprecated syntax goes to the log."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.clock import Clock
from aggregation_pipeline.source.mysql.errors import describe_warning
from aggregation_pipeline.source.mysql.session import Session

# Deprecated syntax: the result is right, but a later version will refuse the statement. Numbers are from MySQL's error
# reference.
_DEPRECATED: Final = {
    1287: "a word or function of the entry is deprecated",
    1554: "a word of the entry is deprecated",
    1681: "a word of the entry is deprecated",
}
# The same numbers mean other things on MariaDB from 3000 on, and on OceanBase from 4000 on.
_DEPRECATED_BY_MYSQL: Final = {
    3005: "legacy syntax was converted",
    3719: "utf8 is an alias of utf8mb3, and will be one of utf8mb4",
    3720: "NATIONAL, NCHAR and NVARCHAR mean utf8mb3, and will mean utf8mb4",
    3778: "a collation of utf8mb3 is deprecated",
    3779: "a comment in a comment is deprecated",
    3961: "ON ERROR before ON EMPTY is deprecated",
    3964: "SQL_CALC_FOUND_ROWS is deprecated",
    3965: "FOUND_ROWS() is deprecated",
    4079: "a collation is deprecated",
    4095: "a date is written with other marks than 2026-01-01",
    4096: "a date and time is written with marks that are too many",
    4119: "a name that begins with $ is deprecated",
    4162: "a collation that a user defined is deprecated",
}
# A long IN list took more memory than the optimizer may use: no index is used for it, and the rows are the same.
_MEMORY: Final = (3170, "range_optimizer_max_mem_size")
_MEMORY_WORDS: Final = (
    "a long list of values took more memory than range_optimizer_max_mem_size, so no index was used for it"
)
# A hint that the server did not follow, by the numbers of MySQL, TiDB and MariaDB 12. 1064 and 1815 mean much else.
_ABOUT_HINTS: Final = frozenset((1064, 1815, *range(3124, 3129), 3515, 3637, *range(4200, 4250), *range(8061, 8067)))
_NAMES_HINT: Final = re.compile(r"\bhints?\b|is inapplicable", re.IGNORECASE)
_HINT_WORDS: Final = "it did not follow a hint: it does not know it, or a name in it, or it contradicts another"
# Notes that a value was cut or out of range, so that the result has another (1916: MariaDB, about a number).
_VALUE_CHANGED: Final = {1264, 1265, 1916}
# The largest count that the protocol can send: there may be more.
_LARGEST_COUNT: Final = 65_535
_SIGN_CHANGED: Final = (1105, "Cast to ")
# A date and time that cannot be used.
_WRONG_MOMENT: Final = 1292
_CLOCK_READING: Final = re.compile(r"'(\d{4}-[01]\d-[0-3]\d [0-2]\d:[0-5]\d:[0-5]\d)(?:\.\d+)?'")


def check_warnings(session: Session, count: int, dataset: str, warn: Callable[[str], None] = lambda _: None) -> None:
    """Read the warnings of the last statement, and raise if its result may be wrong.

    Args:
        session: whose last statement it was; its warnings are gone afterwards.
        count: how many warnings the server counted.
        dataset: for the message.
        warn: hears of deprecated syntax.

    Raises:
        SourceError: the server warned about a value, such as a GROUP_CONCAT that it cut or a text that it read as a
            number, or it counted more warnings than it lists.
    """
    if count == 0:
        return
    listed = session.warnings()
    serious: list[str] = []
    harmless: list[str] = []
    for level, code, message in listed:
        if words := _harmless(session, code, message):
            harmless.append(describe_warning(code, message, session.quotable, words))
        elif level.upper() != "NOTE" or _says_value_changed(code, message):
            serious.append(describe_warning(code, message, session.quotable))
    if count > len(listed) or count == _LARGEST_COUNT:
        serious.append(
            f"{count - len(listed):,} or more that the server counted and does not list (see its max_error_count)"
        )
    if serious:
        serious = list(dict.fromkeys(serious))
        raise SourceError(
            f"{dataset}: the server warned about the result, so it may not say what the table says: "
            f"{'; '.join(serious[:3])}{f' and {len(serious) - 3} more' if len(serious) > 3 else ''}. "
            "Correct the expression or the rows that cause it."
        )
    for words in dict.fromkeys(harmless):
        warn(
            f"{dataset}: the server says about the entry, or about a view that it reads: {words}. The result is right"
            " nevertheless."
        )


def _says_value_changed(code: int, message: str) -> bool:
    return code in _VALUE_CHANGED or (code == _SIGN_CHANGED[0] and message.startswith(_SIGN_CHANGED[1]))


def _is_skipped_hour(clock: Clock, code: int, message: str) -> bool:
    """Whether MySQL warns about a clock reading that the session's zone skips in spring.

    The result is right: MySQL takes the moment of the change.
    """
    found = _CLOCK_READING.search(message) if clock.is_named and code == _WRONG_MOMENT else None
    if found is None:
        return False
    reading = datetime.fromisoformat(found[1])
    shown = reading.replace(tzinfo=clock.zone).astimezone(UTC).astimezone(clock.zone)
    return shown.replace(tzinfo=None) != reading


def _harmless(session: Session, code: int, message: str) -> str:
    """Our words for a warning that leaves the result right; empty for any other."""
    if _is_skipped_hour(session.clock, code, message):
        return "a reading that the clock skips in spring was taken for the moment of the change"
    if code in _DEPRECATED:
        return _DEPRECATED[code]
    if code in _ABOUT_HINTS and _NAMES_HINT.search(message):
        return _HINT_WORDS
    others = ("mariadb", "oceanbase", "tidb")
    if any(name in session.server.casefold() for name in others):
        return ""
    return _MEMORY_WORDS if code == _MEMORY[0] and _MEMORY[1] in message else _DEPRECATED_BY_MYSQL.get(code, "")
