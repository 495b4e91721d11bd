"""Partition arithmetic: whatever the zone, each moment and each row belongs to exactly one window."""

import itertools
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from aggregation_pipeline.assets.partitions import keys_between, newest_complete, partitions_of, time_range_of
from aggregation_pipeline.config.partitions import Partition
from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline.source.clock import Clock
from aggregation_pipeline.source.mysql.partition_condition import time_range_condition
from aggregation_pipeline.source.time_range import TimeRange, wall_time
from aggregation_pipeline.timezones.wall_clock import offsets_of

# Without DST, with it, by half an hour, by two hours, at midnight, and across the date line.
ZONES = (
    "Asia/Shanghai",
    "UTC",
    "America/New_York",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "Antarctica/Troll",
    "Africa/Cairo",
    "Asia/Kathmandu",
    "Pacific/Auckland",
)
NEW_YORK = ZoneInfo("America/New_York")
UTC_CLOCK = Clock(ZoneInfo("UTC"), 0)
# hypothesis wants them without a zone.
FIRST, LAST = datetime(2024, 1, 1), datetime(2026, 12, 31)  # noqa: DTZ001
zones = st.sampled_from(ZONES).map(ZoneInfo)
moments = st.datetimes(FIRST, LAST, timezones=st.just(UTC)).map(lambda m: m.replace(microsecond=0))


def windows(
    every: str, zone: ZoneInfo, around: datetime, column_zone: str | None = None, **keys: object
) -> list[TimeRange]:
    """The windows of a few days around a moment."""
    first = (around - timedelta(days=3)).astimezone(zone).date()
    partition = Partition.model_validate(
        {"column": "t", "every": every, "start": str(first), "column_timezone": column_zone, **keys}
    )
    definition = partitions_of(partition, zone)
    found = definition.get_partition_keys(current_time=around + timedelta(days={"week": 24, "month": 95}.get(every, 3)))
    return [time_range_of(partition, definition, key) for key in found]


@given(st.sampled_from(["hour", "day", "week", "month"]), zones, zones, moments)
def test_windows_follow_each_other_without_gap_or_overlap_on_the_world_clock_and_on_the_wall(
    every, zone, column_zone, moment
):
    assume(every != "hour" or zone.key != "Australia/Lord_Howe")
    found = windows(every, zone, moment, column_zone.key)
    assert len(found) >= 2
    assert len({window.key for window in found}) == len(found)
    for one, following in itertools.pairwise(found):
        assert one.start < one.end == following.start
        assert wall_time(one.start, column_zone) <= wall_time(one.end, column_zone)


def test_hours_are_refused_where_a_clock_is_put_forward_by_half_an_hour():
    for zone, moment in (
        ("Australia/Lord_Howe", datetime(2025, 6, 1, tzinfo=UTC)),
        ("America/Caracas", datetime(2016, 4, 1, tzinfo=UTC)),
    ):
        with pytest.raises(ConfigError, match=rf"{zone}.*UTC, or every: day"):
            windows("hour", ZoneInfo(zone), moment)
    assert windows("hour", ZoneInfo("America/Caracas"), datetime(2025, 6, 1, tzinfo=UTC))


@given(zones, moments)
def test_a_window_that_is_over_gets_no_more_rows(zone, moment):
    boundary = wall_time(moment, zone)
    later = (moment + timedelta(minutes=step) for step in range(0, 240, 7))
    assert all(instant.astimezone(zone).replace(tzinfo=None) >= boundary for instant in later)


@given(zones, moments)
def test_a_day_goes_from_midnight_to_midnight_however_long_it_is(zone, moment):
    for window in windows("day", zone, moment):
        day = date.fromisoformat(window.key)
        for instant, expected in ((window.start, day), (window.end, day + timedelta(days=1))):
            local = instant.astimezone(zone)
            # Where the clock is set forward at midnight, the day begins at one.
            assert local.date() == expected
            assert local.time() <= time(1)


@given(zones, moments)
def test_a_month_goes_from_the_first_to_the_first(zone, moment):
    found = windows("month", zone, moment)
    assert all(window.key.endswith("-01") for window in found)
    assert all(window.start.astimezone(zone).day == window.end.astimezone(zone).day == 1 for window in found)


@given(zones, moments)
def test_weeks_begin_on_monday_unless_told(zone, moment):
    assert {date.fromisoformat(window.key).weekday() for window in windows("week", zone, moment)} == {0}
    assert {
        date.fromisoformat(window.key).weekday() for window in windows("week", zone, moment, week_start="sunday")
    } == {6}


@given(st.sampled_from(["hour", "day", "week", "month"]), zones, moments)
def test_the_newest_complete_partition_is_over(every, zone, moment):
    assume(every != "hour" or zone.key != "Australia/Lord_Howe")
    partition = Partition(column="t", every=every, start="2023-01-01")
    definition = partitions_of(partition, zone)
    key = newest_complete(definition, moment)
    assert key is not None
    window = time_range_of(partition, definition, key)
    assert window.end <= moment < window.end + (window.end - window.start) + timedelta(days=4)


