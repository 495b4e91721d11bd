"""Batches counted by day and by hour, for all tables and for each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

# So many days are shown, today among them.
DAYS: Final = 30


@dataclass(frozen=True)
class Counts:
    """Batches, or the parts of batches that belong to one table, that were created in a time.

    Attributes:
        skipped: of a table only: its batch ended without it.
        open: those that run or wait.
        other: with a status of another program's.
        rows: of both datasets, of those that have ended. `total_items` where a row has no more exact number.
        seconds: of batches, from start to end, of those that have ended. Of a table, of its windows.
        bytes: of the files; 0 for rows of other programs, which do not say.
    """

    completed: int = 0
    failed: int = 0
    skipped: int = 0
    open: int = 0
    other: int = 0
    rows: int = 0
    seconds: float = 0.0
    bytes: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.completed + self.failed + self.skipped + self.open + self.other


@dataclass(frozen=True)
class Day:
    """One day of the project's clock. `counts` are of batches; `start` and `end` are its first and last+1 moment."""

    date: date
    start: datetime
    end: datetime
    counts: Counts


@dataclass(frozen=True)
class Hours:
    """A day's batches by table and hour.

    Attributes:
        starts: when each hour begins, in the project's zone: 24 of them, 23 or 25 when the clock changes. With an hour
            that the clock repeats, two have the same number.
        tables: by table, its counts by the index of the hour; hours and tables without a batch are missing. A name is
            an entry's, or what a row of another program has in `platforms_processed`.
        totals: of batches, by the index of the hour.
    """

    date: date
    starts: Sequence[datetime]
    end: datetime
    tables: Mapping[str, Mapping[int, Counts]]
    totals: Mapping[int, Counts]
