"""A service that was down over several ticks: a real `dagster dev` runs some days ago, and is started again today."""

import os
import shutil
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from dagster import DagsterEventType, DagsterRun, DagsterRunStatus
from dagster._core.scheduler.instigation import InstigatorType

from aggregation_pipeline.automation.catch_up import CATCH_UP
from aggregation_pipeline.automation.retention import RETENTION_JOB
from aggregation_pipeline.runs.tags import SCHEDULE_NAME_TAG
from aggregation_pipeline_tests.support.dev import Dev, deployed_dev, make_orders
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.servers.missing import missing
from aggregation_pipeline_tests.support.ticks import looks, state
from aggregation_pipeline_tests.support.waiting import until

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import MySQLServer, PostgresServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(720)]
SCHEDULE = "aggregate_daily_partitions_at_0200_schedule"
CONFIG = """
    tables:
      orders:
        select_fields: [id]
        partition: {{column: created_at, every: day, start: {first}}}
        checks: {{max_rows: 3, blocking: true}}
      newest:
        table: orders
        select_fields: [id]
        partition: {{column: created_at, every: day, start: {first}}}
        catch_up: none
"""


def put_back(**by: float) -> dict[str, str]:
    """Return the variables that set back the clock of a process and its children. The servers' clock is right."""
    if sys.platform != "linux" or shutil.which("faketime") is None:
        missing("libfaketime is missing: on Debian and Ubuntu, apt-get install faketime")
    return {
        "LD_PRELOAD": "/usr/$LIB/faketime/libfaketimeMT.so.1",  # the loader knows what $LIB is
        "FAKETIME": f"-{timedelta(**by).total_seconds():.0f}",
        # If the monotonic clock were set back too, Python's waits would hang.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).with_name("put_back")), str(REPOSITORY)]),
    }


def zone_past_midnight() -> ZoneInfo:
    """Return a zone in which it is the first hour of a day, so that no tick and no midnight comes during the test."""
    return ZoneInfo(f"Etc/GMT{(datetime.now(UTC).hour + 12) % 24 - 12:+d}")


def table_runs(dev: Dev) -> list[DagsterRun]:
    """Return the runs of tables."""
    return [run for run in dev.instance.get_runs() if run.job_name != RETENTION_JOB]


def has_row(dev: Dev, run: DagsterRun) -> bool:
    """Return whether the run has a row with the right status."""
    return dev.row(run.run_id, "failed" if run.status == DagsterRunStatus.FAILURE else "completed") is not None


def attempts(dev: Dev) -> "Counter[tuple[str, str, str]]":
    """Count how often each partition of each table was tried, and by whom."""
    found: Counter[tuple[str, str, str]] = Counter()
    for run in table_runs(dev):
        by = "schedule" if SCHEDULE_NAME_TAG in run.tags else CATCH_UP
        for entry in dev.instance.all_logs(run.run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION_PLANNED):
            planned = entry.get_dagster_event().asset_materialization_planned_data
            layer, table, *_ = planned.asset_key.path
            subset = planned.partitions_subset
            if layer == "aggregation":
                found.update(
                    (by, table, str(key)) for key in (subset.get_partition_keys() if subset else [planned.partition])
                )
    return found


def test_a_service_that_was_down_for_days_catches_up_once_and_does_not_repeat_failures(
    mariadb: "MySQLServer", postgres: "PostgresServer", server_folder: Path
):
    past = [put_back(days=days, hours=12) for days in (5, 4)]
    zone = zone_past_midnight()
    today = datetime.now(zone).date()
    days = [str(today - timedelta(days=back)) for back in range(7, 0, -1)]
    seven, six, five, four, three, two, _yesterday = days
    rows = [
        f"({10 * number + n}, 'new', '{day} 1{n}:00:00')"
        for number, day in enumerate(days)
        for n in range(4 if day == four else 3)
    ]
    with deployed_dev(
        server_folder / "caught", CONFIG.format(first=seven), make_orders(mariadb, rows), postgres.fresh_database()
    ) as dev:
        dev.environment = {**dev.environment, "TIMEZONE": zone.key, "CRON_SCHEDULE": "0 0 2 * * *"}

        # At noon of the sixth day before this: Dagster learns of the schedule, whose next tick comes when it is down.
        dev.start(**past[0])
        until("the schedule", lambda: state(dev, InstigatorType.SCHEDULE, SCHEDULE), said=dev.log)
        until("a look at a day that was over before", lambda: looks(dev) >= 1, said=dev.log)
        dev.stop()
        assert not table_runs(dev)

        # At noon of the next day, down over one tick: that is the schedule's. The day before it had no tick of this
        # deployment.
        dev.start(**past[1])
        until("a day", lambda: dev.windows("orders") == [six] and dev.finished(), said=dev.log)
        dev.stop()
        tried = Counter([("schedule", "orders", six), ("schedule", "newest", six)])
        assert attempts(dev) == tried

        # Now, past midnight, down over four: the last of them stands for the day before yesterday, and yesterday's is
        # still to come.
        dev.start()
        until(
            "the days missed", lambda: dev.windows("orders") == [six, five, three, two] and dev.finished(), said=dev.log
        )
        looked = looks(dev)
        until("more looks", lambda: looks(dev) >= looked + 2, said=dev.log)
        tried.update(
            [
                *(("catch_up", "orders", day) for day in (five, four, three)),
                *(("schedule", table, two) for table in ("orders", "newest")),
            ]
        )
        assert attempts(dev) == tried
        assert dev.windows("newest") == [six, two]
        until("their rows in batch_jobs", lambda: all(map(partial(has_row, dev), table_runs(dev))), 60, said=dev.log)
        assert [run.status for run in table_runs(dev)].count(DagsterRunStatus.FAILURE) == 1
