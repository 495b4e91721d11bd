"""Days that MySQL stores and no calendar has: 0000-00-00, 2026-00-15, 2026-02-30, anything in year 0 or beyond 9999.

One rule, the option `zeroDates`, holds for all of them and wherever a DATE, DATETIME or TIMESTAMP stands: `null` makes
them NULL and counts them, `error` stops the table, `text` leaves the whole column the server's text. What goes on to
the files is a day from 0001-01-01 to 9999-12-31, which every reader can hold, Python's datetime among them.
"""

from datetime import date
from typing import Final, Literal

import pyarrow as pa
import pyarrow.compute as pc

from aggregation_pipeline.errors import SourceError

ZeroDatesPolicy = Literal["null", "error", "text"]

# The day of a DATE or DATETIME. MySQL 5.6 sends 10000-01-01 for FROM_DAYS(3652425), and :000-01-01 for one second after
# year 9999.
_SHAPE: Final = r"^[-:0-9]{4,6}-[0-9]{2}-[0-9]{2}(?: |$)"
_DAY_LETTERS: Final = 10
_FIRST: Final = pa.scalar(date.min, pa.date32())


class ZeroDates:
    """What becomes of days that no calendar has in one result set. `counts` tells how many were made NULL, by
    column.
    """

    def __init__(self, policy: ZeroDatesPolicy) -> None:
        self.policy = policy
        self.counts: dict[str, int] = {}

    def note(self, column: str, odd: pa.Array) -> None:
        """Count the days of a column that are about to become NULL; `odd` is a mask of shape (rows,), in which NULL
        means no.

        Raises:
            SourceError: there are some, and the policy is `error`.
        """
        count = pc.sum(odd).as_py() or 0
        if count and self.policy == "error":
            raise SourceError(
                f"column {column!r} holds dates that no calendar has (0000-00-00, 2026-02-30, year 0), and `zeroDates:"
                " error` says to stop. Repair the rows, or set options.zeroDates to null, which writes them as NULL,"
                " or to text, which keeps the server's text for the columns of dates."
            )
        if count:
            self.counts[column] = self.counts.get(column, 0) + count

    def read(self, column: str, texts: pa.Array, kind: pa.DataType) -> pa.Array:
        """Return the server's texts as dates or timestamps of `kind`, which has no zone, with odd days as NULL.

        Raises:
            SourceError: a text is no date at all, or the policy is `error` and a day is odd.
        """
        if (values := _as_moments(texts, kind)) is None and (
            values := _as_moments(self._without_odd(column, texts), kind)
        ) is None:
            raise SourceError(
                f"column {column!r} sent a value that is no {'date' if pa.types.is_date(kind) else 'date and time'},"
                f" which the server declared it to be. Select it as text: CAST({column} AS CHAR)."
            )
        return values

    def clean(self, column: str, texts: pa.Array, kind: pa.DataType) -> pa.Array:
        """Return the server's texts with odd days as NULL, for what goes on as text.

        Raises:
            SourceError: the policy is `error` and a day is odd.
        """
        return texts if _as_moments(texts, kind) is not None else self._without_odd(column, texts)

    def _without_odd(self, column: str, texts: pa.Array) -> pa.Array:
        odd = odd_days(texts)
        self.note(column, odd)
        return pc.if_else(odd, pa.scalar(None, texts.type), texts)


def odd_days(texts: pa.Array) -> pa.Array:
    """Which texts, shape (rows,), are dates or moments of a day that no calendar has. A text that is no date is none of
    them.
    """
    days = pc.utf8_slice_codeunits(texts, 0, _DAY_LETTERS).dictionary_encode()
    unknown = pa.array([not _is_day(day) for day in days.dictionary.to_pylist()], pa.bool_()).take(days.indices)
    return pc.fill_null(pc.and_(unknown, pc.match_substring_regex(texts, _SHAPE)), fill_value=False)


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _as_moments(texts: pa.Array, kind: pa.DataType) -> pa.Array | None:
    """The texts as dates or timestamps; None where one is none. Arrow takes the days of year 0, and nothing else that
    is odd.
    """
    try:
        values = texts.cast(kind)
    except pa.ArrowInvalid:
        return None
    return None if pc.less(pc.min(values), _FIRST.cast(kind)).as_py() else values
