"""No run is missing from batch_jobs, whatever was down, killed or late. Daemon, code server and workers are real.

Runs that only have to end are written to Dagster's storage, as their workers would do it. Runs that are killed or
cancelled are really launched.
"""

import os
import re
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from dagster import DagsterEventType as Did
from dagster import DagsterRunStatus

from aggregation_pipeline.postgres.engine import create_engine
from aggregation_pipeline_tests.support.processes import Live, deployed
from aggregation_pipeline_tests.support.runs import FakeTable, create, report, run
from aggregation_pipeline_tests.support.waiting import until

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import MySQLServer

pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.timeout(600)]
BAIDU = FakeTable("baidu", 30)
# One interval of the reconciler is 10 s; the rest is for a machine that does other things as well.
SOON = 45


@pytest.fixture(scope="module")
def source(mariadb: "MySQLServer") -> tuple["MySQLServer", str]:
    name = mariadb.fresh_database()
    with mariadb.connect(database=name) as connection, connection.cursor() as cursor:
        for table in ("baidu", "weibo"):
            cursor.execute(f"CREATE TABLE {table} (id INT PRIMARY KEY, name VARCHAR(20))")
    return mariadb, name


@pytest.fixture(scope="module")
def live(source: Any, postgres: Any) -> Iterator[Live]:
    server, name = source
    with tempfile.TemporaryDirectory(prefix="live-") as folder:
        Path(folder).chmod(0o711)
        variables = {"DB_SOCKET": server.unix_socket, "DB_USER": server.user, "DB_NAME": name}
        with deployed(Path(folder), postgres.fresh_database(), variables) as made:
            # These end before the daemon first starts.
            made.first = [ended(made) for _ in range(3)]  # type: ignore[attr-defined]
            made.start()
            yield made


def ended(live: Live) -> str:
    return create(live.instance, [BAIDU], Did.RUN_START, Did.RUN_SUCCESS).run_id


def completed(live: Live, runs: list[str]) -> bool:
    return live.statuses(*runs) == ["completed"] * len(runs)


def recorded(live: Live, runs: list[str]) -> int:
    return sum(map(bool, live.statuses(*runs)))


def test_runs_that_ended_before_the_sensors_first_started_are_there(live: Any):
    until("rows of the runs before the first start", lambda: completed(live, live.first), 120)


def test_two_hundred_runs_that_end_within_a_minute_are_there(live: Live, capsys: Any):
    runs = [ended(live) for _ in range(200)]
    began = time.monotonic()
    until("200 rows", lambda: completed(live, runs), 90)
    with capsys.disabled():
        print(f"\n200 runs: all rows right {time.monotonic() - began:.0f} s after the last one ended")


def test_an_outage_of_a_minute_while_twenty_runs_end_loses_none(live: Live, capsys: Any):
    live.mirror.stop()
    runs = []
    # Six ticks of each sensor.
    for _ in range(20):
        runs.append(ended(live))
        time.sleep(3)
    live.restart_mirror()
    began = time.monotonic()
    until("rows of the runs that ended in the outage", lambda: completed(live, runs), SOON)
    with capsys.disabled():
        print(f"\nafter the outage: all rows right within {time.monotonic() - began:.0f} s")


def test_a_frozen_postgresql_loses_none(live: Live):
    os.kill(live.mirror.child.pid, signal.SIGSTOP)
    runs = []
    for _ in range(5):
        runs.append(ended(live))
        time.sleep(5)
    os.kill(live.mirror.child.pid, signal.SIGCONT)
    until("rows of the runs that ended in the freeze", lambda: completed(live, runs), SOON)


def test_a_daemon_that_is_killed_in_the_middle_of_a_tick_loses_none(live: Live):
    runs = [ended(live) for _ in range(150)]
    before = recorded(live, runs)

    def has_begun() -> bool:
        runs.append(ended(live))
        return recorded(live, runs) > before

    until("the first of the rows that are left", has_begun, SOON)
    live.kill()
    assert not completed(live, runs), "it was not in the middle"
    live.start()
    until("the rest of the rows", lambda: completed(live, runs), 120)


