"""UTC offsets of time zones, and local times of whole columns of instants.

Arrow could do this only where the machine has a time zone database of its own, and it knows no offsets with seconds.
Python's zoneinfo is the only authority here: it decides windows, files, and whether a server's own zone tables are
right.
"""

import functools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

# The range of a TIMESTAMP: from 1970 to 2038, since MariaDB 11.5 to 2106.
FIRST_SECOND: Final = 0
LAST_SECOND: Final = 2**32 - 1
# No zone has ever kept an offset for a shorter time than this, in seconds; the shortest was a week less an hour.
SHORTEST_OFFSET: Final = 6 * 86_400
# PostgreSQL's instants reach further. Clocks differed from the sun's only after 1844, and once for four days alone
# (Freetown, 1939). After 400 years the calendar repeats itself, and with it the rules of the last announced change.
_FIRST_CHANGE: Final = -4_000_000_000
_SHORTEST_EVER: Final = 3 * 86_400
_CYCLE: Final = 146_097 * 86_400
_MICRO: Final = 1_000_000

Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Offsets:
    """The UTC offsets of a zone in seconds: `seconds[i]` is valid from `starts[i]` on, `seconds[0]` also before."""

    starts: Int64Array
    seconds: Int64Array

    def at(self, instants: Int64Array) -> Int64Array:
        """The offset at each instant; both of shape (n,), instants in seconds since 1970."""
        return self.seconds[np.searchsorted(self.starts, instants, side="right") - 1]

    def constant_between(self, first: int, last: int) -> int | None:
        """The offset from `first` to `last`, both included; None if it changes between them."""
        low, high = np.searchsorted(self.starts, [first, last], side="right")
        found = np.unique(self.seconds[low - 1 : high])
        return int(found[0]) if len(found) == 1 else None


@functools.lru_cache(maxsize=64)
def offsets_of(zone: ZoneInfo) -> Offsets:
    """All offsets of a zone from 1970 to 2106."""
    return _offsets_between(zone, FIRST_SECOND, LAST_SECOND, SHORTEST_OFFSET)


@functools.lru_cache(maxsize=8)
def _all_offsets_of(zone: ZoneInfo) -> Offsets:
    """All offsets of a zone, until they repeat themselves: a fifth of a second."""
    return _offsets_between(zone, _FIRST_CHANGE, LAST_SECOND + _CYCLE, _SHORTEST_EVER)


def _offsets_between(zone: ZoneInfo, first: int, last: int, step: int) -> Offsets:
    """All offsets from `first` to `last`, each of which is kept for `step` or longer; all in seconds."""
    starts, seconds = [-(2**62)], [_offset(zone, first)]
    for instant in range(first + step, last + step, step):
        if (offset := _offset(zone, instant)) != seconds[-1]:
            starts.append(_first_with(zone, offset, instant - step, instant))
            seconds.append(offset)
    return Offsets(np.array(starts, np.int64), np.array(seconds, np.int64))


def _offsets_at(zone: ZoneInfo, instants: Int64Array) -> Int64Array:
    """The offset at each instant, of whatever year; both of shape (n,), in seconds."""
    if not len(instants) or (instants.min() >= FIRST_SECOND and instants.max() <= LAST_SECOND):
        return offsets_of(zone).at(instants)
    repeated = LAST_SECOND + (instants - LAST_SECOND) % _CYCLE
    return _all_offsets_of(zone).at(np.where(instants > LAST_SECOND, repeated, instants))


def _offset(zone: ZoneInfo, instant: int) -> int:
    offset = datetime.fromtimestamp(instant, zone).utcoffset() or timedelta()
    return int(offset.total_seconds())


def _first_with(zone: ZoneInfo, offset: int, before: int, after: int) -> int:
    """The first second after `before` that has the offset, which `after` has."""
    while after - before > 1:
        middle = (before + after) // 2
        before, after = (before, middle) if _offset(zone, middle) == offset else (middle, after)
    return after


def to_wall_clock(column: pa.Array) -> tuple[pa.Array, Int64Array]:
    """The local times of a column of instants, and their UTC offsets.

    Args:
        column: timestamp[us] with a zone, shape (n,).

    Returns:
        timestamp[us] without a zone; and the offsets in seconds, shape (n,), that of 1970 for NULL.
    """
    instants = pc.fill_null(column.cast(pa.int64()), 0).to_numpy()
    offsets = _offsets_at(ZoneInfo(column.type.tz), instants // _MICRO)
    nulls = column.is_null().to_numpy(zero_copy_only=False) if column.null_count else None
    return pa.array(instants + offsets * _MICRO, pa.int64(), mask=nulls).view(pa.timestamp("us")), offsets


def format_offset(seconds: int) -> str:
    """A UTC offset as MySQL, Arrow and ISO 8601 write it: `+08:00`; that of Liberia in 1970 is `-00:44:30`."""
    minutes, rest = divmod(abs(seconds), 60)
    sign = "-" if seconds < 0 else "+"
    return f"{sign}{minutes // 60:02d}:{minutes % 60:02d}" + (f":{rest:02d}" if rest else "")


def utc_offset(zone: ZoneInfo, moment: datetime) -> int:
    """The UTC offset of a zone at a moment, in seconds."""
    return _offset(zone, int(moment.astimezone(UTC).timestamp()))
