"""Where the parts of a picture are. Across, in percent of its width, so that text keeps its size; down, in pixels."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

from aggregation_pipeline.batch_jobs.buckets import Counts
from aggregation_pipeline.overview.history import Day
from aggregation_pipeline.overview.usual import Usual

HEIGHT: Final = 120
# Of the width of a day, what its bar takes.
_BAR: Final = 0.72
_LABEL_EVERY: Final = 7
Unit = Literal["count", "seconds"]
# Lengths of time whose halves are easy to read too.
_ROUND_SECONDS: Final = (2, 10, 20, 60, 120, 240, 600, 1200, 3600, 7200, 14_400, 28_800, 43_200, 86_400)
# From the bottom to the top of a bar.
_STATES: Final = ("completed", "skipped", "other", "open", "failed")


@dataclass(frozen=True)
class Bar:
    """A rectangle. `kind` is its class, as `failed`."""

    x: float
    width: float
    y: float
    height: float
    kind: str


@dataclass(frozen=True)
class Column:
    """A day: the whole height, its bars, and the figures that it shows when somebody points at it."""

    x: float
    width: float
    date: date
    counts: Counts
    bars: Sequence[Bar]


@dataclass(frozen=True)
class Chart:
    """A bar for each day.

    Attributes:
        unit: of the values.
        ticks: (y, value) of lines.
        labels: (x of the end of a day, its date).
        band: (y, height) of the usual range.
        median: its y.
    """

    columns: Sequence[Column]
    unit: Unit
    ticks: Sequence[tuple[float, float]]
    labels: Sequence[tuple[float, date]]
    band: tuple[float, float] | None = None
    median: float | None = None


@dataclass(frozen=True)
class History:
    """Three pictures of the same days, and the days.

    Attributes:
        kinds: the parts of `batches` that are there.
    """

    days: Sequence[Day]
    kinds: Sequence[str]
    batches: Chart
    rows: Chart
    seconds: Chart
    usual_rows: Usual | None
    usual_seconds: Usual | None


def history(days: Sequence[Day], usual_rows: Usual | None, usual_seconds: Usual | None) -> History | None:
    """Return the pictures of these days; None without days."""
    if not days:
        return None
    counts = [day.counts for day in days]
    kinds = [kind for kind in _STATES if any(getattr(each, kind) for each in counts)] or ["completed"]
    return History(
        days,
        kinds,
        _chart(days, kinds, [[getattr(each, kind) for kind in kinds] for each in counts], "count"),
        _chart(days, ["amount"], [[each.rows] for each in counts], "count", usual_rows),
        _chart(days, ["amount"], [[each.seconds] for each in counts], "seconds", usual_seconds),
        usual_rows,
        usual_seconds,
    )


def _chart(
    days: Sequence[Day],
    kinds: Sequence[str],
    values: Sequence[Sequence[float]],
    unit: Unit,
    usual: Usual | None = None,
) -> Chart:
    """Return a picture. `values`: for each day, one value of each kind, which lie above each other from the bottom."""
    greatest = max([*map(sum, values), usual.high if usual else 0.0])
    top = _top_seconds(greatest) if unit == "seconds" else nice_top(greatest)
    pixels, wide, last = HEIGHT / top, 100 / len(days), len(days) - 1
    return Chart(
        columns=[
            Column(
                round(x, 2), round(wide, 2), day.date, day.counts, _bars(x, wide, zip(kinds, own, strict=True), pixels)
            )
            for number, (day, own) in enumerate(zip(days, values, strict=True))
            for x in [number * wide]
        ],
        unit=unit,
        ticks=[(round(HEIGHT - value * pixels, 2), value) for value in (top, top / 2)],
        labels=[
            (round((number + 1) * wide, 2), day.date)
            for number, day in enumerate(days)
            if (last - number) % _LABEL_EVERY == 0
        ],
        band=None
        if usual is None
        else (round(HEIGHT - usual.high * pixels, 2), round(max(1.0, (usual.high - usual.low) * pixels), 2)),
        median=None if usual is None else round(HEIGHT - usual.median * pixels, 2),
    )


def _bars(x: float, wide: float, values: Iterable[tuple[str, float]], pixels: float) -> Sequence[Bar]:
    bars, y = [], float(HEIGHT)
    for kind, value in values:
        if value:
            # One failure among a thousand successes is still seen.
            height = max(value * pixels, 2.0)
            y = max(0.0, y - height)
            bars.append(
                Bar(round(x + wide * (1 - _BAR) / 2, 2), round(wide * _BAR, 2), round(y, 2), round(height, 2), kind)
            )
    return bars


def nice_top(value: float) -> float:
    """Return a round number that is not less: 2, 4, 10, 20 ... so that its half is one too."""
    if value <= 2:
        return 2.0
    power = 10.0 ** math.floor(math.log10(value))
    steps = (1, 1.2, 1.6, 2, 3, 4, 5, 6, 8) if power > 1 else (2, 4, 6, 8)
    return next((step * power for step in steps if step * power >= value), 10 * power)


def _top_seconds(value: float) -> float:
    return next((float(each) for each in _ROUND_SECONDS if each >= value), nice_top(value / 86_400) * 86_400)
