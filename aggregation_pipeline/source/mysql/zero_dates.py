"""Dates that MySQL stores and no calendar has: 0000-00-00, 2026-00-15, 2026-02-30, years 0 and above 9999.

One option, `zeroDates`, applies to all of them, in every DATE, DATETIME and TIMESTAMP: `null` makes them NULL and
counts them, `error` fails the table, `text` keeps the server's text for the whole column. So the files hold only dates
from 0001-01-01 to 9999-12-31, which every reader can represent, Python's datetime included.
"""

from datetime import date
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.request import ZeroDatesPolicy

# The beginning of a DATE or DATETIME. MySQL 5.6 sends 10000-01-01 for FROM_DAYS(3652425), and :000-01-01 for one second
# after year 9999.
_DATE_PATTERN: Final = r"^[-:0-9]{4,6}-[0-9]{2}-[0-9]{2}(?: |$)"
_DATE_LENGTH: Final = 10
_FIRST_DATE: Final = pa.scalar(date.min, pa.date32())


class ZeroDates:
    """Applies the policy to the dates of one result set.

    Attributes:
        policy: null, error or text.
        counts: how many dates became NULL, by column.
    """

    def __init__(self, policy: ZeroDatesPolicy) -> None:
        self.policy = policy
        self.counts: dict[str, int] = {}

    def count(self, column: str, invalid: pa.Array) -> None:
        """Count the dates of a column that become NULL.

        Args:
            column: its name.
            invalid: which cells, shape (rows,) of bool; NULL means no.

        Raises:
            SourceError: there are some, and the policy is `error`.
        """
        count = pc.sum(invalid).as_py() or 0
        if count and self.policy == "error":
            raise SourceError(
                f"column {column!r} holds dates that no calendar has (0000-00-00, 2026-02-30, year 0), and `zeroDates:"
                " error` says to stop. Repair the rows, or set options.zeroDates to null, which writes them as NULL,"
                " or to text, which keeps the server's text for the columns of dates."
            )
        if count:
            self.counts[column] = self.counts.get(column, 0) + count

    def read(self, column: str, texts: pa.Array, kind: pa.DataType) -> pa.Array:
        """Return the server's texts as dates or timestamps of `kind`, which has no zone; invalid dates become NULL.

        Raises:
            SourceError: a text is no date at all, or a date is invalid and the policy is `error`.
        """
        if (values := _as_moments(texts, kind)) is None and (
            values := _as_moments(self._without_invalid(column, texts), kind)
        ) is None:
            raise SourceError(
                f"column {column!r} sent a value that is no {'date' if pa.types.is_date(kind) else 'date and time'},"
                f" although the server declared it as one. Select it as text: CAST({column} AS CHAR)."
            )
        return values

    def clean(self, column: str, texts: pa.Array, kind: pa.DataType) -> pa.Array:
        """Return the server's texts with invalid dates as NULL, for columns that stay text.

        Raises:
            SourceError: a date is invalid, and the policy is `error`.
        """
        return texts if _as_moments(texts, kind) is not None else self._without_invalid(column, texts)

    def _without_invalid(self, column: str, texts: pa.Array) -> pa.Array:
        invalid = invalid_dates(texts)
        self.count(column, invalid)
        return pc.if_else(invalid, pa.scalar(None, texts.type), texts)


def invalid_dates(texts: pa.Array) -> pa.Array:
    """Return which texts are dates or timestamps of a day that no calendar has, shape (rows,) of bool.

    A text that does not look like a date is not one of them.
    """
    days = pc.utf8_slice_codeunits(texts, 0, _DATE_LENGTH).dictionary_encode()
    unknown = pa.array([not _is_day(day) for day in days.dictionary.to_pylist()], pa.bool_()).take(days.indices)
    return pc.fill_null(pc.and_(unknown, pc.match_substring_regex(texts, _DATE_PATTERN)), fill_value=False)


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _as_moments(texts: pa.Array, kind: pa.DataType) -> pa.Array | None:
    """The texts as dates or timestamps; None if one is invalid. Of invalid dates Arrow accepts only those of year 0."""
    try:
        values = texts.cast(kind)
    except pa.ArrowInvalid:
        return None
    return None if pc.less(pc.min(values), _FIRST_DATE.cast(kind)).as_py() else values
