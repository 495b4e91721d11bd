"""What pages ask, with 200,000 rows in batch_jobs and 500 tables."""

import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from dagster import AssetCheckEvaluation, AssetMaterialization, DagsterRun, DagsterRunStatus

from aggregation_pipeline.assets.keys import table_key
from aggregation_pipeline.batch_jobs.bucket_query import BUCKETS
from aggregation_pipeline.batch_jobs.buckets import parameters_of
from aggregation_pipeline.batch_jobs.repository import kept_repository
from aggregation_pipeline.overview.overview import Overview
from aggregation_pipeline.overview.table_list import TableQuery, select_tables
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.web.common.current_project import CurrentProject
from aggregation_pipeline_tests.overview.large import NAMES, fill
from aggregation_pipeline_tests.support.runs import new_batch_jobs, open_instance

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import PostgresServer

pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def engine(postgres: "PostgresServer") -> sa.Engine:
    engine = new_batch_jobs(postgres.fresh_database())
    fill(engine)
    return engine


@pytest.fixture(scope="module")
def overview(
    engine: sa.Engine, postgres: "PostgresServer", tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Overview]:
    settings = settings_of(engine, postgres.fresh_database(), tmp_path_factory.mktemp("large"))
    with open_instance(settings.require_dagster_url()) as instance:
        for name in NAMES:
            instance.add_run(DagsterRun("aggregate", run_id=str(uuid4()), status=DagsterRunStatus.SUCCESS))
            published = AssetMaterialization(table_key(name), metadata={"window": "2026-11-20", "detail rows": 7})
            instance.report_runless_asset_event(published)
            for check in ("min_rows", "snapshot_held"):
                passed = not name.endswith("7")
                evaluation = AssetCheckEvaluation(
                    asset_key=table_key(name), check_name=check, passed=passed, metadata={}
                )
                instance.report_runless_asset_event(evaluation)
        rows, close = kept_repository(settings, application_name="aggregation status", statement_timeout=3.0)
        yield Overview(settings, instance, CurrentProject(settings), rows)
        close()


def settings_of(engine: sa.Engine, dagster_url: str, folder: Path) -> Settings:
    entries = "\n".join(f"  {name}: {{select_fields: [id], freshness: {{fail_after: 26h}}}}" for name in NAMES)
    (folder / "aggregation.yaml").write_text(f"tables:\n{entries}\n", "utf-8")
    return Settings(
        dagster_pg_url=dagster_url,
        batch_jobs_url=engine.url.render_as_string(hide_password=False),
        aggregation_config=folder / "aggregation.yaml",
        deployment_name="prod",
    )


def median_seconds(ask: Callable[[], object], name: str, times: int = 9) -> float:
    taken = []
    for _ in range(times):
        began = time.monotonic()
        ask()
        taken.append(time.monotonic() - began)
    print(f"{name}: {[round(each * 1000) for each in sorted(taken)]} ms")
    return sorted(taken)[times // 2]


def test_the_first_screen_is_quick_when_it_is_warm(overview: Overview):
    async def visits() -> tuple[list[float], list[float]]:
        first = await overview.morning()
        assert (first.away, len(first.tables), len(first.days), len(first.table_days)) == ((), 500, 30, 500)
        assert first.concern_counts["check_failed"] == 100
        at_once: list[float] = []
        later: list[float] = []
        for into, pause in ((at_once, 0.0), (later, 4.0)):
            for _ in range(7):
                await asyncio.sleep(pause)
                began = time.monotonic()
                morning = await overview.morning()
                assert len(select_tables(morning.tables, TableQuery()).tables) == 50
                into.append(time.monotonic() - began)
        return at_once, later

    at_once, later = asyncio.run(visits())
    for name, taken in (("at once", at_once), ("while it is read anew", later)):
        print(f"{name}: {[round(each * 1000) for each in sorted(taken)]} ms")
    # The promise is 200 ms; a busy machine may take ten times as long.
    assert sorted(at_once)[3] < 2.0
    assert sorted(later)[3] < 2.0


def test_a_table_and_a_batch_are_quick(overview: Overview, engine: sa.Engine):
    morning = asyncio.run(overview.morning())
    assert median_seconds(lambda: overview.table(NAMES[3], morning), "a table") < 2.0
    with engine.connect() as connection:
        query = "SELECT id FROM batch_jobs ORDER BY length(metadata::text) DESC, created_at DESC OFFSET 10 LIMIT 1"
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        whole = UUID(str(connection.exec_driver_sql(query).scalar_one()))
    table = overview.table(NAMES[3], morning)
    assert table is not None
    assert table.batches
    small = UUID(table.batches[2].id)
    assert median_seconds(lambda: overview.batch(small), "a small batch") < 2.0
    assert median_seconds(lambda: overview.batch(whole), "a batch of 500 tables") < 2.0


@pytest.mark.parametrize("days", [1, 30])
def test_what_is_read_of_some_days_does_not_grow_with_the_table(engine: sa.Engine, days: int):
    end = datetime.now(UTC)
    bounds = [end - timedelta(days=back) for back in range(days, -1, -1)]
    with engine.connect() as connection:
        connection.exec_driver_sql(
            "SET LOCAL statement_timeout = 0; SET LOCAL jit = off; SET LOCAL enable_seqscan = off"
        )
        query = sa.text(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {BUCKETS}")
        plan = connection.execute(query, parameters_of("data_collection", "prod", bounds)).scalar_one()
    text = str(plan)
    assert "idx_batch_jobs_job_type" in text
    print(f"{days} days: {plan[0]['Execution Time']:.0f} ms")
    (scan,) = [node for node in nodes(plan[0]["Plan"]) if node.get("Index Name") == "idx_batch_jobs_job_type"]
    assert scan["Actual Rows"] * scan["Actual Loops"] < 1.1 * days * 200_000 / 90 + 10


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)
