"""Alerts about data checks that failed."""

from typing import Any

from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetKey,
    AssetSelection,
    DagsterInstance,
    Definitions,
    asset,
    asset_check,
    define_asset_job,
    in_process_executor,
)

from aggregation_pipeline_tests.automation.alerts.sensor_runner import SensorRunner
from aggregation_pipeline_tests.support.runs import report_check
from aggregation_pipeline_tests.support.sink import Sink


def checked(*, passed: bool, severity: AssetCheckSeverity = AssetCheckSeverity.ERROR) -> Definitions:
    @asset(key=["aggregation", "users"])
    def users() -> None: ...

    @asset_check(asset=users, name="not_empty")
    def not_empty() -> AssetCheckResult:
        return AssetCheckResult(passed=passed, severity=severity, description="0 rows, ada@example.com among them")

    return Definitions(assets=[users], asset_checks=[not_empty], executor=in_process_executor)


def judge(instance: DagsterInstance, **how: Any) -> None:
    checked(**how).resolve_implicit_global_asset_job_def().execute_in_process(instance=instance)


def test_a_failed_check_is_reported_even_when_the_next_one_passed_before_the_tick(
    instance: DagsterInstance, postgres: Any, sink: Sink
):
    runner = SensorRunner(instance, postgres.fresh_database(), sink, checked(passed=True))
    judge(instance, passed=False)
    judge(instance, passed=True)
    assert runner.titles() == [
        "[default] 1 data checks failed: 用户 users",
        "[default] 1 recovered: 用户 users",
    ]
    text = sink.received[0].body["message"]
    assert "check: not_empty" in text
    assert "ada@" not in text
    assert runner.titles() == []


def test_a_check_that_is_executed_alone_on_what_was_there_already_is_no_recovery(
    instance: DagsterInstance, postgres: Any, sink: Sink
):
    runner = SensorRunner(instance, postgres.fresh_database(), sink, checked(passed=True))
    judge(instance, passed=False)
    assert runner.titles() == ["[default] 1 data checks failed: 用户 users"]
    alone = define_asset_job("alone", selection=AssetSelection.checks_for_assets(AssetKey(["aggregation", "users"])))
    definitions = Definitions.merge(checked(passed=True), Definitions(jobs=[alone]))
    assert definitions.resolve_job_def("alone").execute_in_process(instance=instance).success
    assert runner.titles() == []
    judge(instance, passed=True)
    assert runner.titles() == ["[default] 1 recovered: 用户 users"]


def test_a_partition_recovers_when_it_passes_itself_whatever_others_do(
    instance: DagsterInstance, postgres: Any, sink: Sink
):
    def report(day: int, *, passed: bool) -> None:
        key = AssetKey(["aggregation", "users"])
        report_check(instance, key, "not_empty", f"2026-10-{day:02}", passed=passed)

    runner = SensorRunner(instance, postgres.fresh_database(), sink, checked(passed=True))
    report(1, passed=False)
    report(2, passed=False)
    # More than one run's worth of other days.
    for day in range(3, 30):
        report(day, passed=True)
    assert runner.titles() == ["[default] 2 data checks failed: 用户 users"]
    assert "2026-10-01" in sink.received[-1].body["message"]
    report(2, passed=True)
    assert runner.titles() == ["[default] 1 recovered: 用户 users"]
    report(3, passed=True)
    assert runner.titles() == []
    report(1, passed=True)
    assert runner.titles() == ["[default] 1 recovered: 用户 users"]


def test_a_check_with_severity_warn_is_reported_only_with_alert_on_warn(
    instance: DagsterInstance, postgres: Any, sink: Sink
):
    judge(instance, passed=False, severity=AssetCheckSeverity.WARN)
    assert SensorRunner(instance, postgres.fresh_database(), sink, checked(passed=True)).titles() == []
    asked = SensorRunner(
        instance, postgres.fresh_database(), sink, checked(passed=True), alert_on_warn=True, alert_language="zh"
    )
    assert asked.titles() == ["[default] 1 项数据检查未通过：用户 users"]
