"""Instants and what the clocks of a time zone show at them, for whole columns.

Arrow can do this too, but only where the machine has a time zone database of its own, and it knows no offset with
seconds. Python's zoneinfo is the one authority here: what it says decides windows, files and whether a server's own
tables may be trusted.
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

# What a TIMESTAMP can hold: from 1970 to 2038, on MariaDB from 11.5 on to 2106.
FIRST_SECOND: Final = 0
LAST_SECOND: Final = 2**32 - 1
_DAY: Final = 86_400
_MICRO: Final = 1_000_000

Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Offsets:
    """The offsets of a zone from UTC, in seconds: `seconds[i]` holds from `starts[i]` on, the first from ever."""

    starts: Int64Array
    seconds: Int64Array

    def at(self, instants: Int64Array) -> Int64Array:
        """The offset at each instant; shape (n,), instants in seconds since 1970."""
        return self.seconds[np.searchsorted(self.starts, instants, side="right") - 1]

    def constant_between(self, first: int, last: int) -> int | None:
        """The one offset that holds from `first` to `last`, both included; None where there are several."""
        low, high = np.searchsorted(self.starts, [first, last], side="right")
        found = np.unique(self.seconds[low - 1 : high])
        return int(found[0]) if len(found) == 1 else None


@functools.lru_cache(maxsize=64)
def offsets_of(zone: ZoneInfo) -> Offsets:
    """All offsets of a zone from 1970 to 2106."""
    starts, seconds = [-(2**62)], [_offset(zone, FIRST_SECOND)]
    # No zone changes its clock twice within a day.
    for day in range(_DAY, LAST_SECOND + _DAY, _DAY):
        if (offset := _offset(zone, day)) != seconds[-1]:
            starts.append(_first_with(zone, offset, day - _DAY, day))
            seconds.append(offset)
    return Offsets(np.array(starts, np.int64), np.array(seconds, np.int64))


def _offset(zone: ZoneInfo, instant: int) -> int:
    offset = datetime.fromtimestamp(instant, zone).utcoffset() or timedelta()
    return int(offset.total_seconds())


def _first_with(zone: ZoneInfo, offset: int, before: int, after: int) -> int:
    """The first second after `before` that has the offset; `after` is one."""
    while after - before > 1:
        middle = (before + after) // 2
        before, after = (before, middle) if _offset(zone, middle) == offset else (middle, after)
    return after


def to_wall_clock(column: pa.Array) -> tuple[pa.Array, Int64Array]:
    """What the clocks of the column's zone show, and the offsets from UTC in seconds.

    Args:
        column: timestamp[us] with a zone, shape (n,).

    Returns:
        timestamp[us] without a zone, and an array of shape (n,) of offsets, 0 for NULL.
    """
    instants = pc.fill_null(column.cast(pa.int64()), 0).to_numpy()
    offsets = offsets_of(ZoneInfo(column.type.tz)).at(instants // _MICRO)
    nulls = column.is_null().to_numpy(zero_copy_only=False) if column.null_count else None
    return pa.array(instants + offsets * _MICRO, pa.int64(), mask=nulls).view(pa.timestamp("us")), offsets


def format_offset(seconds: int) -> str:
    """An offset from UTC as MySQL, Arrow and ISO 8601 write it: `+08:00`; Liberia's of 1970 is `-00:44:30`."""
    minutes, rest = divmod(abs(seconds), 60)
    sign = "-" if seconds < 0 else "+"
    return f"{sign}{minutes // 60:02d}:{minutes % 60:02d}" + (f":{rest:02d}" if rest else "")


def utc_offset(zone: ZoneInfo, moment: datetime) -> int:
    """The offset of a zone from UTC at a moment, in seconds."""
    return _offset(zone, int(moment.astimezone(UTC).timestamp()))
