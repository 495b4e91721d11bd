"""RUNNER=celery with two workers, each with folders of its own, on real servers."""

import pytest
from dagster import DagsterRunStatus

from aggregation_pipeline_tests.support.waiting import until
from aggregation_pipeline_tests.support.workers import Cluster

pytestmark = [pytest.mark.slow, pytest.mark.timeout(540)]
SUCCESS, FAILURE = DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE


def test_a_run_is_computed_by_a_worker_and_has_its_row(workers: Cluster):
    run_id = workers.launch_tables("t00")
    (run,) = workers.wait_for([run_id], SUCCESS, FAILURE)
    assert run.status == SUCCESS, workers.everything()
    assert workers.worker_of(run_id) in {"one", "two"}
    row = until("its row", lambda: workers.row(run_id, "completed"), 60, said=workers.everything)
    assert row.total_items == 1
