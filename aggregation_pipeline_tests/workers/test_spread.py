"""What a second worker is worth: runs that wait for the source database are computed side by side."""

import time
from contextlib import ExitStack

import pytest
from dagster import DagsterRunStatus

from aggregation_pipeline_tests.support.waiting import until
from aggregation_pipeline_tests.support.workers import Cluster
from aggregation_pipeline_tests.workers.conftest import SLOW_TABLES
from aggregation_pipeline_tests.workers.test_workers import serving

pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.timeout(900)]


def seconds_of_eight(workers: Cluster, *names: str) -> float:
    """How long workers with one slot each take for eight runs that wait in the queue already."""
    run_ids = [workers.launch_tables(table, queue="spread") for table in SLOW_TABLES]
    until("messages", lambda: workers.broker.waiting_runs({"spread"}) == {*run_ids}, said=workers.everything)
    with ExitStack() as stack:
        options = ("--concurrency", "1", "--queues", "idle")
        used = [stack.enter_context(serving(workers, name, *options)) for name in names]
        nodes = [node for node in workers.broker.workers(5) if node.partition("@")[0] in names]
        assert len(nodes) == len(names)
        app = workers.broker.app()
        stack.callback(app.close)
        began = time.monotonic()
        app.control.add_consumer("spread", destination=nodes)
        workers.wait_for(run_ids, DagsterRunStatus.SUCCESS, seconds=600)
        seconds = time.monotonic() - began
        assert sum(worker.log().count(f"Run {run_id} began") for worker in used for run_id in run_ids) == 8
    return seconds


def test_two_workers_compute_eight_runs_in_little_more_than_half_the_time_of_one(workers: Cluster):
    one = seconds_of_eight(workers, "first")
    two = seconds_of_eight(workers, "first", "second")
    print(f"one worker {one:.1f} s, two workers {two:.1f} s, {one / two:.2f} times as fast")
    assert one / two >= 1.8
