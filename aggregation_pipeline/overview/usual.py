"""The range that a figure usually has."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import quantiles
from typing import Final

# With fewer values nothing is called usual.
LEAST: Final = 7


@dataclass(frozen=True)
class Usual:
    """The median and the quartiles of a figure over the days before today that had a completed batch.

    About half of these days lay between `low` and `high`. Quartiles are those of Excel's QUARTILE.INC.

    Attributes:
        low: the first quartile.
        high: the third quartile.
        days: of how many days, at least LEAST.
    """

    low: float
    median: float
    high: float
    days: int


def usual(values: Sequence[float]) -> Usual | None:
    """Return the range of these values; None for fewer than LEAST."""
    if len(values) < LEAST:
        return None
    low, median, high = quantiles(values, n=4, method="inclusive")
    return Usual(low, median, high, len(values))