def test_an_hour_that_comes_twice_is_read_when_it_is_over_for_good():
    found = {
        window.key: window
        for window in windows("hour", ZoneInfo("America/New_York"), datetime(2026, 11, 1, 6, tzinfo=UTC))
    }
    assert (
        time_range_condition(found["2026-11-01-01:00"], "t", "datetime", UTC_CLOCK)
        == "`t`.`t` >= '2026-11-01 01:00:00' AND `t`.`t` < '2026-11-01 01:00:00'"
    )
    assert (
        time_range_condition(found["2026-11-01-01:00-0500"], "t", "datetime", UTC_CLOCK)
        == "`t`.`t` >= '2026-11-01 01:00:00' AND `t`.`t` < '2026-11-01 02:00:00'"
    )


def test_a_column_in_utc_is_cut_by_the_days_of_the_zone():
    (window,) = [
        w
        for w in windows("day", ZoneInfo("Asia/Shanghai"), datetime(2026, 11, 20, tzinfo=UTC), "UTC")
        if w.key == "2026-11-20"
    ]
    assert (
        time_range_condition(window, "orders", "datetime", UTC_CLOCK)
        == "`orders`.`t` >= '2026-11-19 16:00:00' AND `orders`.`t` < '2026-11-20 16:00:00'"
    )


def test_a_timestamp_is_compared_in_the_zone_of_the_session():
    (window,) = [
        w
        for w in windows("day", ZoneInfo("America/New_York"), datetime(2026, 11, 1, tzinfo=UTC))
        if w.key == "2026-11-01"
    ]
    # The day has 25 hours: it begins at -4 and ends at -5, and the session is at -5 all the time.
    assert time_range_condition(window, "t", "timestamp", Clock(NEW_YORK, -5 * 3600)) == (
        "`t`.`t` >= '2026-10-31 23:00:00' AND `t`.`t` < '2026-11-02 00:00:00'"
    )


FIRST_DAY, LAST_DAY = date(2020, 1, 1), date(2035, 12, 31)


def days_outside_of_their_own_window(zone: ZoneInfo, *, all_days: bool) -> list[date]:
    """Days of a DATE column that are not in the window called after them, those around each change of the clock, or
    all.
    """
    partition = Partition(column="d", every="day", start=FIRST_DAY.isoformat())
    definition = partitions_of(partition, zone)
    changes = [
        datetime.fromtimestamp(start, UTC).date()
        for start in offsets_of(zone).starts
        if 1_577_000_000 < start < 2_082_000_000
    ]
    near = {change + timedelta(days=step) for change in changes for step in range(-2, 3)}
    days = [FIRST_DAY + timedelta(days=step) for step in range((LAST_DAY - FIRST_DAY).days + 1)]
    return [
        day
        for day in days
        if (all_days or day in near)
        and time_range_condition(time_range_of(partition, definition, day.isoformat()), "t", "date", UTC_CLOCK)
        != f"`t`.`d` >= '{day}' AND `t`.`d` < '{day + timedelta(days=1)}'"
    ]


@pytest.mark.parametrize(
    "zone", [*ZONES, "America/Havana", "America/Santiago", "Asia/Beirut", "America/Scoresbysund", "America/St_Johns"]
)
def test_each_date_is_in_the_window_of_its_own_day(zone):
    assert days_outside_of_their_own_window(ZoneInfo(zone), all_days=False) == []


@pytest.mark.slow
@pytest.mark.soak
def test_each_date_of_sixteen_years_is_in_the_window_of_its_own_day_in_every_zone():
    distinct = {}
    for name in sorted(available_timezones()):
        offsets = offsets_of(ZoneInfo(name))
        late = offsets.starts > 1_577_000_000
        distinct[
            (tuple(offsets.starts[late]), tuple(offsets.seconds[late]), int(offsets.at(np.array([1_577_000_000]))[0]))
        ] = name
    assert len(distinct) > 50
    assert {
        name: days
        for name in distinct.values()
        if (days := days_outside_of_their_own_window(ZoneInfo(name), all_days=True))
    } == {}


def test_an_end_offset_adds_the_window_under_way_or_holds_back_the_newest():
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    newest = {
        offset: newest_complete(
            partitions_of(Partition(column="t", every="day", start="2026-01-01", end_offset=offset), ZoneInfo("UTC")),
            now,
        )
        for offset in (-1, 0, 1)
    }
    assert newest == {-1: "2026-11-18", 0: "2026-11-19", 1: "2026-11-20"}


def test_a_range_takes_both_ends_and_a_date_stands_for_all_its_hours():
    hours = partitions_of(Partition(column="t", every="hour", start="2026-01-01"), ZoneInfo("UTC"))
    assert len(keys_between("orders", hours, "2026-01-02", "2026-01-03")) == 48
    days = partitions_of(Partition(column="t", every="day", start="2026-01-01"), ZoneInfo("UTC"))
    assert keys_between("orders", days, "2026-01-30", "2026-02-01") == ["2026-01-30", "2026-01-31", "2026-02-01"]


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        ("2025-01-01", "2026-01-02", "has no partition '2025-01-01': its partitions go from 2026-01-01 to"),
        ("2026-01-05", "2026-01-02", "no partition lies between 2026-01-05 and 2026-01-02"),
    ],
)
def test_a_range_outside_of_the_partitions_is_refused_with_what_there_is(first, last, words):
    days = partitions_of(Partition(column="t", every="day", start="2026-01-01"), ZoneInfo("UTC"))
    with pytest.raises(ConfigError, match=words):
        keys_between("orders", days, first, last)
