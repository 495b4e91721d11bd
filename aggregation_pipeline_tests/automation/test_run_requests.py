"""Which windows are asked for is decided once, for ticks, commands and `plan` alike."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from aggregation_pipeline.assets.partitions import partitions_of
from aggregation_pipeline.automation.job_groups import Group
from aggregation_pipeline.automation.run_requests import (
    LaunchSpec,
    at_tick,
    by_hand,
    describe_request,
    last_tick,
    over_range,
)
from aggregation_pipeline.config.partitions import Backfill, Partition
from aggregation_pipeline.runs.tags import WINDOW_TAG

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
def test_a_time_between_ticks_is_told_with_what_it_takes(group: Group, moment: str, words: str):
    asked = at_tick(group, at(moment))
    assert asked is not None
    assert describe_request(group, at(moment), asked) == words
