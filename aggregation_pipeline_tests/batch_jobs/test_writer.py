"""A run has one row, which never goes back, and rows of others are never touched."""

import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aggregation_pipeline.batch_jobs.projection import project, row_id
from aggregation_pipeline.batch_jobs.writer import open_row_states, record, row_states
from aggregation_pipeline.errors import MirrorBusyError, MirrorError
from aggregation_pipeline.postgres.engine import create_engine
from aggregation_pipeline.runs.model import BatchJobRow, Event, Failed, Finished, Owner, Planned, RunInfo, Started
from aggregation_pipeline_tests.support.runs import new_batch_jobs, rows

NOON = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
PROD = Owner("prod", "one")
RUN_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
HISTORY: list[tuple[str, Event]] = [
    ("QUEUED", Planned(1, "baidu")),
    ("QUEUED", Planned(2, "weibo")),
    ("STARTED", Event(3)),
    ("STARTED", Started(4, "baidu")),
    ("STARTED", Finished(5, "baidu", None, 10, table="baidu")),
    ("STARTED", Failed(6, NOON, "aggregate_weibo", "weibo", "half a pair \ud800, a \x00")),
    ("CANCELED", Event(7)),
    # Dagster may finish a run that it called cancelled.
    ("SUCCESS", Event(8)),
]


def reading(
    length: int, *, run_id: str = RUN_ID, deployment: str = "prod", instance: str = "one", **changes: Any
) -> BatchJobRow:
    """The row as somebody sees it who read the first `length` events."""
    status = HISTORY[length - 1][0]
    run = RunInfo(
        run_id,
        "aggregate",
        status,
        NOON,
        NOON + timedelta(seconds=length),
        NOON if length > 2 else None,
        NOON if length > 6 else None,
    )
    events = [event for _, event in HISTORY[:length]]
    row = project(
        run,
        events,
        owner=Owner(deployment, instance),
        job_type="data_collection",
        platforms={"baidu": "baidu", "weibo": "weibo"},
    )
    return replace(row, **changes)


@pytest.fixture(scope="module")
def database(postgres: Any) -> sa.Engine:
    return new_batch_jobs(postgres.fresh_database())


@pytest.fixture
def engine(database: sa.Engine) -> sa.Engine:
    with database.begin() as connection:
        connection.exec_driver_sql("TRUNCATE batch_jobs")
    return database


def only(engine: sa.Engine) -> Any:
    (found,) = rows(engine).values()
    return found


def test_the_same_row_twice_is_written_once(engine: sa.Engine):
    assert [record(engine, reading(5)), record(engine, reading(5))] == [True, False]
    found = only(engine)
    assert (str(found.id), found.status, found.total_items, found.platforms_processed) == (
        RUN_ID,
        "in_progress",
        10,
        ["baidu"],
    )
    assert (found.started_at, found.completed_at, found.created_at) == (NOON, None, NOON)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(order=st.lists(st.integers(1, len(HISTORY)), min_size=1, max_size=12))
def test_readings_that_arrive_repeated_and_in_any_order_leave_the_newest(engine: sa.Engine, order: list[int]):
    with engine.connect() as connection:
        with connection.begin():
            connection.exec_driver_sql("TRUNCATE batch_jobs")
        newest = 0
        for length in order:
            assert record(connection, reading(length)) is (length > newest)
            newest = max(newest, length)
            found = (
                connection.execute(sa.text("SELECT metadata->'dagster'->'last_event' FROM batch_jobs")).scalars().all()
            )
            connection.rollback()
            assert found == [newest]


def test_an_event_that_was_committed_late_makes_a_newer_version(engine: sa.Engine):
    whole = reading(8)
    metadata = copy.deepcopy(dict(whole.metadata))
    metadata["dagster"]["version"] = [2, 8, 7]
    missed_one = replace(whole, metadata=metadata, total_items=0)
    assert [record(engine, missed_one), record(engine, whole), record(engine, missed_one)] == [True, True, False]
    assert only(engine).total_items == 10


