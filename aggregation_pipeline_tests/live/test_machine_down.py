"""A machine goes down with daemon, code server and runs, so that no process has seen the runs die."""

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from dagster import DagsterRunStatus

from aggregation_pipeline.postgres.run_lock import PROCESS_GONE
from aggregation_pipeline.postgres.window_lock import window_lock
from aggregation_pipeline.runs.tags import HEARTBEAT_TAG
from aggregation_pipeline_tests.support.dev import DAILY_ORDERS, Dev, deployed_dev, make_orders
from aggregation_pipeline_tests.support.waiting import until

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import MySQLServer, PostgresServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(540)]


def pull_the_plug(dev: Dev, worker: int) -> None:
    """Kill everything at once, so that no process notices the end of another."""
    assert dev.process is not None
    family = psutil.Process(dev.process.pid).children(recursive=True)
    assert worker in {child.pid for child in family}
    for process in [*family, psutil.Process(dev.process.pid)]:
        process.suspend()
    for process in [*family, psutil.Process(dev.process.pid)]:
        os.kill(process.pid, signal.SIGKILL)
    dev.process.wait()
    dev.process = None


def test_its_runs_are_failed_soon_after_it_is_up_again(
    mariadb: "MySQLServer", postgres: "PostgresServer", server_folder: Path
):
    source = make_orders(mariadb, ["(1, 'new', '2026-11-01 10:00:00')"])
    with deployed_dev(server_folder / "plug", DAILY_ORDERS, source, postgres.fresh_database()) as dev:
        dev.start()
        with window_lock(dev.url, "", "orders", "2026-11-01", holder="the test", on_wait=pytest.fail):
            run = dev.launched("2026-11-01", DagsterRunStatus.STARTED)
            until("its lock", lambda: HEARTBEAT_TAG in dev.now(run).tags, said=dev.log)
            pull_the_plug(dev, dev.pid_of(run))
        assert dev.status(run) == DagsterRunStatus.STARTED
        dev.start()
        until("the end of the run", lambda: dev.status(run) == DagsterRunStatus.FAILURE, 90, said=dev.log)
        row = until("its row", lambda: dev.row(run.run_id, "failed"), 60, said=dev.log)
        assert PROCESS_GONE in row.metadata["errors"][0]["error"]
