"""The time range of a partition: half open, so that each row belongs to exactly one.

A DATETIME column holds what a wall clock showed, and wall clocks are set back once a year: for an hour the same times
come twice. A row then belongs to the range in which its time was shown for the last time. So a range that is over gets
no more rows, whatever its zone.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

_MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True)
class TimeRange:
    """The rows whose time lies in `[start, end)`.

    Attributes:
        key: the partition's key in Dagster and in the files: 2026-11-20.
        column: the column of time, by its true name.
        start, end: aware.
        column_zone: the zone of a DATETIME column's values, or whose calendar a DATE is of; a TIMESTAMP needs none.
    """

    key: str
    column: str
    start: datetime
    end: datetime
    column_zone: tzinfo


def wall_time(moment: datetime, zone: tzinfo) -> datetime:
    """Return what a clock in `zone` shows at `moment`.

    Where the clock is set back soon after, the result is the earliest time that it shows from `moment` on.
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
