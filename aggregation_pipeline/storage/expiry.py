"""Which windows of a table have expired, by its retention rule."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from aggregation_pipeline.config.file_names import StableNames
from aggregation_pipeline.config.partitions import Every
from aggregation_pipeline.errors import StorageError
from aggregation_pipeline.storage.window_names import window_day


@dataclass(frozen=True)
class RetentionRule:
    """How long one table's windows stay; without `keep` and `keep_last`, for ever.

    Attributes:
        keep: the age at which windows go.
        keep_last: how many of the newest windows stay.
        every: how long the windows of a partitioned table are; None for a table without partition.
        keep_versions: how many versions of each window stay, the one in force included; None for all.
        names: how its files come by their stable names.
    """

    table: str
    keep: timedelta | None = None
    keep_last: int | None = None
    every: Every | None = None
    keep_versions: int | None = 1
    names: StableNames = "copy"


def expired_windows(windows: Collection[str], rule: RetentionRule, *, now: datetime) -> list[str]:
    """Return the windows that `rule` lets go, oldest first; the newest window always stays.

    Age goes by the window's name, not by when it was written. With both limits, a window goes only when both let it go.
    `now` is in the time zone of the windows.

    Raises:
        StorageError: a limit would keep nothing.
    """
    keep, keep_last = rule.keep, rule.keep_last
    if (keep_last is not None and keep_last < 1) or (keep is not None and keep <= timedelta()):
        raise StorageError(
            f"Table {rule.table!r}: keep and keep_last have to leave something: a time above 0, a number from 1."
        )
    if keep is None and keep_last is None:
        return []
    return sorted(
        window
        for newer_windows, window in enumerate(sorted(windows, reverse=True))
        if newer_windows > 0
        and (keep_last is None or newer_windows >= keep_last)
        and (keep is None or _is_older(window, keep, rule.every, now))
    )


def _is_older(window: str, keep: timedelta, every: Every | None, now: datetime) -> bool:
    day = window_day(window)
    return day is not None and now - datetime.combine(_ages_from(day, every), time(), now.tzinfo) > keep


def _ages_from(day: date, every: Every | None) -> date:
    """Return the day from which a window ages: weeks and months from their end, days and hours from their own date."""
    if every == "week":
        return day + timedelta(weeks=1)
    if every == "month":
        return (day.replace(day=1) + timedelta(days=31)).replace(day=1)
    return day
