"""Alerts about tables that are late."""

from datetime import UTC, datetime, timedelta
from typing import Any

from dagster import AssetKey, DagsterInstance, Definitions, FreshnessPolicy, asset
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange

from aggregation_pipeline_tests.automation.alerts.sensor_runner import SensorRunner
from aggregation_pipeline_tests.support.sink import Sink


def turn(instance: DagsterInstance, state: FreshnessState) -> None:
    change = FreshnessStateChange(
        key=AssetKey(["aggregation", "users"]),
        previous_state=FreshnessState.UNKNOWN,
        new_state=state,
        state_change_timestamp=datetime.now(UTC).timestamp(),
    )
    instance._report_runless_asset_event(change)


def test_a_late_table_is_reported_once_a_deadline_and_when_it_is_fresh_again(
    instance: DagsterInstance, postgres: Any, sink: Sink
):
    yesterday = (datetime.now(UTC) - timedelta(hours=2)).strftime("%M %H * * *")

    @asset(
        key=["aggregation", "users"],
        freshness_policy=FreshnessPolicy.cron(deadline_cron=yesterday, lower_bound_delta=timedelta(hours=1)),
    )
    def users() -> None: ...

    runner = SensorRunner(instance, postgres.fresh_database(), sink, Definitions(assets=[users]))
    assert runner.titles() == []
    turn(instance, FreshnessState.FAIL)
    assert runner.titles() == ["[default] 1 late: 用户 users"]
    assert "due by: 20" in sink.received[0].body["message"]
    assert runner.titles() == []
    turn(instance, FreshnessState.PASS)
    assert runner.titles() == ["[default] 1 recovered: 用户 users"]
