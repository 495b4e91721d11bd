"""How much one tick of the reconciler does. A stock run-status sensor does five runs a tick."""

import functools
import time
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from dagster import DagsterEventType, SensorDefinition, StaticPartitionsDefinition

from aggregation_pipeline.automation.batch_jobs_sensors import build_sensors
from aggregation_pipeline.batch_jobs.mirror import mirror_run, owner_of
from aggregation_pipeline.batch_jobs.repository import OpenRepository, postgres_repository
from aggregation_pipeline.postgres.engine import create_engine
from aggregation_pipeline_tests.support.runs import FakeTable, create, new_batch_jobs, open_instance, rows, run, tick

pytestmark = [pytest.mark.slow, pytest.mark.alone]

PLATFORMS = {f"t{number}": f"t{number}" for number in range(15)}


def clone(url: str, run_id: str, copies: int) -> None:
    """As many runs that did the same, a second apart, by SQL: executing a thousand takes minutes."""
    engine = create_engine(url, application_name="aggregation test", statement_timeout=0)
    with engine.begin() as connection:
        columns = {
            table: [column["name"] for column in sa.inspect(connection).get_columns(table) if column["name"] != "id"]
            for table in ("runs", "event_logs")
        }
        for number in range(copies):
            new = str(uuid4())
            for table, body in (("runs", "run_body"), ("event_logs", "event")):
                values = {
                    "run_id": f"'{new}'",
                    body: f"replace({body}, '{run_id}', '{new}')",
                    "update_timestamp": f"update_timestamp + interval '{number} milliseconds'",
                }
                chosen = ", ".join(values.get(name, name) for name in columns[table])
                connection.exec_driver_sql(
                    f"INSERT INTO {table} ({', '.join(columns[table])}) SELECT {chosen} FROM {table} WHERE run_id ="
                    f" '{run_id}' ORDER BY id"
                )
    engine.dispose()


@pytest.fixture(scope="module")
def storage(postgres: Any) -> str:
    return str(postgres.fresh_database())


def opener(engine: sa.Engine) -> OpenRepository:
    return functools.partial(postgres_repository, engine)


def all_sensors(engine: sa.Engine) -> list[SensorDefinition]:
    return build_sensors(open_repository=opener(engine), deployment="prod", platforms=PLATFORMS)


def reconciler(engine: sa.Engine) -> SensorDefinition:
    return next(sensor for sensor in all_sensors(engine) if sensor.name == "internal_batch_jobs_reconcile")


def test_a_thousand_finished_runs_are_mirrored_within_two_ticks(postgres: Any, storage: str, capsys: Any):
    with open_instance(storage) as instance:
        first = run(instance, [FakeTable(name, 10) for name in PLATFORMS])
        clone(storage, first, 999)
        events = len(instance.all_logs(first))
        stock = next(
            sensor
            for sensor in all_sensors(new_batch_jobs(postgres.fresh_database()))
            if sensor.name == "internal_batch_jobs_success"
        )
        before = tick(stock, instance).cursor
        for _ in range(12):
            create(instance, [FakeTable("t0")], DagsterEventType.RUN_START, DagsterEventType.RUN_SUCCESS)
        assert len(tick(stock, instance, before).dagster_run_reactions) == 5, "what a run-status sensor does in a tick"
        engine, cursor, seconds = new_batch_jobs(postgres.fresh_database()), None, []
        for _ in range(2):
            began = time.monotonic()
            outcome = tick(reconciler(engine), instance, cursor)
            seconds.append(time.monotonic() - began)
            cursor = outcome.cursor
            with capsys.disabled():
                print(f"\n{seconds[-1]:.1f} s: {outcome.skip_message}; {events} events a run")
        assert len(rows(engine)) == 1_012, seconds
        assert sum(row.total_items for row in rows(engine).values()) == 150_000
        assert max(seconds) < 20


def test_runs_of_a_thousand_partitions_are_followed_within_a_tick(postgres: Any, capsys: Any):
    keys = [f"p{number:04}" for number in range(1_000)]
    url = str(postgres.fresh_database())
    with open_instance(url) as instance:
        tags = {"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[-1]}
        first = run(instance, [FakeTable("t0", 1, partitions=StaticPartitionsDefinition(keys))], tags=tags)
        engine = new_batch_jobs(postgres.fresh_database())
        with postgres_repository(engine, 60) as opened:
            began = time.monotonic()
            mirror_run(
                instance, first, repository=opened, owner=owner_of(instance, "prod"), platforms=PLATFORMS, job_type="x"
            )
            one = time.monotonic() - began
        with capsys.disabled():
            print(f"\na run with {len(instance.all_logs(first))} events: {one * 1000:.0f} ms")
        assert rows(engine)[first].total_items == 1_000
        assert one < 2
