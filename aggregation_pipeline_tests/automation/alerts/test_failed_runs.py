"""Alerts about runs that failed, in Dagster's storage on PostgreSQL, into a real web server."""

from datetime import UTC, datetime, timedelta

import pytest
from dagster import AssetMaterialization, DagsterEventType, DagsterInstance, Definitions, asset

from aggregation_pipeline.alerts import detect_failed_runs as runs_module
from aggregation_pipeline.automation.alert_dispatcher import AlertCursor
from aggregation_pipeline.runs.tags import TICK_TAG
from aggregation_pipeline_tests.automation.alerts.sensor_runner import TABLES, SensorRunner, fail
from aggregation_pipeline_tests.support.runs import FakeTable, create, report, run


def test_an_alert_about_a_failed_table_has_its_owner_error_run_and_last_files_and_its_recovery_follows(
    runner: SensorRunner, instance: DagsterInstance
):
    good = "oss://shop/users/2026-11-20/manifest.json"
    instance.report_runless_asset_event(
        AssetMaterialization(["export", "users_manifest"], metadata={"dagster/uri": good})
    )
    run_id = fail(instance, ["users", "orders"])
    assert runner.titles() == ["[default] 2 failed: orders, 用户 users"]
    assert runner.summary.startswith("Tables of aggregation_alerts created; 2 new incidents")
    text = runner.sink.received[0].body["message"]
    assert "■ 用户 users (owner: team:shop)\n  ValueError: no such column\n" in text
    assert f"run: {run_id}" in text
    assert f"last good files: {good}" in text
    assert "second line" not in text
    assert runner.titles() == [], "once is enough"
    run(instance, [FakeTable("users")])
    assert runner.titles() == ["[default] 1 recovered: 用户 users"]
    assert runner.titles() == []


def test_runs_that_failed_before_the_first_tick_or_while_the_sensor_was_down_are_reported(
    runner: SensorRunner, instance: DagsterInstance
):
    fail(instance)
    assert runner.titles() == ["[default] 1 failed: 用户 users"]
    for _ in range(3):
        fail(instance, ["orders"])
    assert runner.titles() == ["[default] 1 failed: orders"]
    assert runner.sink.received[-1].body["message"].count("■ orders") == 3


def test_runs_that_fail_after_a_clock_that_was_ahead_are_reported(runner: SensorRunner, instance: DagsterInstance):
    runner.cursor = AlertCursor(datetime.now(UTC) + timedelta(days=30)).write()
    fail(instance)
    assert runner.titles() == ["[default] 1 failed: 用户 users"]


def test_only_the_last_attempt_of_a_run_is_reported(runner: SensorRunner, instance: DagsterInstance):
    first = fail(instance)
    instance.add_run_tags(first, {"dagster/will_retry": "true"})
    assert runner.titles() == []
    last = fail(instance)
    instance.add_run_tags(last, {"dagster/will_retry": "false"})
    instance.add_run_tags(first, {"dagster/auto_retry_run_id": last})
    assert runner.titles() == ["[default] 1 failed: 用户 users"]
    assert last in runner.sink.received[0].body["message"]
    assert first not in runner.sink.received[0].body["message"]


def test_a_retry_that_never_came_is_reported(
    runner: SensorRunner, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
):
    instance.add_run_tags(fail(instance), {"dagster/will_retry": "true"})
    assert runner.titles() == []
    monkeypatch.setattr(runs_module, "_RETRY_PATIENCE", timedelta(0))
    assert runner.titles() == ["[default] 1 failed: 用户 users"]


def test_a_run_that_died_without_a_step_failing_names_the_tables_that_it_did_not_finish(
    runner: SensorRunner, instance: DagsterInstance
):
    created = create(instance, [FakeTable("users")], DagsterEventType.RUN_START)
    report(instance, created, DagsterEventType.RUN_FAILURE, message="the worker is gone")
    assert runner.titles() == ["[default] 1 failed: 用户 users"]
    assert "the worker is gone" in runner.sink.received[0].body["message"]


def test_runs_of_other_peoples_assets_and_cancelled_runs_are_not_ours_to_tell(
    runner: SensorRunner, instance: DagsterInstance
):
    @asset
    def theirs() -> None:
        raise ValueError

    Definitions(assets=[theirs]).resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance, raise_on_error=False
    )
    create(instance, [FakeTable("users")], DagsterEventType.RUN_START, DagsterEventType.RUN_CANCELED)
    assert runner.titles() == []


def test_the_files_of_compat_node_that_were_not_written_are_told_and_recover(
    runner: SensorRunner, instance: DagsterInstance
):
    broken = [True]

    @asset(key=["node_files", "aggregate"])
    def write() -> None:
        if broken:
            raise ValueError("the store is full\nsecond line")

    # Whatever job writes them: that of the sensor, or the one that Dagster's page of the asset starts.
    job = Definitions(assets=[write]).resolve_implicit_global_asset_job_def()
    failed = job.execute_in_process(instance=instance, raise_on_error=False).run_id
    assert runner.titles() == ["[default] 1 failed: node_files/aggregate"]
    text = runner.sink.received[-1].body["message"]
    assert "ValueError: the store is full\n" in text
    assert f"run: {failed}" in text
    assert runner.titles() == [], "once is enough"
    broken.clear()
    job.execute_in_process(instance=instance)
    assert runner.titles() == ["[default] 1 recovered: node_files/aggregate"]


def test_a_look_that_runs_out_of_time_goes_on_from_there(
    runner: SensorRunner, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
):
    failed = {fail(instance) for _ in range(3)}
    found: set[str] = set()
    watermark, waiting = datetime.now(UTC) - timedelta(hours=1), sorted(failed)[:1]
    for _ in range(10):
        looks = iter([False])
        look = runs_module.detect_failed_runs(
            instance,
            watermark=watermark,
            waiting=waiting,
            known=lambda _ids: found,  # noqa: B023 - called at once
            foreign=set(),
            tables=TABLES,
            secrets=(),
            out_of_time=lambda looks=looks: next(looks, True),  # type: ignore[misc]
        )
        watermark, waiting = look.watermark, look.waiting
        found |= {incident.details.run_id or "" for incident in look.incidents}
    assert found == failed


def test_the_failed_runs_of_one_tick_are_one_message_once_the_tick_has_ended(
    runner: SensorRunner, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
):
    tick = {TICK_TAG: "aggregate 2026-11-20T18:00:00+00:00"}
    at_work = create(instance, [FakeTable("users")], DagsterEventType.RUN_START, tags=tick)
    for _ in range(2):
        fail(instance, ["orders"], tags=tick)
    # A tick of another day does not wait.
    fail(instance, ["users"], tags={TICK_TAG: "aggregate 2026-11-19T18:00:00+00:00"})
    assert runner.titles() == ["[default] 1 failed: 用户 users"]
    report(instance, at_work, DagsterEventType.RUN_FAILURE, message="the worker is gone")
    assert runner.titles() == ["[default] 2 failed: orders, 用户 users"]
    # Nobody waits for ever for a run that hangs.
    create(instance, [FakeTable("users")], DagsterEventType.RUN_START, tags=tick)
    fail(instance, ["orders"], tags=tick)
    assert runner.titles() == []
    monkeypatch.setattr(runs_module, "_TICK_PATIENCE", timedelta(0))
    assert runner.titles() == ["[default] 1 failed: orders"]
