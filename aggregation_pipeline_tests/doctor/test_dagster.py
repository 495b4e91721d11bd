"""What the doctor says of Dagster's storage: the daemon, stopped schedules and sensors, runs without a process."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from dagster import DagsterEventType, DagsterInstance
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    ScheduleInstigatorData,
    SensorInstigatorData,
)
from dagster._daemon.daemon import MonitoringDaemon
from dagster._daemon.types import DaemonHeartbeat

from aggregation_pipeline.batch_jobs.mirror_cursor import MIRROR_SENSOR
from aggregation_pipeline.doctor import dagster as doctor
from aggregation_pipeline.doctor.dagster import examine_dagster
from aggregation_pipeline.errors import this_program
from aggregation_pipeline.postgres import run_lock
from aggregation_pipeline.runs.tags import HEARTBEAT_TAG
from aggregation_pipeline.services.running_versions import RunningService, installed_versions
from aggregation_pipeline_tests.doctor.conftest import found_by
from aggregation_pipeline_tests.support.deployment import Deployment
from aggregation_pipeline_tests.support.runs import ORIGIN, FakeTable, create, open_instance
from aggregation_pipeline_tests.support.servers.handles import PostgresServer


@pytest.fixture
def instance(postgres: PostgresServer, shop: Deployment, monkeypatch: pytest.MonkeyPatch) -> Iterator[DagsterInstance]:
    """Dagster's storage of the shop, with all of its tables."""
    url = postgres.fresh_database()
    shop.enter(monkeypatch, DAGSTER_PG_URL=url)
    assert found_by(examine_dagster)["storage"].text == "Dagster's tables are not there yet"
    with open_instance(url) as opened:
        yield opened


def store(instance: DagsterInstance, name: str, data: SensorInstigatorData | ScheduleInstigatorData) -> None:
    kind = InstigatorType.SENSOR if isinstance(data, SensorInstigatorData) else InstigatorType.SCHEDULE
    state = InstigatorState(ORIGIN.get_instigator_origin(name), kind, InstigatorStatus.STOPPED, data)
    instance.add_instigator_state(state)


def test_the_daemon_and_what_somebody_has_stopped(instance: DagsterInstance):
    found = found_by(examine_dagster)
    assert found["daemon"].text.startswith("dagster-daemon has never run")
    assert found["aggregate_schedule"].text.startswith("next at ")
    assert found["sensors"].status == "ok"
    for name in (*instance.get_required_daemon_types(), MonitoringDaemon.daemon_type()):
        instance.add_daemon_heartbeat(DaemonHeartbeat(datetime.now(UTC).timestamp(), name, None))
    store(instance, MIRROR_SENSOR, SensorInstigatorData(cursor="kept"))
    store(instance, "of_another_release", SensorInstigatorData())
    store(instance, "aggregate_schedule", ScheduleInstigatorData("0 2 * * *"))
    found = found_by(examine_dagster)
    assert found["daemon"].status == "ok"
    assert found["aggregate_schedule"].status == "failure"
    assert found["sensors"].text == f"somebody has stopped {MIRROR_SENSOR}"
    assert found["sensors"].status == "failure"
    assert found_by(examine_dagster, fix=True)["sensors"].text == f"had been stopped, now started: {MIRROR_SENSOR}"
    assert found_by(examine_dagster)["sensors"].status == "ok"
    (state,) = [each for each in instance.all_instigator_state() if each.instigator_name == MIRROR_SENSOR]
    assert isinstance(state.instigator_data, SensorInstigatorData)
    assert state.instigator_data.cursor == "kept"


def test_runs_whose_process_is_gone_are_named(instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(run_lock, "PATIENCE_SECONDS", 0.1)
    run = create(instance, [FakeTable("baidu", 1)], DagsterEventType.RUN_START)
    assert found_by(examine_dagster)["runs"].status == "ok"
    instance.add_run_tags(run.run_id, {HEARTBEAT_TAG: run.run_id})
    found = found_by(examine_dagster)["runs"]
    assert (found.status, found.text) == ("warning", f"1 runs have lost their process: {run.run_id}")
    # Looking at them does not end them.
    assert instance.get_run_by_id(run.run_id).status.value == "STARTED"  # type: ignore[union-attr]


def test_storage_of_another_release_is_a_failure(instance: DagsterInstance):
    found = found_by(examine_dagster)
    assert found["storage"].status == "ok"
    assert found["versions"].status == "ok"
    with instance.run_storage.connect() as connection:  # type: ignore[attr-defined]
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '16e3655b4d9b'")
        assert "aggregation-pipeline upgrade" in found_by(examine_dagster)["storage"].remedy
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'fedcba987654'")
    newer = found_by(examine_dagster)["storage"]
    assert (newer.status, newer.remedy) == ("failure", "")
    assert "a newer one made them" in newer.text


def test_a_service_that_runs_another_version_than_is_installed_is_a_failure(
    instance: DagsterInstance, shop: Deployment, monkeypatch: pytest.MonkeyPatch
):
    found = found_by(examine_dagster)["services"]
    assert (found.status, "none of them runs" in found.text) == ("ok", True)
    monkeypatch.setattr(doctor, "running_services", lambda _: [RunningService("daemon", 42, installed_versions())])
    found = found_by(examine_dagster)["services"]
    assert (found.status, found.text) == ("ok", f"daemon: of the version that is installed, {this_program()}")
    old = {**installed_versions(), "dagster": "1.0.0"}
    services = [RunningService("web process", 41, installed_versions()), RunningService("daemon", 42, old)]
    monkeypatch.setattr(doctor, "running_services", lambda _: services)
    found = found_by(examine_dagster)["services"]
    assert found.status == "failure"
    assert (
        found.text == f"the daemon (process 42) runs dagster 1.0.0, and installed is {installed_versions()['dagster']}"
    )
    assert "start it again" in found.remedy
