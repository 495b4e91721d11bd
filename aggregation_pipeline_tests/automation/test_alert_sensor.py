"""The sensor `alerts` on real runs, checks, freshness and ticks, in Dagster's storage on PostgreSQL, into a real web
server.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetKey,
    AssetMaterialization,
    AssetSelection,
    DagsterEventType,
    DagsterInstance,
    DefaultSensorStatus,
    Definitions,
    FreshnessPolicy,
    SensorEvaluationContext,
    asset,
    asset_check,
    define_asset_job,
    in_process_executor,
)
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange
from dagster._core.definitions.sensor_definition import SensorType
from dagster._core.remote_origin import RemoteInstigatorOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster_shared.error import SerializableErrorInfo

from aggregation_pipeline.alerts import detect_failed_runs as runs_module
from aggregation_pipeline.alerts.incidents import MonitoredTable
from aggregation_pipeline.automation import alert_dispatcher
from aggregation_pipeline.automation.alert_dispatcher import AlertCursor
from aggregation_pipeline.automation.alert_sensor import build_alert_sensors
from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.runs import ORIGIN, FakeTable, create, open_instance, report, run
from aggregation_pipeline_tests.support.sink import Sink, new_sink

TABLES = {"users": MonitoredTable("用户 users", ("team:shop",)), "orders": MonitoredTable("orders", ())}
DOWN = "postgresql://ada:secret@127.0.0.1:1/shop"


@pytest.fixture(scope="module")
def storage(postgres: Any) -> Iterator[DagsterInstance]:
    with open_instance(postgres.fresh_database()) as opened:
        yield opened


@pytest.fixture
def instance(storage: DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> DagsterInstance:
    storage.wipe()
    storage.wipe_all_schedules()
    monkeypatch.setattr(runs_module, "_UNDECIDED", timedelta(0))
    return storage


@pytest.fixture
def sink() -> Iterator[Sink]:
    with new_sink().serving() as serving:
        yield serving


class SensorRunner:
    """The sensor of one deployment, and a clock that a test moves."""

    def __init__(
        self, instance: DagsterInstance, url: str, sink: Sink, definitions: Definitions | None = None, **variables: Any
    ) -> None:
        tables = variables.pop("tables", TABLES)
        self.instance, self.url, self.sink = instance, url, sink
        self.cursor: str | None = None
        settings = Settings(batch_jobs_url=url, alert_urls=sink.webhook, alert_window_seconds=5, **variables)
        (self.sensor,) = build_alert_sensors(settings, tables)
        self.repository = (definitions or Definitions()).get_repository_def()

    def tick(self) -> str:
        here: Any = {"repository_name": ORIGIN.repository_name, "code_location_origin": ORIGIN.code_location_origin}
        with SensorEvaluationContext(
            None,
            cursor=self.cursor,
            instance=self.instance,
            sensor_name="alerts",
            repository_def=self.repository,
            **here,
        ) as context:
            result = self.sensor.evaluate_tick(context)
        self.cursor = result.cursor
        return str(result.skip_message)

    def later(self) -> None:
        """Let an hour pass: windows close and pauses end."""
        with sa.create_engine(self.url).begin() as connection:
            connection.execute(sa.text("UPDATE aggregation_alerts.causes SET found_at = found_at - interval '1 hour'"))
            connection.execute(sa.text("UPDATE aggregation_alerts.deliveries SET due_at = now() - interval '1 second'"))

    def titles(self) -> list[str]:
        """Evaluate ticks until nothing more is delivered; returns the titles of the messages."""
        before = len(self.sink.received)
        self.summary = self.tick()
        if "0 new incidents, 0 recovered; 0 messages made, 0 delivered" not in self.summary:
            for _ in range(2):
                self.later()
                self.tick()
        return [request.body["title"] for request in self.sink.received[before:]]


@pytest.fixture
def runner(instance: DagsterInstance, postgres: Any, sink: Sink) -> SensorRunner:
    return SensorRunner(instance, postgres.fresh_database(), sink)


def boom(_context: Any) -> None:
    raise ValueError("no such column\nsecond line")


def fail(instance: DagsterInstance, segments: Sequence[str] = ("users",)) -> str:
    return run(instance, [FakeTable(segment, action=boom) for segment in segments])


def test_without_addresses_there_is_no_sensor_and_with_them_building_needs_no_server():
    assert build_alert_sensors(Settings(batch_jobs_url=DOWN), TABLES) == []
    (sensor,) = build_alert_sensors(Settings(batch_jobs_url=DOWN, alert_urls="wecombot://k"), TABLES)
    assert (sensor.name, sensor.default_status) == ("alerts", DefaultSensorStatus.RUNNING)


def test_a_wrong_address_is_refused_when_loading():
    with pytest.raises(SettingsError, match="ALERT_URLS cannot be used: entry 1"):
        build_alert_sensors(Settings(batch_jobs_url=DOWN, alert_urls="nonsense://x"), TABLES)


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


def test_a_check_with_severity_warn_is_reported_only_with_alert_on_warn(
    instance: DagsterInstance, postgres: Any, sink: Sink
):
    judge(instance, passed=False, severity=AssetCheckSeverity.WARN)
    assert SensorRunner(instance, postgres.fresh_database(), sink, checked(passed=True)).titles() == []
    asked = SensorRunner(
        instance, postgres.fresh_database(), sink, checked(passed=True), alert_on_warn=True, alert_language="zh"
    )
    assert asked.titles() == ["[default] 1 项数据检查未通过：用户 users"]


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


class FakeDaemon:
    """Ticks of a sensor of ours, as the daemon stores them."""

    def __init__(self, instance: DagsterInstance, name: str, cursor: str | None = None) -> None:
        self.instance, self.clock = instance, datetime.now(UTC).timestamp() - 300
        data = SensorInstigatorData(min_interval=10, cursor=cursor, sensor_type=SensorType.STANDARD)
        origin = RemoteInstigatorOrigin(ORIGIN, name)
        self.state = instance.add_instigator_state(
            InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.DECLARED_IN_CODE, data)
        )

    def tick(self, *, ok: bool) -> None:
        self.clock += 10
        error = None if ok else SerializableErrorInfo("MirrorError: refused\n", [], "MirrorError")
        self.instance.create_tick(
            TickData(
                instigator_origin_id=self.state.instigator_origin_id,
                instigator_name=self.state.instigator_name,
                instigator_type=InstigatorType.SENSOR,
                status=TickStatus.SKIPPED if ok else TickStatus.FAILURE,
                timestamp=self.clock,
                selector_id=self.state.selector_id,
                error=error,
            )
        )


def test_a_sensor_that_fails_three_times_in_a_row_is_reported_once_until_it_works_again(
    runner: SensorRunner, instance: DagsterInstance
):
    daemon = FakeDaemon(instance, "internal_batch_jobs_reconcile")
    for heard in ([], [], ["[default] 1 sensors or schedules keep failing: internal_batch_jobs_reconcile"], []):
        daemon.tick(ok=False)
        assert runner.titles() == heard
    assert "MirrorError: refused" in runner.sink.received[0].body["message"]
    for heard in ([], [], ["[default] 1 recovered: internal_batch_jobs_reconcile"], []):
        daemon.tick(ok=True)
        assert runner.titles() == heard


def test_runs_that_the_mirror_could_not_record_are_reported(runner: SensorRunner, instance: DagsterInstance):
    FakeDaemon(
        instance,
        "internal_batch_jobs_reconcile",
        cursor='{"watermark": "2026-11-20T00:00:00+00:00", "retry": ["a", "b"]}',
    ).tick(ok=True)
    assert runner.titles() == ["[default] 1 sensors or schedules keep failing: batch_jobs"]
    assert "2 runs could not be recorded" in runner.sink.received[0].body["message"]


def test_an_outage_of_the_outbox_is_reported_once_without_it_and_nothing_is_lost(
    instance: DagsterInstance, postgres: Any, sink: Sink, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(alert_dispatcher, "seconds_until_quiet_ends", lambda _now: 0.0)
    away, back = SensorRunner(instance, DOWN, sink), SensorRunner(instance, postgres.fresh_database(), sink)
    fail(instance)
    assert "Nothing is lost" in away.tick()
    assert sink.received == [], "a hiccup is nobody's business"
    monkeypatch.setattr(alert_dispatcher, "_OUTBOX_PATIENCE", timedelta(0))
    for _ in range(3):
        away.tick()
    assert [request.body["title"] for request in sink.received] == [
        "[default] 1 sensors or schedules keep failing: batch_jobs"
    ]
    assert "secret@" not in sink.received[0].body["message"]
    back.cursor = away.cursor
    assert sorted(back.titles()) == ["[default] 1 failed: 用户 users", "[default] 1 recovered: batch_jobs"]
    assert AlertCursor.read(back.cursor).down_since is None


def test_addresses_of_channels_stand_in_no_row(runner: SensorRunner, instance: DagsterInstance):
    runner.sink.answer = (500, {})
    fail(instance)
    runner.titles()
    with sa.create_engine(runner.url).begin() as connection:
        everything = "".join(
            str(row)
            for table in ("causes", "deliveries")
            for row in connection.execute(sa.text(f"SELECT * FROM aggregation_alerts.{table}"))
        )
    assert "json:" in everything
    assert "very-secret" not in everything + str(runner.cursor)


def test_the_first_look_goes_back_an_hour_and_no_further(instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch):
    now = datetime.now(UTC)
    assert timedelta(minutes=59) < now - AlertCursor.read(None).watermark < timedelta(minutes=61)


def test_documents_name_every_variable():
    text = (REPOSITORY / "docs" / "alerts.md").read_text(encoding="utf-8")
    names = [
        "ALERT_URLS",
        "ALERT_LANGUAGE",
        "ALERT_WINDOW_SECONDS",
        "ALERT_MESSAGES_PER_MINUTE",
        "ALERT_ON_WARN",
        "DAGSTER_UI_URL",
    ]
    assert [name for name in names if name not in text] == []


def test_a_complete_look_moves_the_watermark(runner: SensorRunner, instance: DagsterInstance):
    before = datetime.now(UTC)
    run(instance, [FakeTable("users")])
    runner.tick()
    assert AlertCursor.read(runner.cursor).watermark > before


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
        found |= {cause.details.run_id or "" for cause in look.incidents}
    assert found == failed


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
