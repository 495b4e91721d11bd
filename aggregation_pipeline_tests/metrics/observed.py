"""A deployment in which all sorts of things have happened: what the tests of metrics observe."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dagster import AssetKey, DagsterEventType, DagsterInstance, DagsterRunStatus, Failure
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, InstigatorType, SensorInstigatorData
from dagster._daemon.types import DaemonHeartbeat

from aggregation_pipeline.batch_jobs.mirror import mirror_run, owner_of
from aggregation_pipeline.batch_jobs.mirror_cursor import MIRROR_SENSOR, MirrorCursor
from aggregation_pipeline.runs.asset_keys import segment
from aggregation_pipeline.runs.refresh_cursor import Asked
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline_tests.support.refresh_state import keep_refresh_cursor
from aggregation_pipeline_tests.support.runs import (
    JOB_TYPE,
    ORIGIN,
    EngineRepository,
    FakeTable,
    create,
    new_batch_jobs,
    open_instance,
    run,
)

CONFIG = """
tables:
  orders: {group_by: [status], aggregations: [{function: COUNT, alias: n}], freshness: {fail_after: 26h}}
  用户: {group_by: [city], aggregations: [{function: COUNT, alias: n}], freshness: {fail_after: 26h}}
  broken: {group_by: [city], aggregations: [{function: COUNT, alias: n}]}
  never_run: {group_by: [city], aggregations: [{function: COUNT, alias: n}]}
  planned: {group_by: [city], aggregations: [{function: COUNT, alias: n}]}
  changing: &late
    select_fields: [id]
    partition: {column: created_at, every: day, start: 2026-11-01}
    refresh: {look_back: 7d, key: MAX(id)}
  never_asked: *late
"""
# Code with the sensor whose cursor says how far the mirror is.
CODE = f"""
from dagster import DefaultSensorStatus, Definitions, SensorDefinition, job, op

@op
def nothing(): ...

@job
def idle():
    nothing()

sensor = SensorDefinition(
    name="{MIRROR_SENSOR}", job=idle, evaluation_fn=lambda _: None, default_status=DefaultSensorStatus.RUNNING
)
definitions = Definitions(jobs=[idle], sensors=[sensor])
"""


@dataclass(frozen=True)
class Observed:
    """The deployment. `workspace` names no code, `workspace_with_mirror` that with the mirror's sensor."""

    url: str
    instance: DagsterInstance
    settings: Settings
    workspace: Path
    workspace_with_mirror: Path
    mirror: Callable[[str], object]


def fail(_context: Any) -> None:
    raise Failure("the source is away")


@contextmanager
def observed(url: str, folder: Path, **variables: str) -> Iterator[Observed]:
    """Yield a deployment on a fresh database, after some runs."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "aggregation.yaml").write_text(CONFIG, encoding="utf-8")
    (folder / "code.py").write_text(CODE, encoding="utf-8")
    (folder / "empty.yaml").write_text("load_from: []\n", encoding="utf-8")
    (folder / "workspace.yaml").write_text(
        f"load_from: [{{python_file: {{relative_path: {folder / 'code.py'}, location_name: {LOCATION}}}}}]\n", "utf-8"
    )
    settings = Settings.model_validate(
        {
            "dagster_pg_url": url,
            "aggregation_config": str(folder / "aggregation.yaml"),
            "storage_dir": str(folder / "exports"),
            **variables,
        }
    )
    engine = new_batch_jobs(url)
    with open_instance(url) as instance:
        mirror = functools.partial(
            mirror_run,
            instance,
            repository=EngineRepository(engine),
            owner=owner_of(instance, settings.deployment_name),
            platforms={},
            job_type=JOB_TYPE,
        )
        made = Observed(url, instance, settings, folder / "empty.yaml", folder / "workspace.yaml", mirror)
        happen(made)
        yield made
    engine.dispose()


LOCATION = ORIGIN.code_location_origin.location_name


def happen(deployment: Observed) -> None:
    """Let runs end well, fail and wait; store what daemon, mirror and freshness store."""
    instance = deployment.instance
    orders, users = FakeTable("orders", 30), FakeTable(segment("用户"), 12, name="用户")
    gone, broken = FakeTable("gone", 5), FakeTable("broken", 7, action=fail)
    for tables in ([orders, users, gone], [orders, broken]):
        deployment.mirror(run(instance, tables))
    create(instance, [orders], DagsterEventType.RUN_ENQUEUED)
    create(instance, [orders], DagsterEventType.RUN_START)
    beat(instance)
    turn(instance, "orders", FreshnessState.FAIL)
    turn(instance, segment("用户"), FreshnessState.PASS)
    cursor = MirrorCursor(datetime.now(UTC), ("a run",), behind=2, lag_seconds=7.5, at=datetime.now(UTC)).to_json()
    origin = ORIGIN.get_instigator_origin(MIRROR_SENSOR)
    data = SensorInstigatorData(cursor=cursor)
    instance.add_instigator_state(InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING, data))
    asked = Asked(
        datetime(2026, 11, 5, tzinfo=UTC), windows=7, waiting=3, unknown=2, since=datetime(2026, 11, 4, tzinfo=UTC)
    )
    keep_refresh_cursor(instance, {"changing": asked, "left": asked})
    assert instance.get_run_records()[0].dagster_run.status == DagsterRunStatus.STARTED


def beat(instance: DagsterInstance) -> None:
    for name in instance.get_required_daemon_types():
        instance.add_daemon_heartbeat(DaemonHeartbeat(datetime.now(UTC).timestamp(), name, None))


def turn(instance: DagsterInstance, part: str, state: FreshnessState) -> None:
    change = FreshnessStateChange(
        key=AssetKey(["aggregation", part]),
        previous_state=FreshnessState.UNKNOWN,
        new_state=state,
        state_change_timestamp=datetime.now(UTC).timestamp(),
    )
    instance._report_runless_asset_event(change)
