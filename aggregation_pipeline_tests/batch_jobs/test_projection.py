"""The row of a run is a pure function of its record and its events: status, times, origin, version."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregation_pipeline.batch_jobs.projection import row_id
from aggregation_pipeline.runs.model import Event, Started
from aggregation_pipeline_tests.batch_jobs.projected import NOON, RUN_ID, done, failed, planned, row, run_info


@pytest.mark.parametrize(
    ("dagster", "expected"),
    [
        ("NOT_STARTED", "pending"),
        ("QUEUED", "pending"),
        ("STARTING", "pending"),
        ("STARTED", "in_progress"),
        ("CANCELING", "in_progress"),
        ("SUCCESS", "completed"),
        ("FAILURE", "failed"),
        ("CANCELED", "failed"),
    ],
)
def test_a_runs_status_becomes_one_of_the_four_words_and_the_metadata_keeps_dagsters(dagster: str, expected: str):
    made = row(run_info(dagster), *planned("baidu"))
    assert (made.status, made.metadata["dagster"]["status"]) == (expected, dagster)


def test_a_queued_run_shows_what_is_planned_and_has_not_started():
    made = row(run_info("QUEUED", started_at=None), *planned("weibo", "baidu"))
    assert (str(made.id), made.job_type, made.started_at, made.completed_at, made.created_at) == (
        RUN_ID,
        "data_collection",
        None,
        None,
        NOON,
    )
    assert (made.platforms_processed, made.total_items) == ((), 0)
    assert made.metadata["planned"] == ["baidu", "weibo"], "in the order of the configuration"
    assert {name: result["status"] for name, result in made.metadata["results"].items()} == {
        "baidu": "pending",
        "weibo": "pending",
    }


def test_times_are_measured_from_the_runs_record():
    made = row(run_info("SUCCESS"), *planned("baidu"), done(10, "baidu", 1, seconds=1.25))
    assert made.metadata["timing"] == {"wait_seconds": 2.0, "run_seconds": 10.0, "table_seconds": 1.25}
    # Two clocks may stamp the two ends of a short run.
    ended = {
        "started_at": NOON - timedelta(seconds=1),
        "completed_at": NOON - timedelta(seconds=1) + timedelta(microseconds=500_700),
    }
    metadata = row(run_info("SUCCESS", **ended), *planned("baidu"), done(10, "baidu", 1, seconds=0.00049)).metadata
    assert metadata["timing"] == {"wait_seconds": 0.0, "run_seconds": 0.501, "table_seconds": 0.0}
    assert metadata["results"]["baidu"]["seconds"] == 0.0
    never_started = row(run_info("CANCELED", started_at=None), *planned("baidu")).metadata["timing"]
    assert never_started == {"wait_seconds": None, "run_seconds": None, "table_seconds": 0.0}


def test_the_metadata_says_where_a_run_came_from():
    tags = {
        "dagster/partition": "2026-11-19",
        "dagster/schedule_name": "aggregate_schedule",
        "aggregation/logical_time": "t",
        "mine": "x",
    }
    dagster = row(run_info(tags=tags), *planned("baidu")).metadata["dagster"]
    assert dagster == {
        "format": 1,
        "deployment": "prod",
        "instance": "one",
        "run_id": RUN_ID,
        "job": "aggregate",
        "status": "STARTED",
        "partition": "2026-11-19",
        "schedule": "aggregate_schedule",
        "logical_time": "t",
        "updated": NOON.isoformat(),
        "last_event": 1,
        "version": [1, 1, 1],
    }
    every = {
        "partition": "dagster/partition",
        "partition_range_start": "dagster/asset_partition_range_start",
        "partition_range_end": "dagster/asset_partition_range_end",
        "backfill": "dagster/backfill",
        "schedule": "dagster/schedule_name",
        "sensor": "dagster/sensor_name",
        "parent_run_id": "dagster/parent_run_id",
        "root_run_id": "dagster/root_run_id",
        "logical_time": "aggregation/logical_time",
        "requested_by": "aggregation/requested_by",
        "request_id": "aggregation/request_id",
    }
    dagster = row(run_info(tags={tag: f"the {key}" for key, tag in every.items()}), *planned("baidu")).metadata[
        "dagster"
    ]
    assert {key: dagster[key] for key in every} == {key: f"the {key}" for key in every}


def test_a_later_state_of_a_run_has_a_greater_version_and_both_ends_the_same():
    ranks = [
        row(run_info(status)).metadata["dagster"]["version"][0]
        for status in ("QUEUED", "STARTED", "SUCCESS", "FAILURE", "CANCELED")
    ]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == 3
    assert len(set(ranks[2:])) == 1
    dagster = row(run_info()).metadata["dagster"]
    assert (dagster["last_event"], dagster["version"]) == (0, [1, 0, 0]), "before its first event"


def test_a_run_id_that_is_no_uuid_gets_one_that_is_always_the_same():
    assert str(row_id(RUN_ID)) == RUN_ID
    assert row_id("nightly-7") == row_id("nightly-7") != row_id("nightly-8")


EVENTS = [
    *planned("baidu", "weibo", "zhihu"),
    Started(10, "weibo"),
    done(11, "weibo", 30),
    done(12, "weibo", 31),
    failed(13, "baidu", "x"),
    Event(99),
]


@given(shuffled=st.permutations(EVENTS * 2))
def test_the_order_of_reading_and_reading_twice_change_nothing(shuffled: list[Event]):
    assert row(run_info("FAILURE"), *shuffled) == row(run_info("FAILURE"), *EVENTS)
