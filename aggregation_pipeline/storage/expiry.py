"""Which windows of a table have expired, by its rule."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from aggregation_pipeline.config.file_names import StableNames
from aggregation_pipeline.errors import StorageError
from aggregation_pipeline.storage.window_names import window_day


@dataclass(frozen=True)
class RetentionRule:
    """How long one table's windows stay; with neither limit, for ever.

    `lasts`: a window named by its first day ages from its last. `keep_versions`: of each window, the one in force
    included; None for all. `names`: how its files come by their stable names.
    """

    table: str
    keep: timedelta | None = None
    keep_last: int | None = None
    lasts: timedelta = timedelta()
    keep_versions: int | None = 1
    names: StableNames = "copy"


def expired_windows(windows: Collection[str], rule: RetentionRule, *, now: datetime) -> list[str]:
    """Those of the windows that `rule` lets go: by their own date, not by when they were written, or by their number.

    With both limits, a window goes only when both let it go. The newest window always stays. StorageError for a limit
    that would keep nothing.
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
        for place, window in enumerate(sorted(windows, reverse=True))
        if place > 0
        and (keep_last is None or place >= keep_last)
        and (keep is None or _older(window, now, keep + rule.lasts))
    )


def _older(window: str, now: datetime, keep: timedelta) -> bool:
    day = window_day(window)
    return day is not None and now - datetime.combine(day, time(), now.tzinfo) > keep
