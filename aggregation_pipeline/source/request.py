"""What is to be read from a source database, whatever kind it is of."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.source.time_range import TimeRange

# What becomes of dates that no calendar has: NULL, an error, or text for the whole column.
ZeroDatesPolicy = Literal["null", "error", "text"]

# Called with the dataset's name, the rows read so far, and the rows expected in all (None: not known before the end).
Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class ReadRequest:
    """One entry and one window to read, as of one logical time.

    Attributes:
        window: the window's name.
        logical_time: what `NOW()` returns.
        zone: whose clock shows instants in the files.
        zero_dates: what becomes of dates that no calendar has.
        partition: which rows belong to the window; None reads the whole table.
    """

    entry: TableEntry
    window: str
    logical_time: datetime
    zone: ZoneInfo
    zero_dates: ZeroDatesPolicy = "null"
    partition: TimeRange | None = None
