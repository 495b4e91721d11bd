"""What a schedule missed is made good, and what is the schedule's is left to it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from dagster import (
    AssetMaterialization,
    AssetSelection,
    DagsterInstance,
    DailyPartitionsDefinition,
    EvaluateAutomationConditionsResult,
    asset,
    evaluate_automation_conditions,
)

from aggregation_pipeline.assets.partitions import catch_up_condition


@asset(partitions_def=DailyPartitionsDefinition("2026-11-01"), automation_condition=catch_up_condition("4d"))
def table() -> None: ...


Looked = EvaluateAutomationConditionsResult


def look(
    instance: DagsterInstance, moment: datetime, before: Looked | None = None, *, assets: Sequence[Any] = (table,)
) -> Looked:
    only = AssetSelection.assets(*assets)
    cursor = before.cursor if before else None
    return evaluate_automation_conditions(
        list(assets), instance, asset_selection=only, evaluation_time=moment, cursor=cursor
    )


def test_a_new_deployment_makes_good_what_it_missed_itself_and_nothing_before():
    start = datetime(2026, 11, 7, 12, tzinfo=UTC)
    with DagsterInstance.ephemeral() as instance:
        seen = look(instance, start)
        for step in range(1, 4):
            seen = look(instance, start + timedelta(seconds=30 * step), seen)
            assert seen.total_requested == 0, "six days and more that nobody asked for"
        # Down from that noon on.
        later = datetime(2026, 11, 11, 12, tzinfo=UTC)
        seen = look(instance, later, seen)
        seen = look(instance, later + timedelta(seconds=30), seen)
        assert seen.get_requested_partitions(table.key) == {"2026-11-07", "2026-11-08", "2026-11-09"}


def test_a_longer_catch_up_and_a_table_that_comes_later_do_not_reach_back_before_their_first_look():
    @asset(key=table.key, partitions_def=table.partitions_def, automation_condition=catch_up_condition("30d"))
    def longer() -> None: ...

    @asset(partitions_def=table.partitions_def, automation_condition=catch_up_condition("30d"))
    def new() -> None: ...

    start, later = datetime(2026, 11, 7, 12, tzinfo=UTC), datetime(2026, 11, 11, 12, tzinfo=UTC)
    with DagsterInstance.ephemeral() as instance:
        seen = look(instance, later, look(instance, start), assets=[longer, new])
        seen = look(instance, later + timedelta(seconds=30), seen, assets=[longer, new])
        assert seen.get_requested_partitions(table.key) == {"2026-11-07", "2026-11-08", "2026-11-09"}
        assert seen.get_num_requested(new.key) == 0
        later += timedelta(days=3)
        seen = look(instance, later, seen, assets=[longer, new])
        seen = look(instance, later + timedelta(seconds=30), seen, assets=[longer, new])
        assert seen.get_requested_partitions(new.key) == {"2026-11-11", "2026-11-12"}


def test_a_missed_tick_of_the_schedule_goes_first_whichever_day_it_has():
    """After midnight and before that day's tick it does not stand for the newest."""
    moment = datetime(2026, 11, 11, 0, 30, tzinfo=UTC)
    with DagsterInstance.ephemeral() as instance:
        first = look(instance, moment, look(instance, datetime(2026, 11, 7, 12, tzinfo=UTC)))
        assert first.total_requested == 0
        instance.report_runless_asset_event(AssetMaterialization(table.key, partition="2026-11-09"))
        later = moment + timedelta(seconds=30)
        second = look(instance, later, first)
        assert second.get_requested_partitions(table.key) == {"2026-11-07", "2026-11-08"}
