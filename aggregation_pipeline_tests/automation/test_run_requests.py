"""Which windows are asked for is decided once, for ticks, commands and `plan` alike."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from aggregation_pipeline.assets.configured_table import ConfiguredTable
from aggregation_pipeline.assets.partitions import partitions_of
from aggregation_pipeline.automation.job_groups import Group
from aggregation_pipeline.automation.run_requests import (
    Launch,
    LaunchSpec,
    at_tick,
    backfill_launches,
    by_hand,
    describe_launch,
    last_tick,
    launches,
    over_range,
    windows_of,
)
from aggregation_pipeline.config.partitions import Backfill, Partition
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline.runs.tags import WINDOW_TAG
from aggregation_pipeline.source.options import SourceOptions

ZONE = ZoneInfo("Asia/Shanghai")
DAYS = partitions_of(Partition(column="t", every="day", start="2026-11-01"), ZONE)
NIGHTLY = Group("aggregate", (), ("0 2 * * *",), ZONE, None)
DAILY = Group("aggregate_daily", (), ("0 2 * * *",), ZONE, DAYS)
BY_HAND = Group("aggregate_by_hand", (), (), ZONE, None)
BETWEEN = "2026-11-20 05:00 (Asia/Shanghai)"


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+08:00")


def test_a_tick_and_a_hand_ask_for_the_same_partition_and_a_hand_for_no_ticks_window():
    assert at_tick(DAILY, at("2026-11-20T02:00")) == by_hand(DAILY, at("2026-11-20T02:00")) == LaunchSpec("2026-11-19")
    assert at_tick(DAILY, at("2026-11-01T02:00")) is by_hand(DAILY, at("2026-11-01T02:00")) is None, (
        "no day is over yet"
    )
    tick = at_tick(NIGHTLY, at("2026-11-20T02:00"))
    assert tick is not None
    assert tick.tags[WINDOW_TAG] == "2026-11-20"
    assert by_hand(NIGHTLY, at("2026-11-20T02:00")) == LaunchSpec()


@pytest.mark.parametrize(("each", "runs"), [(1, 3), (2, 2), ("all", 1)])
def test_a_backfill_asks_for_as_many_runs_as_the_entry_says(each: int | str, runs: int):
    asked = over_range(
        "orders", DAYS, Backfill.model_validate({"partitions_per_run": each}), "2026-11-03", "2026-11-05"
    )
    assert len(asked) == runs
    told = [one.partition or tuple(one.tags.values()) for one in asked]
    assert (
        told[0][0] if isinstance(told[0], tuple) else told[0],
        told[-1][-1] if isinstance(told[-1], tuple) else told[-1],
    ) == (
        "2026-11-03",
        "2026-11-05",
    )


@pytest.mark.parametrize(
    ("moment", "last"), [("20T02:00", "20T02:00"), ("20T01:59", "19T02:00"), ("20T05:00", "20T02:00")]
)
def test_the_last_tick_is_the_one_at_that_time_or_before_it(moment: str, last: str):
    assert last_tick(NIGHTLY, at(f"2026-11-{moment}")) == at(f"2026-11-{last}")
    assert last_tick(BY_HAND, at(f"2026-11-{moment}")) is None


@pytest.mark.parametrize(
    ("group", "moment", "words"),
    [
        (NIGHTLY, "2026-11-20T02:00", "aggregate: the tick of 2026-11-20 02:00, the window 2026-11-20"),
        (DAILY, "2026-11-20T02:00", "aggregate_daily: the tick of 2026-11-20 02:00, the partition 2026-11-19"),
        (
            NIGHTLY,
            "2026-11-20T05:00",
            (
                f"aggregate: the window 2026-11-20, as of {BETWEEN}; no tick is then, its schedule's last tick was"
                " 2026-11-20 02:00"
            ),
        ),
        (
            BY_HAND,
            "2026-11-20T05:00",
            f"aggregate_by_hand: the window 2026-11-20T0500, as of {BETWEEN}; no tick is then, it has no schedule",
        ),
    ],
)
def test_a_moment_between_ticks_is_described_with_the_window_that_it_takes(group: Group, moment: str, words: str):
    asked = at_tick(group, at(moment))
    assert asked is not None
    assert describe_launch(Launch(group, (), asked), at(moment)) == words


def table(name: str, partition: Partition | None = None) -> ConfiguredTable:
    entry = TableEntry(name=name, partition=partition)
    partitions = None if partition is None else partitions_of(partition, ZONE)
    return ConfiguredTable(entry, ["csv"], lambda: SourceOptions("shop", "root"), "shop", ZONE, partitions)


def partition(start: str) -> Partition:
    return Partition(column="t", every="day", start=start)


WHOLE, DAY, LATER = table("whole"), table("day", partition("2026-11-01")), table("later", partition("2026-12-01"))
GROUPS = (
    Group("aggregate", (WHOLE,), ("0 2 * * *",), ZONE, None),
    *(Group(f"aggregate_{each.entry.name}", (each,), ("0 2 * * *",), ZONE, each.partitions) for each in (DAY, LATER)),
)


def test_a_command_starts_one_run_a_group_and_names_the_tables_that_have_no_partition_yet():
    now = at("2026-11-20T05:00")
    found = launches(GROUPS, None, now=now)
    assert [(launch.names, launch.spec) for launch in found.runs] == [
        (["whole"], LaunchSpec()),
        (["day"], LaunchSpec("2026-11-19")),
    ]
    assert [each.entry.name for each in found.waiting] == ["later"]
    assert [launch.names for launch in launches(GROUPS, ["day"], now=now).runs] == [["day"]]
    (night,) = launches(GROUPS, ["whole"], now=now, tick=at("2026-11-18T02:00")).runs
    assert night.spec.tags[WINDOW_TAG] == "2026-11-18"
    with pytest.raises(ConfigError, match=r"^later: no partition is complete yet; partition.start says where"):
        launches(GROUPS, ["later"], now=now).require_any()


def test_the_windows_of_a_launch_are_known_before_it_runs():
    now = at("2026-11-20T05:00")
    windows = [
        windows_of(table, launch.spec, now)
        for launch in launches(GROUPS, None, now=now).runs
        for table in launch.tables
    ]
    assert [[window.name for window in each] for each in windows] == [["2026-11-20T0500"], ["2026-11-19"]]
    (night,) = launches(GROUPS, ["whole"], now=now, tick=at("2026-11-18T02:00")).runs
    assert [window.name for window in windows_of(WHOLE, night.spec, now)] == ["2026-11-18"]


def test_a_backfill_belongs_to_the_job_of_its_table_and_needs_partitions():
    first, *others = backfill_launches(GROUPS, "day", "2026-11-03", "2026-11-05")
    assert (first.group.name, first.names) == ("aggregate_day", ["day"])
    assert {launch.group.name for launch in others} <= {"aggregate_day"}
    with pytest.raises(ConfigError, match="table 'whole' has no partition in the configuration, so there is nothing"):
        backfill_launches(GROUPS, "whole", "2026-11-03", "2026-11-05")
