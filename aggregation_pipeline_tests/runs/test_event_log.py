"""Events of runs in Dagster's storage on PostgreSQL."""

from collections.abc import Iterator
from typing import Any

import pytest
from dagster import DagsterEventType as Did
from dagster import DagsterInstance

from aggregation_pipeline.batch_jobs.projection import project
from aggregation_pipeline.runs.event_log import run_events
from aggregation_pipeline.runs.model import Owner
from aggregation_pipeline.runs.run_records import run_info
from aggregation_pipeline_tests.support.runs import FakeTable, create, open_instance, report


@pytest.fixture(scope="module")
def instance(postgres: Any) -> Iterator[DagsterInstance]:
    with open_instance(postgres.fresh_database()) as opened:
        yield opened


def test_a_run_that_goes_back_into_the_queue_stays_pending_and_its_versions_grow(instance: DagsterInstance):
    # As a run does every minute while the code server is away.
    run = create(instance, [FakeTable("users", 3)])
    rows = []
    for event in [Did.RUN_ENQUEUED, *[Did.RUN_STARTING, Did.RUN_ENQUEUED] * 3]:
        report(instance, run, event)
        record = instance.get_run_record_by_id(run.run_id)
        events = run_events(instance, run.run_id, {"users": "users"})
        assert record is not None
        assert events is not None
        rows.append(
            project(
                run_info(record),
                events,
                owner=Owner("test", "here"),
                job_type="data_collection",
                platforms={"users": "users"},
            )
        )
    assert {(row.status, row.started_at, row.completed_at) for row in rows} == {("pending", None, None)}
    versions = [row.metadata["dagster"]["version"] for row in rows]
    assert versions == sorted(versions)
    assert len({str(version) for version in versions}) == len(rows)
