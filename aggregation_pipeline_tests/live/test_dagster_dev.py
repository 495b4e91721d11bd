"""The whole of Dagster as people run it: `dagster dev` with its daemon, GraphQL as the UI sends it, real servers."""

import json
import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from dagster import DagsterRunStatus, RunsFilter

from aggregation_pipeline.postgres.window_lock import window_lock
from aggregation_pipeline_tests.support.dev import Dev, deployed_dev, make_orders
from aggregation_pipeline_tests.support.ticks import looks
from aggregation_pipeline_tests.support.waiting import until

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import MySQLServer, PostgresServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(540)]
TODAY = datetime.now(UTC).date()
DAYS = [str(TODAY - timedelta(days=back)) for back in range(10, 0, -1)]
BAD = DAYS[3]
CONFIG = """
    tables:
      orders:
        select_fields: [id, status]
        partition: {{column: created_at, every: day, start: {first}}}
        schedule: none
        backfill: {{partitions_per_run: all}}
        checks: {{max_rows: 3, blocking: true}}
      caught:
        table: orders
        aggregations: [{{function: COUNT}}]
        partition: {{column: created_at, every: day, start: {recent}}}
        schedule: 0 0 1 1 *
      ticking:
        table: orders
        aggregations: [{{function: COUNT}}]
        partition: {{column: created_at, every: day, start: {first}}}
        schedule: '* * * * *'
        catch_up: none
      whole:
        table: orders
        schedule: none
"""


@pytest.fixture(scope="module")
def dev(mariadb: "MySQLServer", postgres: "PostgresServer", server_folder: Path) -> Iterator[Dev]:
    rows = [
        f"({10 * number + n}, 'new', '{day} 1{n}:00:00')"
        for number, day in enumerate(DAYS)
        for n in range(4 if day == BAD else 3)
    ]
    config = CONFIG.format(first=DAYS[0], recent=DAYS[4])
    with deployed_dev(server_folder / "dev", config, make_orders(mariadb, rows), postgres.fresh_database()) as found:
        found.start()
        yield found


def test_a_backfill_of_ten_days_from_the_ui_is_one_run_and_loses_one_bad_day_only(dev: Dev):
    keys = [["aggregation", "orders"], *(["export", f"orders_{name}"] for name in ("csv", "json", "manifest"))]
    backfill = dev.backfill(keys, DAYS)
    (run,) = until("the backfill", lambda: dev.finished(**{"dagster/backfill": backfill}))
    assert run.status == DagsterRunStatus.FAILURE
    assert dev.windows("orders") == [day for day in DAYS if day != BAD]
    answer = dev.ask(
        """{ assetNodeOrError(assetKey: {path: ["aggregation", "orders"]}) { ... on AssetNode {
             partitionStats { numMaterialized numFailed }
             assetChecksOrError { ... on AssetChecks {
               checks { name executionForLatestMaterialization { status } } } } } } }"""
    )["data"]["assetNodeOrError"]
    assert answer["partitionStats"] == {"numMaterialized": 9, "numFailed": 1}
    # As a person mends it: the extra row goes, and only what failed is filled again; then csv alone, for some days.
    row = until("its row in batch_jobs", lambda: dev.row(run.run_id, "failed"))
    assert row.total_items == 27
    assert f"{BAD}: Nothing was published" in json.dumps(row.metadata)


def test_only_csv_for_some_days_from_the_ui(dev: Dev):
    backfill = dev.backfill([["export", "orders_csv"]], DAYS[5:8])
    (run,) = until("the backfill", lambda: dev.finished(**{"dagster/backfill": backfill}))
    assert run.status == DagsterRunStatus.SUCCESS


def test_a_mixed_selection_from_the_ui(dev: Dev):
    """Partitioned tables with one that is taken whole, as the UI sends `Materialize all`."""
    backfill = dev.backfill(
        [["aggregation", "orders"], ["export", "orders_manifest"], ["aggregation", "whole"]], DAYS[8:10]
    )
    runs = until("the backfill", lambda: dev.finished(**{"dagster/backfill": backfill}))
    assert {run.status for run in runs} == {DagsterRunStatus.SUCCESS}
    until("the whole table", lambda: dev.windows("whole"))


def test_a_new_deployment_catches_up_nothing_that_was_over_before_it(dev: Dev):
    until("a look", lambda: looks(dev) >= 2)
    assert dev.windows("caught") == []


def test_a_tick_launches_the_newest_complete_partition(dev: Dev):
    until("a tick", lambda: dev.windows("ticking"))
    assert dev.windows("ticking") == DAYS[-1:]
    run = list(dev.instance.get_runs(RunsFilter(job_name="aggregate_daily_partitions_every_minute")))[-1]
    assert run.tags["dagster/partition"] == DAYS[-1]
    assert run.tags["dagster/run_key"].startswith(f"{DAYS[-1]} ")


def test_a_run_that_waits_for_a_window_and_is_killed_is_found_and_the_window_is_free(dev: Dev):
    said: list[str] = []
    with window_lock(dev.url, "", "orders", DAYS[0], holder="the test", on_wait=said.append):
        backfill = dev.backfill([["aggregation", "orders"], ["export", "orders_manifest"]], DAYS[:1])
        tags = {"dagster/backfill": backfill}
        (run,) = until(
            "the run", lambda: list(dev.instance.get_runs(RunsFilter(tags=tags, statuses=[DagsterRunStatus.STARTED])))
        )
        logs = until(
            "the wait",
            lambda: [
                entry for entry in dev.instance.all_logs(run.run_id) if "is held by the test" in entry.user_message
            ],
        )
        assert logs[0].user_message.startswith(f"Waiting for table orders, window {DAYS[0]}: it is held by the test")
        os.kill(dev.pid_of(run), signal.SIGKILL)
        until("the end of the run", lambda: dev.finished(**tags))
    with window_lock(dev.url, "", "orders", DAYS[0], holder="the test", on_wait=said.append):
        assert not said
    assert until("its row in batch_jobs", lambda: dev.row(run.run_id, "failed"))
