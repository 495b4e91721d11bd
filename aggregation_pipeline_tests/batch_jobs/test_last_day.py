"""What the rows say about the last day: real runs, mirrored, and rows that time and people have changed."""

import json
import time
from typing import Any

import pytest
import sqlalchemy as sa
from dagster import DagsterEventType, DagsterInstance, Failure

from aggregation_pipeline.batch_jobs.last_day import LastDay, TableFigures, read_last_day
from aggregation_pipeline.batch_jobs.mirror import owner_of
from aggregation_pipeline.batch_jobs.repository import postgres_repository
from aggregation_pipeline.errors import MirrorBusyError
from aggregation_pipeline.runs.model import Owner
from aggregation_pipeline_tests.batch_jobs.mirrored_tables import BAIDU, WEIBO
from aggregation_pipeline_tests.support.runs import JOB_TYPE, FakeTable, create, run

STAGES = {"read": 0.125, "render": 0.062, "publish": 0.031}


def fail(_context: Any) -> None:
    raise Failure("the source is away")


BROKEN_WEIBO = FakeTable("weibo", 12, action=fail)


@pytest.fixture
def last_day(dagster_instance: DagsterInstance, engine: sa.Engine) -> Any:
    def read(deployment: str = "prod", job_type: str = JOB_TYPE) -> LastDay:
        with engine.connect() as connection:
            return read_last_day(connection, owner_of(dagster_instance, deployment), job_type)

    return read


def change(engine: sa.Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)


def test_real_runs_are_summed_by_table(dagster_instance: DagsterInstance, mirror: Any, last_day: Any):
    assert last_day() == LastDay(0, 0, {})
    shop = [FakeTable("orders", 5, platform="shop"), FakeTable("customers", 7, platform="shop")]
    for tables in ([BAIDU, WEIBO], [BAIDU, BROKEN_WEIBO], shop):
        mirror(run(dagster_instance, tables))
    found = last_day()
    assert (found.completed, found.failed) == (2, 1)
    twice = {stage: 2 * seconds for stage, seconds in STAGES.items()}
    assert found.tables["baidu"] == TableFigures(60, 600, 2, 2, 0, 0.5, twice, failing=False)
    weibo = found.tables["weibo"]
    assert (weibo.items, weibo.published, weibo.unpublished, weibo.failing) == (12, 1, 1, True)
    # Two tables of one platform stay apart.
    assert {name: found.tables[name].items for name in ("orders", "customers")} == {"orders": 5, "customers": 7}
    mirror(run(dagster_instance, [WEIBO]))
    assert last_day().tables["weibo"].failing is False


def test_a_run_counts_when_it_has_ended_and_once(dagster_instance: DagsterInstance, mirror: Any, last_day: Any):
    mirror(create(dagster_instance, [BAIDU], DagsterEventType.RUN_START).run_id)
    assert last_day() == LastDay(0, 0, {})
    late = run(dagster_instance, [BAIDU])
    for _ in range(3):
        mirror(late)
    assert (last_day().completed, last_day().tables["baidu"].items) == (1, 30)


def test_a_run_that_took_days_counts_from_its_end_and_leaves_after_a_day(
    dagster_instance: DagsterInstance, engine: sa.Engine, mirror: Any, last_day: Any
):
    mirror(run(dagster_instance, [BAIDU, BROKEN_WEIBO]))
    change(
        engine, "UPDATE batch_jobs SET created_at = now() - interval '6 days', started_at = now() - interval '6 days'"
    )
    assert (last_day().failed, last_day().tables["baidu"].items) == (1, 30)
    change(engine, "UPDATE batch_jobs SET completed_at = now() - interval '25 hours'")
    found = last_day()
    assert (found.failed, found.tables["baidu"].items, found.tables["baidu"].seconds) == (0, 0, 0.0)
    # Which result was the newest is known for a week.
    assert (found.tables["baidu"].failing, found.tables["weibo"].failing) == (False, True)
    change(engine, "UPDATE batch_jobs SET created_at = now() - interval '8 days'")
    assert last_day() == LastDay(0, 0, {})


