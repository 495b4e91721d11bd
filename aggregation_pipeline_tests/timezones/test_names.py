"""A time zone that is none is answered with the name that was meant, the same each time, or with no name at all."""

import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest

from aggregation_pipeline.config.loading import load_config
from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline.timezones.aliases import ALIASES, WELL_KNOWN, WINDOWS_NAMES
from aggregation_pipeline.timezones.names import checked_zone

SHANGHAI = (
    "+08:00",
    "+8",
    "8",
    "+0800",
    "GMT+8",
    "gmt +8",
    "GMT+0800",
    "GMT+8:00",
    "UTC+8",
    "UTC+08:00",
    "UTC＋8",
    "utc8",
    "Etc/UTC+8",
    "东八区",
    "东8区",
    "(UTC+08:00) Beijing, Chongqing, Hong Kong, Urumqi",
    "Beijing",
    "beijing time",
    "Peking",
    "北京",
    "北京时间",
    "中国标准时间",
    "China",
    "China Standard Time",
    "China Daylight Time",
    "CST",
    "Asia/Beijing",
    "Asia/Shenzhen",
    "prc",
    "asia/shanghai",
    "ASIA/SHANGHAI",
    "Asia-Shanghai",
    "GMT+0800 (China Standard Time)",
    "GMT+0800 (中国标准时间)",
    "Shanghai, China",
    "Shanghai",
    "Asia/Shanghia",
    "Asia/Bejing",
)


def hint(name: str) -> str:
    with pytest.raises(ValueError, match="an IANA time zone such as Asia/Shanghai is expected") as caught:
        checked_zone(name)
    return str(caught.value).partition(f"{name!r} is none")[2]


@pytest.mark.parametrize("name", SHANGHAI)
def test_what_people_in_china_write_is_answered_with_asia_shanghai(name):
    assert hint(name).startswith("; was Asia/Shanghai meant?")


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("+05:30", "Asia/Kolkata"),
        ("UTC+5:45", "Asia/Kathmandu"),
        ("GMT+9", "Asia/Tokyo"),
        ("-03:00", "America/Sao_Paulo"),
        ("UTC−9:30", "Pacific/Marquesas"),
        ("西十区", "Pacific/Honolulu"),
        ("+00:00", "UTC"),
        ("UTC+0", "UTC"),
        ("utc", "UTC"),
        ("New York", "America/New_York"),
        ("Berlin", "Europe/Berlin"),
        ("Europe/Berln", "Europe/Berlin"),
        ("Asia/London", "Europe/London"),
        ("Tokyo Standard Time", "Asia/Tokyo"),
        ("W. Europe Standard Time", "Europe/Berlin"),
        ("Pacific Daylight Time", "America/Los_Angeles"),
        ("GMT Standard Time", "Europe/London"),
        ("IST", "Asia/Kolkata"),
        ("BST", "Europe/London"),
        ("etc/gmt-8", "Etc/GMT-8"),
    ],
)
def test_other_spellings_are_answered_with_the_zone_that_was_meant(name, right):
    assert hint(name).startswith(f"; was {right} meant?")


def test_zones_that_have_an_offset_all_year_round_come_before_those_that_change_their_clocks():
    """Which zones those are changes with the law: Vancouver has one offset since tzdata of 2026."""
    said = hint("-07:00")
    found = re.fullmatch(
        r"; was (\S+) meant\? UTC-07:00 is the clock of (.*) all year round, and of (.*) at this time of the year", said
    )
    assert found is not None, said
    always, now = found[2].split(", "), found[3].split(", ")
    assert always[0] == found[1]
    assert "America/Phoenix" in always
    moments = [datetime(2030 + month // 12, month % 12 + 1, 15, tzinfo=UTC) for month in range(24)]
    for name in [*always, *now]:
        offsets = {moment.astimezone(ZoneInfo(name)).utcoffset() for moment in moments}
        assert (offsets == {timedelta(hours=-7)}) is (name in always), name


def test_an_abbreviation_of_several_zones_names_the_others():
    assert "Others with CST are Asia/Taipei, America/Chicago." in hint("CST")


@pytest.mark.parametrize(
    "name", ["", " ", "x", "nonsense", "Mars/Phobos", "🙂", "Etc/GMT+08", "Asia/", "/", "(", "2026-01-01"]
)
def test_where_nothing_is_near_there_is_no_hint(name):
    assert hint(name) == ""


def test_an_offset_that_no_zone_has_is_said():
    assert hint("+04:15") == "; no zone has UTC+04:15 now"


@pytest.mark.parametrize(
    "name", ["Etc/GMT-8", "Etc/GMT+8", "UTC", "PRC", "Asia/Shanghai", "America/Argentina/Buenos_Aires"]
)
def test_what_is_a_zone_stays_one(name):
    assert checked_zone(name) == name


def test_the_hint_is_the_same_in_every_process():
    code = (
        "import sys; from aggregation_pipeline.timezones.names import _hint; print([_hint(name) for name in"
        " sys.argv[1:]])"
    )
    command = [sys.executable, "-c", code, *SHANGHAI, "Asia/Shangha", "Amercia/New_York", "PST", "nonsense"]
    said = {
        subprocess.run(command, env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True).stdout
        for seed in ("1", "2", "3")
    }
    assert len(said) == 1


def test_every_name_that_a_hint_may_give_is_a_zone():
    assert {*WELL_KNOWN, *ALIASES.values(), *WINDOWS_NAMES.values()} <= available_timezones()
    assert ZoneInfo(ALIASES["beijing"]).key == "Asia/Shanghai"


@pytest.mark.parametrize("key", ["timezone: {}", "partition: {{column: d, every: day, start: 2026-01-01, {}: {}}}"])
def test_yaml_says_the_same_as_the_environment(tmp_path, key):
    places = (
        [key.format("GMT+8")]
        if key.startswith("t")
        else [key.format(name, "GMT+8") for name in ("timezone", "column_timezone")]
    )
    for place in places:
        path = tmp_path / "aggregation.yaml"
        path.write_text(f"tables: {{a: {{select_fields: [id], {place}}}}}\n", encoding="utf-8")
        with pytest.raises(
            ConfigError, match=r"timezone: an IANA time zone .* 'GMT\+8' is none; was Asia/Shanghai meant\?"
        ):
            load_config(path)


@pytest.mark.parametrize("name", ["localtime", "Factory", "local", "Local", "SYSTEM"])
def test_the_zone_of_whatever_machine_this_is_is_none(name):
    assert hint(name) == "; name a zone, so that every machine and server uses the same one"