def test_rows_of_other_people_and_of_other_deployments_are_never_touched(engine: sa.Engine):
    with engine.begin() as connection:
        connection.execute(
            sa.text("INSERT INTO batch_jobs (id, job_type, metadata) VALUES (:id, 'theirs', NULL)"), {"id": RUN_ID}
        )
    assert record(engine, reading(8)) is False
    assert only(engine).job_type == "theirs"
    other = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
    assert record(engine, reading(3, run_id=other, deployment="staging")) is True
    assert record(engine, reading(8, run_id=other, deployment="prod")) is False
    assert rows(engine)[other].status == "in_progress"
    with engine.connect() as connection:
        assert set(open_row_states(connection, Owner("staging", "one"))) == {row_id(other)}
        assert open_row_states(connection, PROD) == {}
        assert row_states(connection, PROD, [row_id(RUN_ID), row_id(other)]) == {}


def test_a_row_of_ours_that_somebody_edited_by_hand_does_not_break_the_upsert(engine: sa.Engine):
    record(engine, reading(3))
    with engine.begin() as connection:
        connection.exec_driver_sql(
            """UPDATE batch_jobs SET status = '?', metadata =
               '{"dagster": {"deployment": "prod", "instance": "one", "version": "rubbish"}}'"""
        )
    assert record(engine, reading(4)) is True
    assert only(engine).status == "in_progress"


def test_text_that_postgresql_refuses_is_cleaned(engine: sa.Engine):
    bad = "a\x00b\ud800c"
    row = reading(8, job_type=bad, platforms_processed=(bad, "百度😀"), total_items=2**40)
    assert (
        record(engine, replace(row, metadata={**row.metadata, bad: {"list": [bad, float("nan"), 1.5, None, True]}}))
        is True
    )
    found = only(engine)
    assert (found.job_type, found.platforms_processed, found.total_items) == (
        "a�b�c",
        ["a�b�c", "百度😀"],
        2_147_483_647,
    )
    assert found.metadata["a�b�c"] == {"list": ["a�b�c", None, 1.5, None, True]}
    assert found.metadata["results"]["weibo"]["error"] == "half a pair �, a �"


def test_a_refused_row_is_written_with_the_bare_facts_and_heals_when_the_reason_is_gone(engine: sa.Engine):
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE batch_jobs ADD CONSTRAINT tiny CHECK (metadata->'results' IS NULL)")
    try:
        assert [record(engine, reading(8)), record(engine, reading(8))] == [True, False]
        found = only(engine)
        assert (found.status, found.total_items, found.platforms_processed) == ("completed", 10, [])
        assert set(found.metadata) == {"dagster", "mirror_error"}
        assert 'violates check constraint "tiny"' in found.metadata["mirror_error"]
        assert "Failing row" not in found.metadata["mirror_error"]
        with engine.connect() as connection:
            assert row_states(connection, PROD, [row_id(RUN_ID)])[row_id(RUN_ID)].refused
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE batch_jobs DROP CONSTRAINT tiny")
    assert record(engine, reading(8)) is True
    assert "mirror_error" not in only(engine).metadata


def test_a_table_that_takes_no_row_at_all_is_an_error_that_says_what_to_check(postgres: Any):
    engine = create_engine(postgres.fresh_database(), application_name="aggregation test")
    with pytest.raises(
        MirrorError,
        match=r"run 0f8fad5b.* could not be recorded: batch_jobs refuses the row \(relation .* does not exist.*grants",
    ):
        record(engine, reading(3))


def test_a_server_that_is_down_is_worth_a_retry():
    engine = create_engine("postgresql://ada:secret@127.0.0.1:1/shop", application_name="aggregation test")
    with pytest.raises(MirrorBusyError, match="batch_jobs cannot be reached") as caught:
        record(engine, reading(3))
    assert caught.value.retryable
    assert "secret" not in str(caught.value)
