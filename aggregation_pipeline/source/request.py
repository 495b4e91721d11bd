"""What is to be read from a source database, whatever kind it is of."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal
from zoneinfo import ZoneInfo

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.source.time_range import TimeRange

if TYPE_CHECKING:
    import pyarrow as pa

    from aggregation_pipeline.extract import Dataset, Extract

# What becomes of dates that no calendar has: NULL, an error, or text for the whole column.
ZeroDatesPolicy = Literal["null", "error", "text"]

# Called with the dataset's name, the rows read so far, and the rows expected in all (None: not known before the end).
Progress = Callable[[str, int, int | None], None]


class Arrivals:
    """Hears of an extract while it is read. This one ignores it all.

    No method may wait for anything: the snapshot would be open for longer.
    """

    def begin(self, extract: "Extract") -> None:
        """Take what is known before the first row; `extract` has no datasets yet."""

    def begin_dataset(self, dataset: "Dataset") -> None:
        """Take what is known before the dataset's first row: its name, schema, masks, SQL and order."""

    def add_group(self, rows: "pa.RecordBatch") -> None:
        """Take the next row group of the dataset that has begun. Another thread than the reading one calls."""

    def end_dataset(self, dataset: "Dataset") -> None:
        """Take the dataset as it is: its file is whole, and its rows are counted."""


NOBODY: Final = Arrivals()


def _ignore(_: str) -> None:
    """Let a text be."""


@dataclass(frozen=True)
class Listener:
    """Hears how a read goes; what a kind of source has no word of is left out.

    Attributes:
        progress: hears how many rows have come.
        warn: hears of what asks much of the server, or will not work for long.
        note: hears what cannot be known here and is worth saying once.
        part: hears which part of the table, such as a shard, the rows are of that come from now on.
        arrivals: is handed the rows while they are read.
    """

    progress: Progress = lambda _dataset, _done, _total: None
    warn: Callable[[str], None] = _ignore
    note: Callable[[str], None] = _ignore
    part: Callable[[str], None] = _ignore
    arrivals: Arrivals = NOBODY


SILENT: Final = Listener()


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
