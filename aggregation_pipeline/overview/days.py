"""Days and hours of a zone's clock, as moments."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

# So many days are shown, today among them.
DAYS: Final = 30
_HOUR: Final = timedelta(hours=1)


def last_days(now: datetime, zone: ZoneInfo, number: int = DAYS) -> Sequence[date]:
    """Return the last days, today last."""
    today = now.astimezone(zone).date()
    return [today - timedelta(days=back) for back in range(number - 1, -1, -1)]


def start_of(day: date, zone: ZoneInfo) -> datetime:
    """Return the first moment of a day, in UTC.

    Where the clock skips midnight it is the moment of the change; where it repeats midnight, the first of the two.
    """
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def end_of(day: date, zone: ZoneInfo) -> datetime:
    """Return the first moment of the day after, in UTC."""
    return start_of(day + timedelta(days=1), zone)


def hours_of(day: date, zone: ZoneInfo) -> Sequence[datetime]:
    """Return when each hour of a day begins, in UTC: 23 to 25 of them, the last one shorter in a few zones."""
    start, end = start_of(day, zone), end_of(day, zone)
    return [start + _HOUR * number for number in range(-((start - end) // _HOUR))]
