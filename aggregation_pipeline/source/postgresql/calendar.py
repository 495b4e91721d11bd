"""Dates that PostgreSQL stores and no calendar of a reader has: infinity, years before 1 and after 9999.

`zeroDates` applies to them as to the zero dates of MySQL: `null` makes them NULL and counts them, `error` fails the
table, `text` keeps the server's text for the whole column.
"""

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.request import ZeroDatesPolicy

# What the statement sends for a day before and after the calendar: days that fit into Arrow's types.
_BEFORE: Final = "0003-01-01 BC"
_AFTER: Final = "10003-01-01"
# Between those and the days that readers know: years 0 and 10000, in days since 1970.
_EARLIEST_DAY: Final = -719_528 - 1
_LATEST_DAY: Final = 2_932_897 + 366
_DAY: Final = 86_400_000_000
_TEXT: Final = r"infinity$| BC$|^\d{5,}-"


class Calendar:
    """Applies the policy to one dataset.

    Attributes:
        policy: null, error or text.
        counts: how many dates became NULL, by column.
    """

    def __init__(self, policy: ZeroDatesPolicy) -> None:
        self.policy = policy
        self.counts: dict[str, int] = {}

    def known(self, name: str, cells: pa.Array) -> pa.Array:
        """Return dates or timestamps, with those that stand for a day out of the calendar as NULL.

        Raises:
            SourceError: there is one, and the policy is `error`.
        """
        is_date = pa.types.is_date32(cells.type)
        numbers = cells.view(pa.int32() if is_date else pa.int64())
        least, most = (limit * (1 if is_date else _DAY) for limit in (_EARLIEST_DAY, _LATEST_DAY))
        ends = pc.min_max(numbers)
        if not numbers.null_count < len(numbers) or (ends["min"].as_py() > least and ends["max"].as_py() < most):
            return cells
        unknown = pc.or_(pc.less_equal(numbers, least), pc.greater_equal(numbers, most))
        return self._without(name, cells, unknown)

    def known_texts(self, name: str, texts: pa.Array) -> pa.Array:
        """Return texts of dates or timestamps, with those out of the calendar as NULL, unless the policy is `text`.

        Raises:
            SourceError: there is one, and the policy is `error`.
        """
        return texts if self.policy == "text" else self._without(name, texts, pc.match_substring_regex(texts, _TEXT))

    def _without(self, name: str, cells: pa.Array, unknown: pa.Array) -> pa.Array:
        count = pc.sum(unknown).as_py() or 0
        if not count:
            return cells
        if self.policy == "error":
            raise SourceError(
                f"column {name!r} holds dates that no calendar of a reader has (infinity, years before 1 or after"
                " 9999), and `zeroDates: error` says to stop. Repair the rows, or set options.zeroDates to null, which"
                " writes them as NULL, or to text, which keeps the server's text for the columns of dates."
            )
        self.counts[name] = self.counts.get(name, 0) + count
        return pc.if_else(unknown, pa.scalar(None, cells.type), cells)


def date_form(sql: str) -> str:
    """Return SQL that sends a date, and for one out of the calendar a day that Arrow can hold."""
    return (
        f"CASE WHEN {sql} < '0001-01-01' THEN DATE '{_BEFORE}' WHEN {sql} > '9999-12-31' THEN DATE '{_AFTER}'"
        f" ELSE {sql} END"
    )


def timestamp_form(sql: str) -> str:
    """Return the same for a timestamp without time zone."""
    return (
        f"CASE WHEN {sql} < '0001-01-01' THEN TIMESTAMP '{_BEFORE}' WHEN {sql} >= '10000-01-01'"
        f" THEN TIMESTAMP '{_AFTER}' ELSE {sql} END"
    )


def instant_form(sql: str) -> str:
    """Return the same for a timestamp with time zone, which lies in the calendar in UTC and by the session's clock."""
    first = "GREATEST(TIMESTAMPTZ '0001-01-01', TIMESTAMPTZ '0001-01-01 00:00+00')"
    end = "LEAST(TIMESTAMPTZ '10000-01-01', TIMESTAMPTZ '10000-01-01 00:00+00')"
    return (
        f"CASE WHEN {sql} < {first} THEN TIMESTAMPTZ '{_BEFORE}' WHEN {sql} >= {end} THEN TIMESTAMPTZ '{_AFTER}'"
        f" ELSE {sql} END"
    )
