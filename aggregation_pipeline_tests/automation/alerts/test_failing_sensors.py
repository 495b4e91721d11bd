"""Alerts about sensors that keep failing, and about runs that the mirror could not record."""

from datetime import UTC, datetime

from dagster import DagsterInstance
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

from aggregation_pipeline_tests.automation.alerts.sensor_runner import SensorRunner
from aggregation_pipeline_tests.support.runs import ORIGIN


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
