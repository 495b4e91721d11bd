"""By REST the rows follow the same rules as by a connection. PostgreSQL executes every call, as the key's role."""

import functools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from dagster import DagsterEventType, DagsterInstance
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aggregation_pipeline.automation.batch_jobs_sensors import build_sensors
from aggregation_pipeline.batch_jobs.browse import RowFilter
from aggregation_pipeline.batch_jobs.projection import row_id
from aggregation_pipeline.batch_jobs.repository import postgres_repository, repository_opener
from aggregation_pipeline.batch_jobs.supabase import SupabaseRepository, supabase_repository
from aggregation_pipeline.errors import MirrorError
from aggregation_pipeline.runs.model import Owner
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline_tests.batch_jobs.test_live_updates import live_updates
from aggregation_pipeline_tests.batch_jobs.test_writer import HISTORY, NOON, PROD, RUN_ID, reading
from aggregation_pipeline_tests.support.runs import FakeTable, create, report, rows, run
from aggregation_pipeline_tests.support.servers.postgrest import FakePostgrest


def test_a_row_goes_there_and_back_as_it_is(engine: sa.Engine, rest: SupabaseRepository):
    assert rest.ensure_table() is False
    assert [rest.record(reading(5)), rest.record(reading(5)), rest.record(reading(4))] == [True, False, False]
    found = rows(engine)[RUN_ID]
    assert (found.status, found.total_items, found.platforms_processed, found.started_at) == (
        "in_progress",
        10,
        ["baidu"],
        NOON,
    )
    assert list(rest.read_rows(PROD, [row_id(RUN_ID)])) == [reading(5)]
    assert rest.row_states(PROD, [row_id(RUN_ID)])[row_id(RUN_ID)].updated == (NOON + timedelta(seconds=5)).isoformat()
    assert set(rest.open_row_states(PROD)) == {row_id(RUN_ID)}


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(order=st.lists(st.integers(1, len(HISTORY)), min_size=1, max_size=8))
def test_readings_in_any_order_leave_the_newest_by_rest_too(
    engine: sa.Engine, rest: SupabaseRepository, order: list[int]
):
    with engine.begin() as connection:
        connection.exec_driver_sql("TRUNCATE batch_jobs")
    newest = 0
    for length in order:
        assert rest.record(reading(length)) is (length > newest)
        newest = max(newest, length)
    assert rows(engine)[RUN_ID].metadata["dagster"]["last_event"] == newest


def test_a_run_writes_its_own_row_by_rest_too(engine: sa.Engine, api: FakePostgrest, dagster_instance: DagsterInstance):
    row = live_updates(functools.partial(supabase_repository, api.url, "service-key"))
    done = create(dagster_instance, [FakeTable("baidu", 30)], DagsterEventType.RUN_START)
    row.start(dagster_instance, done.run_id)
    assert rows(engine)[done.run_id].status == "in_progress"
    api.faults += [503] * 6
    report(dagster_instance, done, DagsterEventType.RUN_SUCCESS)
    assert rows(engine)[done.run_id].status == "in_progress", "an outage is the reconciler's to make good"


def test_rows_of_others_are_neither_written_nor_read_nor_pruned(engine: sa.Engine, rest: SupabaseRepository):
    rest.record(reading(8))
    for other in (Owner("staging", "one"), Owner("prod", "two")):
        assert rest.record(reading(8, deployment=other.deployment, instance=other.instance, job_type="stolen")) is False
        assert (rest.row_states(other, [row_id(RUN_ID)]), list(rest.read_rows(other, [row_id(RUN_ID)]))) == ({}, [])
        assert rest.prune(other, NOON + timedelta(days=9)) == 0
    assert rows(engine)[RUN_ID].job_type == "data_collection"
    assert (rest.prune(PROD, NOON), rest.prune(PROD, NOON + timedelta(days=9))) == (0, 1)
    assert rows(engine) == {}


def test_a_row_that_is_refused_is_written_minimal_with_the_reason(engine: sa.Engine, rest: SupabaseRepository):
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE batch_jobs ADD CHECK (NOT metadata ? 'baidu_items')")
    assert rest.record(reading(8)) is True
    found = rows(engine)[RUN_ID]
    assert (found.status, set(found.metadata)) == ("completed", {"dagster", "mirror_error"})
    assert rest.row_states(PROD, [row_id(RUN_ID)])[row_id(RUN_ID)].refused


def test_a_row_that_is_not_of_the_pipeline_is_refused_by_the_function(rest: SupabaseRepository):
    row = reading(8)
    with pytest.raises(MirrorError, match="not a row of aggregation_pipeline"):
        rest.record(replace(row, metadata={"dagster": {"deployment": "prod"}}))


def test_the_sensors_keep_their_rows_by_rest_where_only_supabase_is_configured(
    engine: sa.Engine, api: FakePostgrest, dagster_instance: Any
):
    from aggregation_pipeline_tests.support.runs import tick

    settings = Settings(
        supabase_url=api.url, supabase_key="service-key", dagster_pg_url="postgresql://ada@127.0.0.1:1/x"
    )
    run_id = run(dagster_instance, [FakeTable("baidu", 30)])
    sensors = build_sensors(
        open_repository=repository_opener(settings, application_name="test"),
        deployment="prod",
        platforms={"baidu": "baidu"},
    )
    tick(next(sensor for sensor in sensors if sensor.name == "internal_batch_jobs_reconcile"), dagster_instance)
    assert (rows(engine)[run_id].status, rows(engine)[run_id].total_items) == ("completed", 30)


def test_people_may_list_and_count_the_jobs_by_rest(engine: sa.Engine, rest: SupabaseRepository):
    rest.record(reading(8, created_at=datetime.now(UTC)))
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO batch_jobs (job_type, status, total_items) VALUES ('data_collection', 'failed', NULL)"
        )
    assert [row["status"] for row in rest.list_rows(RowFilter("data_collection"))] == ["failed", "completed"]
    assert [str(row["id"]) for row in rest.list_rows(RowFilter(status="completed"))] == [RUN_ID]
    assert list(rest.list_rows(RowFilter(id=RUN_ID, job_type="other"))) == []
    (day,) = rest.trend("data_collection", "Asia/Shanghai", 30)
    assert (day.total_jobs, day.successful, day.failed, day.avg_items) == (2, 1, 1, 10.0)
    assert day.date == datetime.now(ZoneInfo("Asia/Shanghai")).date()
    with postgres_repository(engine, 60) as direct:
        assert list(direct.trend("data_collection", "Asia/Shanghai", 30)) == [day]
        assert [row["status"] for row in direct.list_rows(RowFilter("data_collection"))] == ["failed", "completed"]
