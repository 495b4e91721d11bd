"""Days and hours of clocks that change, and what is usual."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregation_pipeline.overview.days import end_of, hours_of, last_days, start_of
from aggregation_pipeline.overview.usual import LEAST, Usual, usual

HOUR = timedelta(hours=1)
ZONES = ("UTC", "Asia/Shanghai", "Europe/Berlin", "America/Havana", "Africa/Cairo", "Australia/Lord_Howe",
         "Asia/Kathmandu", "Pacific/Apia", "America/Santiago")  # fmt: skip


@pytest.mark.parametrize(
    ("zone", "day", "hours", "first"),
    [
        ("Asia/Shanghai", "2026-11-20", 24, "2026-11-20T00:00:00+08:00"),
        ("Europe/Berlin", "2026-03-29", 23, "2026-03-29T00:00:00+01:00"),
        ("Europe/Berlin", "2026-10-25", 25, "2026-10-25T00:00:00+02:00"),
        # Midnight is skipped here, and repeated there.
        ("Africa/Cairo", "2026-04-24", 23, "2026-04-24T01:00:00+03:00"),
        ("America/Havana", "2024-11-03", 25, "2024-11-03T00:00:00-04:00"),
        # The clock changes by half an hour: the last hour is half a one.
        ("Australia/Lord_Howe", "2026-10-04", 24, "2026-10-04T00:00:00+10:30"),
        ("Australia/Lord_Howe", "2026-04-05", 25, "2026-04-05T00:00:00+11:00"),
    ],
)
def test_a_day_has_the_hours_of_its_clock(zone: str, day: str, hours: int, first: str):
    found = hours_of(date.fromisoformat(day), ZoneInfo(zone))
    assert len(found) == hours
    assert found[0].astimezone(ZoneInfo(zone)).isoformat() == first


def test_an_hour_that_the_clock_repeats_comes_twice():
    berlin = ZoneInfo("Europe/Berlin")
    found = [hour.astimezone(berlin).hour for hour in hours_of(date(2026, 10, 25), berlin)]
    assert found[:5] == [0, 1, 2, 2, 3]


def test_a_day_that_never_was_has_no_hours():
    assert hours_of(date(2011, 12, 30), ZoneInfo("Pacific/Apia")) == []


@given(zone=st.sampled_from(ZONES), hour=st.integers(0, 24 * 365 * 110))
def test_days_follow_each_other_and_today_holds_now(zone: str, hour: int):
    here, now = ZoneInfo(zone), datetime(1990, 1, 1, tzinfo=UTC) + hour * HOUR
    days = last_days(now, here, 5)
    assert start_of(days[-1], here) <= now < end_of(days[-1], here)
    for one, other in pairwise(days):
        assert end_of(one, here) == start_of(other, here)
    for day in days:
        starts = [*hours_of(day, here), end_of(day, here)]
        assert starts[0] == start_of(day, here)
        assert all(timedelta() < later - earlier <= HOUR for earlier, later in pairwise(starts))


def test_the_usual_range_is_of_enough_days():
    assert usual([]) is None
    assert usual([1.0] * (LEAST - 1)) is None
    assert usual([float(number) for number in range(1, 9)]) == Usual(low=2.75, median=4.5, high=6.25, days=8)


@given(st.lists(st.floats(0, 1e15), min_size=LEAST))
def test_about_half_of_the_days_lie_in_the_usual_range(values: list[float]):
    found = usual(values)
    assert found is not None
    assert min(values) <= found.low <= found.median <= found.high <= max(values)
    # Up to the last digit: a quartile may lie between two values.
    slack = 1e-9 * max(values)
    assert sum(found.low - slack <= value <= found.high + slack for value in values) * 2 >= len(values) - 2