def test_a_run_that_is_deleted_closes_its_row(live: Live):
    run_id = create(live.instance, [BAIDU], Did.RUN_START).run_id
    until("its row", lambda: live.statuses(run_id) == ["in_progress"], SOON)
    live.instance.delete_run(run_id)
    until("its end", lambda: live.statuses(run_id) == ["failed"], SOON)
    assert live.rows()[run_id].metadata["dagster"]["status"] == "DELETED"


def test_an_event_that_is_committed_after_later_ones_still_counts(live: Live):
    model = run(live.instance, [BAIDU])
    late = create(live.instance, [BAIDU], Did.RUN_START)
    engine = create_engine(os.environ["DAGSTER_PG_URL"], application_name="aggregation test")
    with engine.connect() as connection, connection.begin():
        connection.exec_driver_sql(
            "INSERT INTO event_logs (run_id, event, dagster_event_type, timestamp, step_key, asset_key, partition)"
            " SELECT %(new)s, replace(event, %(old)s, %(new)s), dagster_event_type, timestamp, step_key, asset_key,"
            " partition FROM event_logs WHERE run_id = %(old)s AND dagster_event_type = 'ASSET_MATERIALIZATION' AND"
            " asset_key LIKE '%%manifest%%'",
            {"new": late.run_id, "old": model},
        )
        report(live.instance, late, Did.RUN_SUCCESS)
        until("its row", lambda: completed(live, [late.run_id]), SOON)
        assert live.rows()[late.run_id].total_items == 0
    until("the event that came late", lambda: live.rows()[late.run_id].total_items == 30, SOON)


def test_errors_with_bytes_that_postgresql_refuses_are_recorded(live: Live):
    def fail(_context: object) -> None:
        raise RuntimeError("a\x00b \ud800 c")

    run_id = run(live.instance, [FakeTable("baidu", action=fail)])
    until("its row", lambda: live.statuses(run_id) == ["failed"], SOON)
    metadata = live.rows()[run_id].metadata
    assert (metadata["errors"][0]["error"], "mirror_error" in metadata) == ("RuntimeError: a�b � c", False)


def test_runs_that_are_killed_and_cancelled_running_or_queued_come_to_their_end(live: Live, source: Any):
    server, name = source
    holder = server.connect(database=name)
    with holder, holder.cursor() as cursor:
        # Whoever reads waits, so that two runs stay in their middle and the third in the queue.
        cursor.execute("LOCK TABLES baidu WRITE, weibo WRITE")
        killed, cancelled, queued = (live.launch() for _ in range(3))
        expected = ["in_progress", "in_progress", "pending"]
        until("two in progress, one queued", lambda: live.statuses(killed, cancelled, queued) == expected, 120)
        row = live.rows()[queued]
        assert (row.metadata["planned"], row.started_at) == (["baidu", "weibo"], None)

        coordinator = live.instance.run_coordinator
        assert coordinator.cancel_run(queued)
        until("the queued run cancelled", lambda: live.statuses(queued) == ["failed"], SOON)
        os.kill(worker_of(live, killed), signal.SIGKILL)
        until("the killed run failed", lambda: live.statuses(killed) == ["failed"], 120)
        # Whether its worker hears of it in the middle of a read or not: the daemon's monitoring ends it.
        assert coordinator.cancel_run(cancelled)
        until("the running run cancelled", lambda: live.statuses(cancelled) == ["failed"], 120)
    found = live.rows()
    assert [found[each].metadata["dagster"]["status"] for each in (killed, cancelled, queued)] == [
        "FAILURE",
        "CANCELED",
        "CANCELED",
    ]
    assert live.instance.get_run_by_id(killed).status == DagsterRunStatus.FAILURE  # type: ignore[union-attr]


def worker_of(live: Live, run_id: str) -> int:
    for entry in live.instance.all_logs(run_id):
        if match := re.search(
            r"\(pid: (\d+)\)", entry.get_dagster_event().message or "" if entry.is_dagster_event else ""
        ):
            return int(match[1])
    raise AssertionError("the run says no pid")
