"""The slot of a pool whose run was killed, in a real `dagster dev`."""

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from dagster import DagsterRunStatus

from aggregation_pipeline.assets.tables import source_pool
from aggregation_pipeline.postgres.window_lock import window_lock
from aggregation_pipeline_tests.support.dev import DAILY_ORDERS, deployed_dev, make_orders
from aggregation_pipeline_tests.support.waiting import until

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import MySQLServer, PostgresServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(540)]
# As in dagster.yaml: 60 seconds after the end of the run, with a look every 20. The rest is for the queue, the start of
# the run, and a busy machine.
SOON = 60 + 20 + 50


def test_the_slot_of_a_killed_run_goes_to_the_run_that_waits_for_it(
    mariadb: "MySQLServer", postgres: "PostgresServer", server_folder: Path
):
    source = make_orders(mariadb, ["(1, 'new', '2026-11-01 10:00:00')", "(2, 'new', '2026-11-02 10:00:00')"])
    pool = source_pool(source["DB_NAME"])
    with deployed_dev(server_folder / "pools", DAILY_ORDERS, source, postgres.fresh_database()) as dev:
        slots = dev.instance.event_log_storage
        slots.set_concurrency_slots(pool, 1)
        dev.start()
        with window_lock(dev.url, "", "orders", "2026-11-01", holder="the test", on_wait=pytest.fail):
            killed = dev.launched("2026-11-01", DagsterRunStatus.STARTED)
            until("its slot", lambda: slots.get_concurrency_info(pool).active_run_ids == {killed.run_id}, said=dev.log)
            waiting = dev.launched("2026-11-02", DagsterRunStatus.QUEUED)
            until(
                "its wait", lambda: f"Run {waiting.run_id} is blocked by global concurrency" in dev.log(), said=dev.log
            )
            os.kill(dev.pid_of(killed), signal.SIGKILL)
            until("the end of the killed run", lambda: dev.status(killed) == DagsterRunStatus.FAILURE, said=dev.log)
            # Nobody has freed the slot yet: the dead run still has it, and the other run waits.
            assert slots.get_concurrency_info(pool).active_run_ids == {killed.run_id}
            assert dev.status(waiting) == DagsterRunStatus.QUEUED
            until("the slot", lambda: dev.status(waiting) == DagsterRunStatus.SUCCESS, SOON, said=dev.log)
