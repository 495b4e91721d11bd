"""Which windows have expired, by age and by number."""

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from aggregation_pipeline.config.partitions import Every
from aggregation_pipeline.errors import StorageError
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.expiry import RetentionRule, expired_windows
from aggregation_pipeline.storage.published import (
    published_windows,
)
from aggregation_pipeline_tests.storage.retaining import DAYS, NOW, OLD, put, swept


def windows(store: ObjectStore, **limits: Any) -> list[str]:
    there = [window for _, window in published_windows(store, "daily", "orders")]
    return expired_windows(there, RetentionRule("orders", **limits), now=NOW)


def test_windows_expire_by_age_by_number_and_by_both(filled: ObjectStore):
    assert windows(filled) == []
    assert windows(filled, keep=timedelta(days=90)) == [OLD]
    assert windows(filled, keep_last=2) == [OLD, "2026-11-18"]
    assert windows(filled, keep=timedelta(days=90), keep_last=2) == [OLD]
    assert windows(filled, keep=timedelta(hours=1)) == list(DAYS[:3])  # the newest stays


@pytest.mark.parametrize(
    ("every", "windows", "last_day"),
    [
        ("week", ["2026-02-23", "2026-03-02"], date(2026, 3, 12)),
        ("month", ["2026-02-01", "2026-03-01"], date(2026, 3, 11)),
        ("month", ["2028-02-01", "2028-03-01"], date(2028, 3, 11)),
        ("month", ["2026-12-01", "2027-01-01"], date(2027, 1, 11)),
        ("day", ["2026-03-01", "2026-03-02"], date(2026, 3, 11)),
    ],
)
def test_weeks_and_months_age_from_their_end_and_days_from_their_date(
    store: ObjectStore, tmp_path: Path, every: Every, windows: list[str], last_day: date
):
    for window in windows:
        put(store, tmp_path, window)
    rule = RetentionRule("orders", keep=timedelta(days=10), every=every)
    stays_until = datetime.combine(last_day, time(), UTC)

    def gone(now: datetime) -> list[str]:
        return [each.window for each in swept(store, rule, now=now, dry_run=True).windows]

    assert gone(stays_until) == []
    assert gone(stays_until + timedelta(seconds=1)) == windows[:1]


def test_minutes_and_hours_of_a_day_age_with_it():
    there = ["2026-10-31T1400", "2026-10-31-14:00", "2026-10-31", "2026-11-20"]
    assert expired_windows(there, RetentionRule("t", keep=timedelta(days=15)), now=NOW) == sorted(there[:3])
    assert expired_windows(there, RetentionRule("t", keep=timedelta(days=21)), now=NOW) == []


@pytest.mark.parametrize("limits", [{"keep_last": 0}, {"keep": timedelta()}])
def test_limits_that_would_keep_nothing_are_refused(filled: ObjectStore, limits: dict[str, object]):
    with pytest.raises(StorageError, match="have to leave something"):
        windows(filled, **limits)
