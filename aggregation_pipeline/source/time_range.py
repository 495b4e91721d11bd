"""A window of time and the rows that belong to it: half open, on the bare column, so that an index serves.

A DATETIME holds what a clock on a wall showed, and clocks are set back once a year: for an hour the same times come
twice. A row then belongs to the window in which its time was shown for the last time. So each row belongs to exactly
one window, whatever the zones, and a window that is over gets no more rows.

A TIMESTAMP is an instant and is compared as one. A DATE is a day of the calendar and belongs to the window that is
called after it, whatever the clocks do on that day.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final

from aggregation_pipeline.config.sql.tokens import quote
from aggregation_pipeline.source.clock import Clock

# Types of a column that rows can be cut by.
TIMES: Final = ("date", "datetime", "timestamp")
_MINUTE: Final = timedelta(minutes=1)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True)
class Window:
    """`[start, end)` on the clock of the world.

    Attributes:
        key: what Dagster and the files call it: 2026-11-20.
        column: the column of time, by its true name.
        start, end: aware.
        column_zone: in which a DATETIME column's values are, and whose calendar a DATE is of; a TIMESTAMP needs none.
    """

    key: str
    column: str
    start: datetime
    end: datetime
    column_zone: tzinfo

    def predicate(self, table: str, kind: str, clock: Clock) -> str:
        """The SQL condition that a row is in the window.

        Args:
            table: the source table's bare name; it keeps an alias in the SELECT from taking the column's place.
            kind: the column's type, one of `TIMES`.
            clock: of the session that reads.
        """
        column = f"{quote(table)}.{quote(self.column)}"
        if kind == "timestamp":
            return self._of_instants(column, clock)
        if kind == "date":
            first, end_day = (moment.astimezone(self.column_zone).date() for moment in (self.start, self.end))
            return f"{column} >= '{first.isoformat()}' AND {column} < '{end_day.isoformat()}'"
        return _between(column, *(wall_time(moment, self.column_zone) for moment in (self.start, self.end)))

    def _of_instants(self, column: str, clock: Clock) -> str:
        if clock.offset_seconds is not None:
            fixed = timezone(timedelta(seconds=clock.offset_seconds))
            return _between(
                column, *(moment.astimezone(fixed).replace(tzinfo=None) for moment in (self.start, self.end))
            )
        # In the hour that comes twice a text is no instant. The range of texts, a day wider, is for the index; a clock
        # has shown both.
        first, last = (int(moment.timestamp()) for moment in (self.start, self.end))
        wide = _between(
            column,
            *(moment.astimezone(clock.zone).replace(tzinfo=None) for moment in (self.start - _DAY, self.end + _DAY)),
        )
        return f"UNIX_TIMESTAMP({column}) >= {first} AND UNIX_TIMESTAMP({column}) < {last} AND {wide}"


def _between(column: str, start: datetime, end: datetime) -> str:
    return f"{column} >= '{_literal(start)}' AND {column} < '{_literal(end)}'"


def wall_time(moment: datetime, zone: tzinfo) -> datetime:
    """What a clock in `zone` shows at `moment`; where it is set back soon after, the earliest that it shows from then
    on.
    """
    local = moment.astimezone(zone)
    # Twice that day the clock shows this: the second time ends the hours that come twice.
    repeated = _offset(local, fold=0) - _offset(local, fold=1)
    if local.fold or repeated <= timedelta(0):
        return local.replace(tzinfo=None, fold=0)
    instant = moment.astimezone(UTC)
    shown = (
        (instant + _MINUTE * step).astimezone(zone).replace(tzinfo=None, fold=0)
        for step in range(int(repeated / _MINUTE) + 1)
    )
    return min(shown)


def _offset(local: datetime, *, fold: int) -> timedelta:
    return local.replace(fold=fold).utcoffset() or timedelta(0)


def _literal(moment: datetime) -> str:
    return moment.isoformat(sep=" ", timespec="seconds")
