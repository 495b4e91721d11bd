"""What a schedule missed is made good, and what is the schedule's is left to it."""

from datetime import UTC, datetime, timedelta

from dagster import (
    AssetMaterialization,
    AssetSelection,
    DagsterInstance,
    DailyPartitionsDefinition,
    asset,
    evaluate_automation_conditions,
)

from aggregation_pipeline.assets.partitions import catch_up_condition


@asset(partitions_def=DailyPartitionsDefinition("2026-11-01"), automation_condition=catch_up_condition("4d"))
def table() -> None: ...


ONLY = AssetSelection.assets(table)


def test_a_tick_that_was_missed_as_well_goes_first_whichever_day_it_stands_for():
    """After midnight and before that day's tick it does not stand for the newest."""
    moment = datetime(2026, 11, 11, 0, 30, tzinfo=UTC)
    with DagsterInstance.ephemeral() as instance:
        first = evaluate_automation_conditions([table], instance, asset_selection=ONLY, evaluation_time=moment)
        assert first.total_requested == 0
        instance.report_runless_asset_event(AssetMaterialization(table.key, partition="2026-11-09"))
        later = moment + timedelta(seconds=30)
        second = evaluate_automation_conditions([table], instance, asset_selection=ONLY, evaluation_time=later, cursor=first.cursor)
        assert second.get_requested_partitions(table.key) == {"2026-11-07", "2026-11-08"}
