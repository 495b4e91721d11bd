"""What batches did in spans of time: real rows of ours, and whatever other programs have written."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aggregation_pipeline.batch_jobs import buckets
from aggregation_pipeline.batch_jobs.buckets import Buckets, Counts
from aggregation_pipeline.batch_jobs.repository import postgres_repository
from aggregation_pipeline_tests.batch_jobs.any_rows import ROW, insert, our_row, run_id, write

NOON = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
BOUNDS = [NOON, NOON + HOUR, NOON + 2 * HOUR]


def read(engine: sa.Engine, bounds: Sequence[datetime] = BOUNDS, deployment: str = "prod") -> Buckets:
    with postgres_repository(engine, 60) as rows:
        return rows.buckets("data_collection", deployment, bounds)


def test_nothing_is_found_in_an_empty_table(engine: sa.Engine):
    assert read(engine) == Buckets({}, {}, {}, None)


def test_batches_are_counted_by_time_and_by_table(engine: sa.Engine):
    both = ("orders", "users")
    made = [
        *[(number, minute, "completed", both) for number, minute in ((1, 0), (6, 120), (7, -1))],
        *[(2, 1, "failed", both), (4, 61, "in_progress", both)],
        *[(3, 60, "completed", ("users",)), (5, 62, "pending", ("orders",))],
    ]
    write(engine, [our_row(number, NOON + timedelta(minutes=at), status, names) for number, at, status, names in made])
    found = read(engine)
    assert found.totals == {
        0: Counts(completed=1, failed=1, rows=21, seconds=20.0),
        1: Counts(completed=1, open=2, rows=7, seconds=10.0),
    }
    one: dict[str, Any] = {"rows": 7, "seconds": 0.5, "bytes": 70}
    assert found.tables == {
        "orders": {0: Counts(completed=2, rows=14, seconds=1.0, bytes=140), 1: Counts(open=2)},
        "users": {0: Counts(completed=1, failed=1, **one), 1: Counts(completed=1, open=1, **one)},
    }
    users, orders = found.newest["users"], found.newest["orders"]
    assert (users.id, users.status, users.error) == (run_id(3), "completed", None)
    assert (orders.id, orders.status, orders.created_at) == (run_id(2), "completed", NOON + timedelta(minutes=1))
    assert found.newest["orders"].ended_at == NOON + timedelta(minutes=1, seconds=11)
    assert read(engine, BOUNDS[:2]).newest["users"].error == "It broke. Mend it."


def test_rows_of_another_deployment_are_left_out(engine: sa.Engine):
    write(engine, [our_row(1, NOON)])
    insert(engine, created_at=NOON.isoformat(), status="completed", platforms_processed=["orders"])
    assert read(engine).totals[0].completed == 2
    assert read(engine, deployment="staging").totals[0].completed == 1


def test_a_row_of_another_program_counts_for_its_platforms(engine: sa.Engine):
    """As the Node service wrote them: the rows of a platform stand beside it, and nothing else of ours is there."""
    at = {"created_at": NOON.isoformat(), "started_at": NOON.isoformat()}
    metadata = {"baidu_items": 15, "weibo_items": "many"}
    platforms = ["baidu", "weibo", "baidu", None]
    insert(engine, **at, status="completed", metadata=metadata, platforms_processed=platforms, total_items=27,
           completed_at=(NOON + timedelta(seconds=30)).isoformat())  # fmt: skip
    insert(engine, **at, status="failed", metadata={"errors": [{"error": "<b>'; --"}]}, platforms_processed=["weibo"])
    insert(engine, **at, status="crashed", total_items=-5)
    insert(engine, **at, status=None, metadata=None, platforms_processed=None, total_items=None)
    found = read(engine)
    assert found.totals == {0: Counts(completed=1, failed=1, other=2, rows=27, seconds=30.0)}
    assert found.tables == {"baidu": {0: Counts(completed=1, rows=15)}, "weibo": {0: Counts(completed=1, failed=1)}}
    assert found.newest["baidu"].error is None
    failed = [part.error for part in found.newest.values() if part.status == "failed"]
    assert failed in ([], ["<b>'; --"]), "both were created at one moment"


def test_impossible_figures_of_another_program_are_bounded(engine: sa.Engine):
    at = {"created_at": NOON.isoformat(), "status": "completed"}
    for number in (-5, 10**400):
        result = {"status": "completed", "items": number, "seconds": number, "bytes": number}
        metadata = {"summary": {"rows": number}, "results": {"shop": result}}
        insert(engine, **at, metadata=metadata, platforms_processed=["shop"])
    most: dict[str, Any] = {"rows": 10**15, "seconds": 1e12, "bytes": 10**15}
    found = read(engine)
    assert found.totals[0].rows == 10**15
    assert found.tables == {"shop": {0: Counts(completed=2, **most)}}


def test_a_table_that_a_failed_batch_did_not_come_to_has_failed(engine: sa.Engine):
    results = {"shop": {"status": "skipped", "by_table": {"orders": {"status": "skipped", "items": 0}}}}
    errors = [{"error": "No worker is free. Start one."}]
    insert(engine, created_at=NOON.isoformat(), status="failed", metadata={"results": results, "errors": errors})
    found = read(engine)
    assert found.tables == {"orders": {0: Counts(skipped=1)}}
    assert (found.newest["orders"].status, found.newest["orders"].error) == ("failed", errors[0]["error"])


def test_rows_of_a_release_without_figures_of_tables_count_by_platform(engine: sa.Engine):
    results = {"orders": {"status": "completed", "items": 9, "seconds": 1.5, "bytes": 8}}
    insert(
        engine, created_at=NOON.isoformat(), status="completed", metadata={"results": results, "summary": {"rows": 9}}
    )
    assert read(engine).tables == {"orders": {0: Counts(completed=1, rows=9, seconds=1.5, bytes=8)}}


def test_where_there_are_too_many_rows_the_newest_are_read_and_it_is_said(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
):
    write(engine, [our_row(number, NOON + timedelta(minutes=number)) for number in range(5)])
    monkeypatch.setattr(buckets, "BUCKET_ROWS", 3)
    found = read(engine)
    assert (found.totals[0].completed, found.oldest) == (3, NOON + timedelta(minutes=2))
    monkeypatch.setattr(buckets, "BUCKET_ROWS", 6)
    assert (read(engine).totals[0].completed, read(engine).oldest) == (5, None)


@pytest.fixture(scope="module")
def shared(postgres: Any) -> sa.Engine:
    from aggregation_pipeline_tests.support.runs import new_batch_jobs

    return new_batch_jobs(postgres.fresh_database())


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(others=st.lists(ROW, min_size=1, max_size=5))
def test_whatever_other_programs_write_nothing_breaks_and_ours_is_counted(
    shared: sa.Engine, others: list[dict[str, Any]]
):
    with shared.begin() as connection:
        connection.exec_driver_sql("TRUNCATE batch_jobs")
    write(shared, [our_row(1, NOON, tables=("ours alone",))])
    for row in others:
        insert(shared, **row)
    found = read(shared)
    assert found.tables["ours alone"][0].completed == 1
    assert found.newest["ours alone"].id == run_id(1)
    assert found.totals[0].total == 1 + sum(
        row["created_at"] in {"2026-11-20T04:00:00Z", "2026-11-20T12:00:00.123456+08"}
        and row.get("job_type", "data_collection") == "data_collection"
        and not of_another_deployment(row["metadata"])
        for row in others
    )


def of_another_deployment(text: str) -> bool:
    import json

    metadata = json.loads(text)
    dagster = metadata.get("dagster") if isinstance(metadata, dict) else None
    return isinstance(dagster, dict) and dagster.get("deployment") is not None
