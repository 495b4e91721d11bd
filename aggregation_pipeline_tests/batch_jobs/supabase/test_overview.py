"""The pages of batches of a deployment whose batch_jobs is at Supabase."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa
from dagster import DagsterInstance

from aggregation_pipeline.batch_jobs.repository import kept_repository
from aggregation_pipeline.overview.overview import Overview
from aggregation_pipeline.project import load_usable_project
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline_tests.batch_jobs.any_rows import STATUSES, our_row, run_id, write
from aggregation_pipeline_tests.support.config_file import write_config
from aggregation_pipeline_tests.support.servers.postgrest import FakePostgrest


@pytest.fixture
def overview(api: FakePostgrest, dagster_instance: DagsterInstance, tmp_path: Path) -> Overview:
    dagster_instance.wipe()
    settings = Settings(
        supabase_url=api.url,
        supabase_key="service-key",
        dagster_pg_url="postgresql://nobody@127.0.0.1:1/x",
        aggregation_config=write_config(tmp_path, "tables: {orders: {select_fields: [id]}}"),
        deployment_name="prod",
    )
    project = load_usable_project(settings, None)
    open_rows, _ = kept_repository(settings, application_name="aggregation status")
    return Overview(settings, dagster_instance, lambda: project, open_rows)


def test_the_morning_a_table_and_a_batch_come_by_rest(engine: sa.Engine, overview: Overview):
    now = datetime.now(UTC)
    write(engine, [our_row(number, now - timedelta(days=number), STATUSES[number % 4]) for number in range(8)])
    morning = asyncio.run(overview.morning())
    assert (morning.away, len(morning.days)) == ((), 30)
    counts = [(day.counts.completed, day.counts.failed, day.counts.open) for day in morning.days[-4:]]
    assert counts == [(0, 0, 1), (0, 0, 1), (0, 1, 0), (1, 0, 0)]
    assert [line.state for line in morning.tables] == ["never"]
    assert morning.tables[0].last is not None
    assert (morning.tables[0].last.id, morning.tables[0].last.status) == (run_id(0), "completed")
    table = overview.table("orders", morning)
    assert table is not None
    assert [batch.id for batch in table.batches or ()] == [run_id(number) for number in range(8)]
    batch = overview.batch(UUID(run_id(4)))
    assert batch is not None
    assert batch.difference is not None
    assert (batch.difference.before.id, batch.difference.rows.before) == (run_id(5), 0)


def test_without_the_function_the_rest_of_the_page_is_there(engine: sa.Engine, overview: Overview):
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP FUNCTION buckets_of_batch_jobs")
    morning = asyncio.run(overview.morning())
    assert (morning.away, morning.days, [line.name for line in morning.tables]) == (
        ("batch_jobs", "history"), (), ["orders"],
    )  # fmt: skip
