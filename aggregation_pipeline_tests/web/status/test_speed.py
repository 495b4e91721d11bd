"""`/status` and `/batches` with 200,000 rows in batch_jobs and 500 tables."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from dagster import AssetMaterialization

from aggregation_pipeline.assets.keys import table_key
from aggregation_pipeline.batch_jobs import page_queries
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline_tests.batch_jobs.any_rows import our_row, write
from aggregation_pipeline_tests.support.runs import new_batch_jobs, open_instance
from aggregation_pipeline_tests.web.asgi import AsLocal
from aggregation_pipeline_tests.web.served import Answer, ask, free_port, serving_app
from aggregation_pipeline_tests.web.shop import opened_app

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import PostgresServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
ROWS, TABLES = 200_000, 500
# One row in five is of another program. A row in fifty failed.
COPY = """
INSERT INTO batch_jobs
  (id, job_type, status, platforms_processed, total_items, metadata, started_at, completed_at, created_at)
SELECT gen_random_uuid(), CASE WHEN n % 5 = 0 THEN 'other' ELSE job_type END,
       CASE WHEN n % 50 = 1 THEN 'failed' ELSE status END, platforms_processed, total_items,
       metadata || jsonb_build_object('padding', repeat(md5(n::text), 30)), started_at,
       started_at + interval '10 s', now() - n * interval '4 min'
FROM (SELECT * FROM batch_jobs LIMIT 1) AS first, generate_series(1, :rows) AS n
"""


@pytest.fixture(scope="module")
def engine(postgres: "PostgresServer") -> sa.Engine:
    engine = new_batch_jobs(postgres.fresh_database())
    write(engine, [our_row(1, datetime.now(UTC), "completed", ("orders", "users", "products"))])
    with engine.begin() as connection:
        # On a busy machine it takes longer than our engines allow.
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        connection.execute(sa.text(COPY), {"rows": ROWS})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("SET statement_timeout = 0")
        connection.exec_driver_sql("VACUUM ANALYZE batch_jobs")
    return engine


@pytest.fixture(scope="module")
def port(engine: sa.Engine, postgres: "PostgresServer", tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("large")
    names = [f"table_{number:03}" for number in range(TABLES)]
    entries = "\n".join(f"  {name}: {{select_fields: [id], freshness: {{fail_after: 26h}}}}" for name in names)
    (folder / "aggregation.yaml").write_text(f"tables:\n{entries}\n", "utf-8")
    url = postgres.fresh_database()
    settings = Settings(
        dagster_pg_url=url,
        batch_jobs_url=engine.url.render_as_string(hide_password=False),
        aggregation_config=folder / "aggregation.yaml",
        storage_dir=folder / "exports",
    )
    with open_instance(url) as instance:
        for name in names:
            published = AssetMaterialization(table_key(name), metadata={"window": "2026-11-20", "detail rows": 7})
            instance.report_runless_asset_event(published)
        port = free_port()
        with opened_app(settings, instance, port) as app, serving_app(AsLocal(app), port):
            yield port


def seconds_of(port: int, path: str) -> tuple[float, Answer]:
    began = time.monotonic()
    answer = ask(port, f"GET {path}")
    return time.monotonic() - began, answer


def test_status_is_quick_when_it_is_warm(port: int):
    first, answer = seconds_of(port, "/status")
    assert answer.status == 200, answer.body
    assert len(json.loads(answer.body)["tables"]) == TABLES
    found = []
    for _ in range(20):
        time.sleep(0.5)
        found.append(seconds_of(port, "/status")[0])
    print(f"first {first:.3f} s, then {sorted(found)}")
    # Ten times the promise, for a busy machine: half of these answers are of what was read before.
    assert sorted(found)[10] < 3.0


def test_the_page_of_batches_is_quick_when_it_is_warm(port: int):
    """Judged by what it costs the processor, whatever else the machine does; reading anew, in between, included."""
    first, answer = seconds_of(port, "/batches")
    assert answer.status == 200, answer.body
    assert f"{TABLES} of {TABLES} tables" in answer.body
    found, waited = [], []
    for _ in range(21):
        time.sleep(0.5)
        before = time.process_time()
        waited.append(seconds_of(port, "/batches")[0])
        found.append(time.process_time() - before)
    print(f"first {first:.3f} s, then {sorted(waited)[10]:.3f} s, of which processor {sorted(found)[10]:.3f} s")
    assert sorted(found)[10] < 0.3


def test_many_who_ask_cost_little(port: int):
    seconds_of(port, "/status")
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask(port, "GET /status"), range(200)))
    taken = time.monotonic() - began
    print(f"{200 / taken:.0f} requests a second")
    assert {answer.status for answer in answers} == {200}
    assert taken < 40


QUERIES = ("status=failed", "status=pending", "table=users", "table=none", "jobType=*", "jobType=other&limit=100")


@pytest.mark.parametrize("query", QUERIES)
def test_filtered_lists_are_quick(port: int, query: str):
    found = [seconds_of(port, f"/status?{query}") for _ in range(5)]
    assert {answer.status for _, answer in found} == {200}
    print(query, sorted(seconds for seconds, _ in found))
    assert sorted(seconds for seconds, _ in found)[2] < 4.0


def test_a_batch_is_found_by_the_index(engine: sa.Engine, port: int):
    with engine.connect() as connection:
        (row_id,) = connection.exec_driver_sql("SELECT id FROM batch_jobs OFFSET 1000 LIMIT 1").one()
    found = [seconds_of(port, f"/status/{str(row_id)[:13]}") for _ in range(5)]
    assert {answer.status for _, answer in found} == {200}
    print(sorted(seconds for seconds, _ in found))


def test_what_a_page_reads_does_not_grow_with_the_table(engine: sa.Engine):
    parameters = dict.fromkeys(("states", "platform", "entry", "since", "until", "before_at", "before_id"))
    asked = {**parameters, "kind": "data_collection", "scan": 21, "most": 21}
    with engine.connect() as connection:
        query = sa.text(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {page_queries.PAGE}")
        plan = connection.execute(query, asked).scalar_one()
    whole = plan[0]["Plan"]
    assert whole["Shared Hit Blocks"] + whole["Shared Read Blocks"] < 1000
