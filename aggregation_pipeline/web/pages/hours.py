"""Today's batches as a grid: a line for each table, a field for each hour."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from aggregation_pipeline.batch_jobs.buckets import Counts
from aggregation_pipeline.overview.history import Hours

# More lines than these are shown only to those who ask for all.
LINES: Final = 25
_MOST_LINES: Final = 1000
_LABEL_EVERY: Final = 3
# The weightiest first: of an hour with several, it is the one that shows.
Kind = Literal["failed", "open", "skipped", "other", "completed"]
KINDS: Final[tuple[Kind, ...]] = ("failed", "open", "skipped", "other", "completed")


@dataclass(frozen=True)
class Field:
    """An hour with a batch. `x` and `width` are in percent."""

    hour: int
    x: float
    width: float
    kind: Kind
    counts: Counts


@dataclass(frozen=True)
class Line:
    """A table, or all of them together, which has no name."""

    name: str | None
    fields: Mapping[int, Field]
    kinds: Mapping[Kind, int]


@dataclass(frozen=True)
class Grid:
    """The grid.

    Attributes:
        hours: the number of each hour on the clock.
        labels: (x in percent, hour) of those that are named.
        kinds: those that are there.
        lines: the first is of all tables.
        left_out: how many tables are not shown.
        now: how far the day is, in percent; None if it is over.
    """

    hours: Sequence[int]
    labels: Sequence[tuple[float, int]]
    kinds: Sequence[Kind]
    lines: Sequence[Line]
    left_out: int
    now: float | None


def grid(hours: Hours, now: datetime, *, whole: bool) -> Grid:
    """Return the grid: tables with failures first, then those that run, then the rest by name."""
    wide = 100 / len(hours.starts)
    lines = sorted(
        (_line(name, counts, wide) for name, counts in hours.tables.items()),
        key=lambda line: (min((KINDS.index(kind) for kind in line.kinds), default=len(KINDS)), line.name),
    )
    shown = lines[: _MOST_LINES if whole else LINES]
    past = (now - hours.starts[0]) / (hours.end - hours.starts[0])
    first = _line(None, hours.totals, wide)
    there = set(first.kinds).union(*(line.kinds for line in shown))
    return Grid(
        hours=[start.hour for start in hours.starts],
        labels=[
            (round(number * wide, 2), start.hour)
            for number, start in enumerate(hours.starts)
            if start.hour % _LABEL_EVERY == 0
        ],
        kinds=[kind for kind in KINDS if kind in there],
        lines=[first, *shown],
        left_out=len(lines) - len(shown),
        now=round(past * 100, 2) if 0 <= past < 1 else None,
    )


def _line(name: str | None, counts: Mapping[int, Counts], wide: float) -> Line:
    fields = {
        hour: Field(hour, round(hour * wide, 2), round(wide, 2), kind, found)
        for hour, found in sorted(counts.items())
        if (kind := next((each for each in KINDS if getattr(found, each)), None)) is not None
    }
    totals = {kind: sum(getattr(found, kind) for found in counts.values()) for kind in KINDS}
    return Line(name, fields, {kind: number for kind, number in totals.items() if number})
