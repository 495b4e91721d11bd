"""Alerts about entries of `aggregation.yaml` that cannot be used."""

from typing import Any

from dagster import DagsterInstance

from aggregation_pipeline.alerts.incidents import MonitoredTable
from aggregation_pipeline_tests.automation.alerts.sensor_runner import TABLES, SensorRunner
from aggregation_pipeline_tests.support.sink import Sink


def test_an_entry_that_cannot_be_used_is_reported_once_and_again_when_it_works(
    instance: DagsterInstance, postgres: Any, sink: Sink
):
    url = postgres.fresh_database()
    words = (
        "tables.users in aggregation.yaml cannot be used, 1 issue:\naggregation.yaml:3:5: tables.users.limt:"
        " unknown key"
    )
    broken = {**TABLES, "users": MonitoredTable("用户 users", ("team:shop",), words)}
    runner = SensorRunner(instance, url, sink, tables=broken)
    assert runner.titles() == ["[default] 1 cannot be used as configured: 用户 users"]
    assert "aggregation.yaml:3:5: tables.users.limt: unknown key" in sink.received[-1].body["message"]
    for _ in range(2):
        assert runner.titles() == []
    assert SensorRunner(instance, url, sink, tables=broken).titles() == [], "another code server with the same file"
    assert SensorRunner(instance, url, sink).titles() == ["[default] 1 recovered: 用户 users"]
    assert len(SensorRunner(instance, url, sink, tables=broken).titles()) == 1, "the same mistake again"
