"""Records of runs, page by page and as plain values."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus

from aggregation_pipeline.runs.run_records import run_info, runs_since
from aggregation_pipeline_tests.support.runs import open_instance

FAILED = [DagsterRunStatus.FAILURE]


@pytest.fixture
def instance(postgres: Any) -> Iterator[DagsterInstance]:
    with open_instance(postgres.fresh_database()) as opened:
        yield opened


def failed_run(instance: DagsterInstance) -> str:
    return instance.add_run(DagsterRun("aggregate", status=DagsterRunStatus.FAILURE)).run_id


def test_pages_hold_every_run_once_and_in_the_order_of_their_changes(instance: DagsterInstance):
    expected = [failed_run(instance) for _ in range(5)]
    instance.add_run(DagsterRun("aggregate", status=DagsterRunStatus.SUCCESS))
    since = datetime.now(UTC) - timedelta(hours=1)
    pages = [[run.dagster_run.run_id for run in page] for page in runs_since(instance, FAILED, since, limit=2)]
    assert [run_id for page in pages for run_id in page] == expected
    assert max(map(len, pages)) <= 2


def test_runs_that_changed_before_are_left_out(instance: DagsterInstance):
    failed_run(instance)
    assert list(runs_since(instance, FAILED, datetime.now(UTC) + timedelta(minutes=1), limit=2)) == []


def test_a_run_that_ended_without_an_end_time_ended_when_it_last_changed(instance: DagsterInstance):
    record = instance.get_run_record_by_id(failed_run(instance))
    assert record is not None
    info = run_info(record)
    assert info.started_at is None
    assert info.completed_at == info.updated_at
    assert info.created_at.tzinfo == UTC
