"""UTC offsets of zones, and the local times of a column of instants."""

from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from aggregation_pipeline.timezones.wall_clock import format_offset, offsets_of, to_wall_clock, utc_offset

BERLIN = ZoneInfo("Europe/Berlin")
# The moment at which clocks go forward.
SUMMER = datetime(2026, 3, 29, 1, tzinfo=UTC)


def test_the_offset_of_each_instant_is_the_one_that_its_zone_has_then():
    seconds = [int(SUMMER.timestamp()) + shift for shift in (-1, 0)]
    assert offsets_of(BERLIN).at(pa.array(seconds).to_numpy()).tolist() == [3600, 7200]
    assert [utc_offset(BERLIN, datetime.fromtimestamp(second, UTC)) for second in seconds] == [3600, 7200]


def test_an_offset_is_constant_only_between_two_changes_of_the_clock():
    second = int(SUMMER.timestamp())
    offsets = offsets_of(BERLIN)
    assert offsets.constant_between(second, second + 86_400) == 7200
    assert offsets.constant_between(second - 1, second) is None


# Each has kept an offset for less than a week.
@pytest.mark.parametrize("name", ["America/Recife", "Asia/Gaza"])
def test_no_change_of_the_clock_is_missed(name: str):
    zone = ZoneInfo(name)
    changes = [
        after
        for before, after in pairwise(datetime.fromtimestamp(day * 86_400, zone) for day in range(25_000))
        if before.utcoffset() != after.utcoffset()
    ]
    starts = offsets_of(zone).starts.tolist()[1 : len(changes) + 1]
    assert all(0 <= change.timestamp() - start < 86_400 for change, start in zip(changes, starts, strict=True))


def test_local_times_keep_microseconds_and_nulls():
    instants = [datetime(2026, 3, 29, 1, 0, 0, 7, tzinfo=UTC), None]
    local, offsets = to_wall_clock(pa.array(instants, pa.timestamp("us", "Europe/Berlin")))
    assert [str(value) for value in local.to_pylist()] == ["2026-03-29 03:00:00.000007", "None"]
    assert offsets[0] == 7200


@pytest.mark.parametrize("name", ["America/New_York", "Africa/Freetown", "Asia/Shanghai", "Europe/Dublin"])
def test_local_times_of_all_years_are_those_of_the_zone(name: str):
    zone = ZoneInfo(name)
    years = {*range(1, 10_000, 7), *range(1840, 2200), 1939, 9999}
    instants = [datetime(year, month, 2, 12, tzinfo=UTC) for year in years for month in (1, 6, 9)]
    local, offsets = to_wall_clock(pa.array(instants, pa.timestamp("us", name)))
    assert local.to_pylist() == [instant.astimezone(zone).replace(tzinfo=None) for instant in instants]
    assert offsets.tolist() == [utc_offset(zone, instant) for instant in instants]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "+00:00"), (28_800, "+08:00"), (-12_600, "-03:30"), (-2670, "-00:44:30")]
)
def test_an_offset_is_written_as_mysql_and_iso_8601_write_it(seconds: int, text: str):
    assert format_offset(seconds) == text
