"""The sensor `alerts` itself: its addresses, its outbox, its cursor."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from dagster import DagsterInstance, DefaultSensorStatus

from aggregation_pipeline.automation import alert_dispatcher
from aggregation_pipeline.automation.alert_dispatcher import AlertCursor
from aggregation_pipeline.automation.alert_sensor import build_alert_sensors
from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline_tests.automation.alerts.sensor_runner import DOWN, TABLES, SensorRunner, fail
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.runs import FakeTable, run
from aggregation_pipeline_tests.support.sink import Sink


def test_without_addresses_there_is_no_sensor_and_with_them_building_needs_no_server():
    assert build_alert_sensors(Settings(batch_jobs_url=DOWN), TABLES) == []
    (sensor,) = build_alert_sensors(Settings(batch_jobs_url=DOWN, alert_urls="wecombot://k"), TABLES)
    assert (sensor.name, sensor.default_status) == ("alerts", DefaultSensorStatus.RUNNING)


def test_a_wrong_address_is_refused_when_loading():
    with pytest.raises(SettingsError, match="ALERT_URLS cannot be used: entry 1"):
        build_alert_sensors(Settings(batch_jobs_url=DOWN, alert_urls="nonsense://x"), TABLES)


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
            for table in ("incidents", "deliveries")
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