def test_a_prune_changes_nothing(dagster_instance: DagsterInstance, engine: sa.Engine, mirror: Any, last_day: Any):
    """Nobody can prune what ended within the last day: --days and BATCH_JOBS_RETENTION_DAYS begin at 1."""
    mirror(run(dagster_instance, [BAIDU, BROKEN_WEIBO]))
    change(engine, "UPDATE batch_jobs SET completed_at = now() - interval '23 hours 59 minutes'")
    mirror(run(dagster_instance, [BAIDU]))
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO batch_jobs SELECT gen_random_uuid(), job_type, status, platforms_processed, total_items,"
            " metadata, started_at, now() - interval '30 hours', created_at - interval '31 hours' FROM batch_jobs"
        )
        day_ago = connection.exec_driver_sql("SELECT now() - interval '1 day'").scalar_one()
    before = last_day()
    with postgres_repository(engine, 30) as rows:
        assert rows.prune(owner_of(dagster_instance, "prod"), day_ago) == 2
    assert last_day() == before
    assert (before.completed, before.failed) == (1, 1)


def test_rows_of_others_and_what_people_wrote_into_ours_are_left_out(
    dagster_instance: DagsterInstance, engine: sa.Engine, mirror: Any, last_day: Any
):
    mirror(run(dagster_instance, [BAIDU]))
    mirror(run(dagster_instance, [WEIBO]))
    assert last_day("staging") == last_day("prod", "another_type") == LastDay(0, 0, {})
    for results in ('"none"', "[1]", "null", '{"weibo": 1}', '{"weibo": {"by_table": []}}'):
        set_results(engine, results)
        assert (last_day().completed, set(last_day().tables)) == (2, {"baidu"}), results
    table = {"items": 1, "bytes": 1, "files": 1, "partitions": 1, "planned_partitions": 1, "seconds": 1}
    whole = {**table, "stages": {"read": 0, "render": 0, "publish": 0}}
    for wrong in (table, {**whole, "items": "7"}, {**whole, "stages": {"read": None}}):
        set_results(engine, json.dumps({"weibo": {"by_table": {"weibo": wrong}}}))
        assert set(last_day().tables) == {"baidu"}
    set_results(engine, json.dumps({"weibo": {"by_table": {"weibo": whole}}}))
    assert last_day().tables["weibo"] == TableFigures(1, 1, 1, 1, 0, 1, dict.fromkeys(STAGES, 0))
    change(engine, "UPDATE batch_jobs SET metadata = metadata - 'results'")
    assert last_day() == LastDay(2, 0, {})


def set_results(engine: sa.Engine, text: str) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "UPDATE batch_jobs SET metadata = jsonb_set(metadata, '{results}', CAST(:results AS jsonb))"
                " WHERE metadata -> 'planned' ? 'weibo'"
            ),
            {"results": text},
        )


def test_a_statement_that_takes_too_long_is_ended_by_the_server(engine: sa.Engine, last_day: Any):
    with engine.connect() as holder, holder.begin():
        holder.exec_driver_sql("LOCK TABLE batch_jobs IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        with pytest.raises(MirrorBusyError, match="statement timeout"):
            last_day()
        assert time.monotonic() - began < 10


@pytest.mark.slow
@pytest.mark.alone
def test_a_hundred_thousand_rows_take_less_than_300_ms(
    dagster_instance: DagsterInstance, engine: sa.Engine, mirror: Any, last_day: Any
):
    """Over 90 days, each with 1.5 KB of metadata: the index finds those of the last week."""
    run_id = run(dagster_instance, [BAIDU, WEIBO])
    mirror(run_id)
    with engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        connection.exec_driver_sql(
            "INSERT INTO batch_jobs SELECT gen_random_uuid(), job_type, status, platforms_processed, total_items,"
            " metadata || jsonb_build_object('pad', repeat('x', greatest(0, 1500 - length(metadata::text)))),"
            " moment, moment, moment FROM batch_jobs,"
            " LATERAL (SELECT now() - n * interval '77.76 seconds' AS moment FROM generate_series(1, 100000) n) AS m"
        )
        size = connection.exec_driver_sql("SELECT avg(length(metadata::text)) FROM batch_jobs").scalar_one()
    assert size >= 1500
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("SET statement_timeout = 0")
        connection.exec_driver_sql("VACUUM ANALYZE batch_jobs")
    taken = []
    with engine.connect() as connection:
        owner = owner_of(dagster_instance, "prod")
        for _ in range(6):
            began = time.monotonic()
            found = read_last_day(connection, owner, JOB_TYPE)
            taken.append(time.monotonic() - began)
    assert 1_100 < found.completed < 1_120
    assert min(taken[1:]) < 0.3, taken


def test_an_owner_is_told_from_another_by_both_parts(engine: sa.Engine):
    with engine.connect() as connection:
        assert read_last_day(connection, Owner("a'b", ":kind"), "%s") == LastDay(0, 0, {})
