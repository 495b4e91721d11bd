"""Real runs of Dagster on PostgreSQL, mirrored."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from dagster import DagsterEventType, DagsterInstance, Definitions, Failure, StaticPartitionsDefinition, asset

from aggregation_pipeline.runs.model import Owner
from aggregation_pipeline_tests.batch_jobs.mirrored_tables import BAIDU, WEIBO
from aggregation_pipeline_tests.support.runs import JOB_TYPE, FakeTable, create, report, rows, run


def test_a_completed_run_has_one_row_with_its_times_in_utc(
    dagster_instance: DagsterInstance, engine: sa.Engine, mirror: Any
):
    began = datetime.now(UTC)
    run_id = run(dagster_instance, [BAIDU, WEIBO])
    assert [mirror(run_id), mirror(run_id)] == ["written", "unchanged"]
    row = rows(engine)[run_id]
    assert (row.status, row.total_items, sorted(row.platforms_processed), row.job_type) == (
        "completed",
        42,
        ["baidu", "weibo"],
        JOB_TYPE,
    )
    assert began - timedelta(seconds=1) <= row.created_at <= row.started_at <= row.completed_at <= datetime.now(UTC)
    assert row.metadata["results"]["baidu"]["files"] == [
        {
            "table": "baidu",
            "format": "json",
            "dataset": "all",
            "uri": "file:///exports/baidu/2026-11-20/baidu.json",
            "rows": 30,
            "bytes": 300,
            "crc64": "1",
        }
    ]
    assert (row.metadata["baidu_items"], row.metadata["weibo_items"]) == (30, 12)


def test_a_failing_table_leaves_the_others_completed_and_the_row_failed_with_its_error(
    dagster_instance: DagsterInstance, engine: sa.Engine, mirror: Any
):
    def fail(_context: object) -> None:
        raise RuntimeError(
            "(1054, \"Unknown column 'a\x00b\ud800' in 'field list'\") on mysql+pymysql://root:hunter2@db/shop"
        )

    run_id = run(dagster_instance, [BAIDU, FakeTable("weibo", action=fail)])
    assert mirror(run_id) == "written"
    row = rows(engine)[run_id]
    assert (row.status, row.total_items, row.platforms_processed) == ("failed", 30, ["baidu"])
    (error,) = row.metadata["errors"]
    assert (
        error["error"]
        == "RuntimeError: (1054, \"Unknown column 'a�b�' in 'field list'\") on mysql+pymysql://root:***@db/shop"
    )
    assert (error["table"], error["platform"], error["step"]) == ("weibo", "weibo", "aggregate_weibo")
    assert row.metadata["results"]["weibo"]["error"] == error["error"]
    assert "mirror_error" not in row.metadata


def test_the_words_of_a_dagster_failure_are_taken_as_they_are(
    dagster_instance: DagsterInstance, engine: sa.Engine, mirror: Any
):
    def fail(_context: object) -> None:
        raise Failure("Partition 2026-11-18 of baidu could not be read")

    run_id = run(dagster_instance, [FakeTable("baidu", action=fail)])
    mirror(run_id)
    assert rows(engine)[run_id].metadata["errors"][0]["error"] == "Partition 2026-11-18 of baidu could not be read"


def test_progress_shows_while_a_run_is_running(dagster_instance: DagsterInstance, engine: sa.Engine, mirror: Any):
    seen = []

    def look(context: Any) -> None:
        mirror(context.run.run_id)
        row = rows(engine)[context.run.run_id]
        seen.append(
            (
                row.status,
                row.total_items,
                row.platforms_processed,
                row.completed_at,
                {n: r["status"] for n, r in row.metadata["results"].items()},
            )
        )

    run_id = run(dagster_instance, [FakeTable("baidu", 30, action=look), FakeTable("weibo", 12, action=look)])
    first, second = sorted(seen, key=lambda entry: entry[1])
    assert first[:4] == ("in_progress", 0, [], None)
    assert sorted(first[4].values()) == ["in_progress", "pending"]
    assert (second[0], len(second[2]), second[3], sorted(second[4].values())) == (
        "in_progress",
        1,
        None,
        ["completed", "in_progress"],
    )
    mirror(run_id)
    assert rows(engine)[run_id].total_items == 42


def test_partitions_are_counted_once_each_and_good_ones_count_when_another_fails(
    dagster_instance: DagsterInstance, engine: sa.Engine, mirror: Any
):
    days = StaticPartitionsDefinition(["18", "19", "20"])
    tags = {"dagster/asset_partition_range_start": "18", "dagster/asset_partition_range_end": "20"}
    run_id = run(dagster_instance, [FakeTable("orders", 10, platform="shop", partitions=days)], tags=tags)
    mirror(run_id)
    row = rows(engine)[run_id]
    assert (row.total_items, row.platforms_processed) == (30, ["shop"])
    result = row.metadata["results"]["shop"]
    assert (result["partitions"], result["planned_partitions"], result["tables"]) == (3, 3, ["orders"])
    assert row.metadata["dagster"]["partition_range_start"] == "18"


def test_a_run_goes_from_pending_over_in_progress_to_failed_when_it_is_cancelled(
    dagster_instance: DagsterInstance, engine: sa.Engine, mirror: Any
):
    created = create(dagster_instance, [BAIDU], DagsterEventType.RUN_ENQUEUED)
    seen = []
    for event in (None, DagsterEventType.RUN_START, DagsterEventType.RUN_CANCELING, DagsterEventType.RUN_CANCELED):
        if event:
            report(dagster_instance, created, event)
        mirror(created.run_id)
        row = rows(engine)[created.run_id]
        seen.append(
            (row.status, row.metadata["dagster"]["status"], row.started_at is not None, row.completed_at is not None)
        )
    assert seen == [
        ("pending", "QUEUED", False, False),
        ("in_progress", "STARTED", True, False),
        ("in_progress", "CANCELING", True, False),
        ("failed", "CANCELED", True, True),
    ]


def test_a_cancelled_run_that_dagster_later_calls_a_success_is_recorded_as_it_is(
    dagster_instance: DagsterInstance, engine: sa.Engine, mirror: Any
):
    created = create(dagster_instance, [BAIDU], DagsterEventType.RUN_START, DagsterEventType.RUN_CANCELED)
    mirror(created.run_id)
    report(dagster_instance, created, DagsterEventType.RUN_SUCCESS)
    assert mirror(created.run_id) == "written"
    assert rows(engine)[created.run_id].status == "completed"


def test_runs_of_other_peoples_assets_and_unknown_runs_get_no_row(
    dagster_instance: DagsterInstance, engine: sa.Engine, mirror: Any
):
    @asset(key=["export", "theirs_csv"])
    def theirs() -> None: ...

    foreign = (
        Definitions(assets=[theirs])
        .resolve_implicit_global_asset_job_def()
        .execute_in_process(instance=dagster_instance)
    )
    assert mirror(foreign.run_id) == "foreign"
    assert mirror("0f8fad5b-d9cb-469f-a165-70867728950e") == "missing"
    assert rows(engine) == {}


@pytest.mark.parametrize("left", [0, 1, 4])
def test_a_run_whose_maker_died_before_all_that_it_plans_was_stored_has_its_row(
    dagster_instance: DagsterInstance, engine: sa.Engine, mirror: Any, left: int
):
    def cut(run_id: str) -> None:
        with dagster_instance.event_log_storage.run_connection(run_id) as connection:  # type: ignore[attr-defined]
            connection.exec_driver_sql(
                """DELETE FROM event_logs WHERE id IN (SELECT id FROM event_logs WHERE run_id = %(run)s
                   AND dagster_event_type = 'ASSET_MATERIALIZATION_PLANNED' ORDER BY id OFFSET %(left)s)""",
                {"run": run_id, "left": left},
            )

    done = run(dagster_instance, [BAIDU, WEIBO])
    cut(done)
    assert mirror(done) == "written"
    row = rows(engine)[done]
    assert (row.status, row.total_items, sorted(row.platforms_processed)) == ("completed", 42, ["baidu", "weibo"])
    never_begun = create(dagster_instance, [BAIDU], DagsterEventType.RUN_FAILURE)
    cut(never_begun.run_id)
    assert mirror(never_begun.run_id) == "written"
    row = rows(engine)[never_begun.run_id]
    assert (row.status, [*row.metadata["planned"]]) == ("failed", ["baidu"])


def test_totals_beyond_the_column_are_written(dagster_instance: DagsterInstance, engine: sa.Engine, mirror: Any):
    run_id = run(dagster_instance, [FakeTable("baidu", 2**31 - 1), FakeTable("weibo", 2**40)])
    mirror(run_id)
    row = rows(engine)[run_id]
    assert (row.total_items, row.metadata["summary"]["rows"], row.metadata["weibo_items"]) == (
        2**31 - 1,
        2**31 - 1 + 2**40,
        2**40,
    )


def test_two_deployments_share_a_table_without_touching_each_others_rows(
    dagster_instance: DagsterInstance, engine: sa.Engine, mirror: Any
):
    run_id = run(dagster_instance, [BAIDU])
    assert mirror(run_id) == "written"
    assert mirror(run_id, owner=Owner("staging", "one"), job_type="other") == "unchanged"
    assert rows(engine)[run_id].job_type == JOB_TYPE
