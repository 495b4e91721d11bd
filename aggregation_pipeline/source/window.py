"""A window of time and the rows that belong to it: half open, on the bare column, so that an index serves.

A DATETIME holds what a clock on a wall showed, and clocks are set back once a year: for an hour the same times come twice. A row
then belongs to the window in which its time was shown for the last time. So each row belongs to exactly one window, whatever the
zones, and a window that is over gets no more rows.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from aggregation_pipeline.config.tokens import quote

_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Window:
    """`[start, end)` on the clock of the world.

    Attributes:
        key: what Dagster and the files call it: 2026-11-20.
        column: the column of time, by its true name.
        start, end: aware.
        column_zone: in which a DATETIME column's values are; a TIMESTAMP is read in the session's zone instead.
    """

    key: str
    column: str
    start: datetime
    end: datetime
    column_zone: tzinfo

    def predicate(self, table: str, *, session_offset: timedelta | None = None) -> str:
        """The SQL condition that a row is in the window.

        Args:
            table: the source table's bare name; it keeps an alias in the SELECT from taking the column's place.
            session_offset: for a TIMESTAMP column, the offset of the session that reads; None for a DATE or DATETIME.
        """
        column = f"{quote(table)}.{quote(self.column)}"
        start, end = (
            wall_time(moment, self.column_zone) if session_offset is None else moment.astimezone(UTC).replace(tzinfo=None) + session_offset
            for moment in (self.start, self.end)
        )
        return f"{column} >= '{_literal(start)}' AND {column} < '{_literal(end)}'"


def wall_time(moment: datetime, zone: tzinfo) -> datetime:
    """What a clock in `zone` shows at `moment`; where it is set back soon after, the earliest that it shows from then on."""
    local = moment.astimezone(zone)
    # Twice that day the clock shows this: the second time ends the hours that come twice.
    repeated = _offset(local, fold=0) - _offset(local, fold=1)
    if local.fold or repeated <= timedelta(0):
        return local.replace(tzinfo=None, fold=0)
    instant = moment.astimezone(UTC)
    shown = ((instant + _MINUTE * step).astimezone(zone).replace(tzinfo=None, fold=0) for step in range(int(repeated / _MINUTE) + 1))
    return min(shown)


def _offset(local: datetime, *, fold: int) -> timedelta:
    return local.replace(fold=fold).utcoffset() or timedelta(0)


def _literal(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S")
