"""Dates and times as JavaScript writes them, and what it would have written for ours.

mysql2 reads a date or a DATETIME as a reading of the process's clock, so `2026-11-20` in Shanghai becomes
`2026-11-19T16:00:00.000Z`. Python and JavaScript agree on what a clock means at an hour that it skips or repeats.
"""

import functools
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

# What csv-writer writes: Sat Nov 21 2026 00:00:00 GMT+0800 (China Standard Time)
_SPELLED: Final = re.compile(
    r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) (\d{2}) (\d{4}) (\d{2}:\d{2}:\d{2}) GMT([+-])(\d{2})(\d{2})(?: \(.*\))?"
)
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_PLAIN: Final = re.compile(r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?)?(Z)?")
INVALID: Final = "Invalid Date"
# Days are counted from here in a sheet, as SheetJS does it.
_DAY_ZERO: Final = datetime.fromisoformat("1899-12-30")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Moment:
    """A moment as an old file has it.

    Attributes:
        wall: the reading of the clock; None where only the instant is written.
        instant: in milliseconds since 1970; None where no offset is written.
        step: microseconds between two moments that the text can tell apart.
    """

    wall: datetime | None
    instant: int | None
    step: int


@functools.lru_cache(maxsize=4096)
def read_old(text: str) -> Moment | None:
    """Read a moment of an old file; None if it is none."""
    try:
        if plain := _PLAIN.fullmatch(text):
            moment = datetime.fromisoformat(text)
            if plain[1]:
                return Moment(None, milliseconds(moment), 1000)
            return Moment(moment, None, 1)
        if spelled := _SPELLED.fullmatch(text):
            month, day, year, clock, sign, hours, minutes = spelled.groups()
            wall = datetime.fromisoformat(f"{year}-{_MONTHS.index(month) + 1:02}-{day}T{clock}")
            offset = timedelta(hours=int(hours), minutes=int(minutes)) * (-1 if sign == "-" else 1)
            return Moment(wall, milliseconds((wall - offset).replace(tzinfo=UTC)), 1_000_000)
    except (ValueError, OverflowError):
        pass
    return None


def milliseconds(moment: datetime) -> int:
    """Return the milliseconds since 1970, without what is finer."""
    return (moment - _EPOCH) // _MILLISECOND


@functools.lru_cache(maxsize=4096)
def as_javascript(wall: datetime, zone: ZoneInfo) -> int:
    """Return the instant that JavaScript takes a reading of its clock for, in milliseconds since 1970."""
    return milliseconds(wall.replace(tzinfo=zone).astimezone(UTC))


def of_serial(number: float) -> str | None:
    """Return the reading of the clock that a number of days stands for in a sheet; None if it is no date."""
    try:
        wall = _DAY_ZERO + timedelta(milliseconds=round(number * 86_400_000))
    except (OverflowError, ValueError):
        return None
    return wall.isoformat(timespec="milliseconds")


@functools.lru_cache(maxsize=256)
def sheet_errors(zone: ZoneInfo, year: int) -> tuple[int, ...]:
    """Return by how many seconds SheetJS may be late with a date, in such a zone and year.

    It counts from 1899, when clocks showed the sun's time, but takes that offset in whole minutes: 43 seconds in
    Shanghai. And it takes today's offset for all dates, which is an hour away in the other half of a year with summer
    time.
    """
    then = _DAY_ZERO.replace(tzinfo=zone).utcoffset() or timedelta(0)
    seconds = int(then.total_seconds())
    odd = abs(seconds) % 60 * (1 if seconds >= 0 else -1)
    year = min(max(year, 1901), 9998)
    halves = {datetime(year, month, 1, tzinfo=zone).utcoffset() or timedelta(0) for month in (1, 7)}
    summer = int((max(halves) - min(halves)).total_seconds())
    return tuple(sorted({each + hour for each in (0, odd) for hour in (0, summer, -summer)}))


def read_ours(text: str) -> datetime | None:
    """Read a date or time of ours; None for one that no calendar has."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment


def shown_date(day: date) -> str:
    """Return a date of ours as text."""
    return day.isoformat()
