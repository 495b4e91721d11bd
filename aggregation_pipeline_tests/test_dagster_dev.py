"""The whole of Dagster as people run it: `dagster dev` with its daemon, GraphQL as the UI sends it, real servers."""

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter

from aggregation_pipeline.locks import window_lock
from aggregation_pipeline.settings import Settings
from aggregation_pipeline_tests.batch_jobs.runs import open_instance

pytestmark = [pytest.mark.slow, pytest.mark.timeout(540)]
REPOSITORY = Path(__file__).parent.parent
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


def until(what: str, found: Callable[[], Any], seconds: float = 300) -> Any:
    """Poll until something is there."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        result = found()
        if result:
            return result
        time.sleep(0.5)
    pytest.fail(f"waited {seconds} s in vain for {what}")


class Dev:
    """A running `dagster dev`."""

    def __init__(self, port: int, instance: DagsterInstance, exports: Path, url: str) -> None:
        self.port, self.instance, self.exports, self.url = port, instance, exports, url

    def ask(self, query: str, **variables: Any) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql",
            json.dumps({"query": query, "variables": variables}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as reply:  # our own webserver
            return json.load(reply)

    def backfill(self, keys: list[list[str]], partitions: list[str]) -> str:
        """Launch a backfill of assets, as the UI's dialog does."""
        answer = self.ask(
            """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
                 __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }""",
            params={"assetSelection": [{"path": key} for key in keys], "partitionNames": partitions, "tags": []},
        )
        backfill: str = answer["data"]["launchPartitionBackfill"]["backfillId"]
        return backfill

    def finished(self, **tags: str) -> list[DagsterRun] | None:
        """The runs with these tags, when there are any and all are over."""
        runs = list(self.instance.get_runs(RunsFilter(tags=tags)))
        return runs if runs and all(run.is_finished for run in runs) else None

    def windows(self, table: str) -> list[str]:
        return sorted(path.parent.name for path in (self.exports / table).glob("*/manifest.json"))


@pytest.fixture(scope="module")
def dev(mariadb, postgres, server_folder: Path) -> Iterator[Dev]:
    folder = server_folder / "dev"
    folder.mkdir()
    database, url = mariadb.fresh_database(), postgres.fresh_database()
    rows = [f"({10 * number + n}, 'new', '{day} 1{n}:00:00')" for number, day in enumerate(DAYS) for n in range(4 if day == BAD else 3)]
    with mariadb.connect(database=database) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE orders (id INT PRIMARY KEY, status TEXT, created_at DATETIME, KEY (created_at))")
        cursor.execute(f"INSERT INTO orders VALUES {', '.join(rows)}")
    (folder / "aggregation.yaml").write_text(textwrap.dedent(CONFIG).format(first=DAYS[0], recent=DAYS[4]), encoding="utf-8")
    home = folder / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text((REPOSITORY / "dagster.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ours = {name.upper() for name in Settings.model_fields}
    environment = {name: value for name, value in os.environ.items() if name not in ours and not name.startswith("DAGSTER")} | {
        "AGGREGATION_ENV_FILE": os.devnull,
        "AGGREGATION_CONFIG": str(folder / "aggregation.yaml"),
        "DB_SOCKET": mariadb.unix_socket,
        "DB_USER": mariadb.user,
        "DB_NAME": database,
        "DAGSTER_PG_URL": url,
        "DAGSTER_HOME": str(home),
        "STORAGE_DIR": str(folder / "exports"),
        "TEMP_DIR": str(folder / "temp"),
        "LOG_DIR": str(folder / "logs"),
        "OUTPUT_FORMAT": "csv,json",
        "TIMEZONE": "UTC",
        "PYTHONPATH": str(REPOSITORY),
    }
    with open_instance(url) as instance, (folder / "dev.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "dagster", "dev", "-w", str(REPOSITORY / "workspace.yaml"), "-h", "127.0.0.1", "-p", str(port)],
            env=environment, cwd=folder, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        found = Dev(port, instance, folder / "exports", url)

        def answers() -> bool:
            assert process.poll() is None, (folder / "dev.log").read_text(encoding="utf-8")[-3000:]
            try:
                return bool(found.ask("{ version }")["data"])
            except OSError:
                return False

        try:
            until("the webserver", answers)
            yield found
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def test_a_backfill_of_ten_days_from_the_ui_is_one_run_and_loses_one_bad_day_only(dev):
    keys = [["aggregation", "orders"], *(["export", "orders", name] for name in ("csv", "json", "manifest"))]
    backfill = dev.backfill(keys, DAYS)
    (run,) = until("the backfill", lambda: dev.finished(**{"dagster/backfill": backfill}))
    assert run.status == DagsterRunStatus.FAILURE
    assert dev.windows("orders") == [day for day in DAYS if day != BAD]
    answer = dev.ask(
        """{ assetNodeOrError(assetKey: {path: ["aggregation", "orders"]}) { ... on AssetNode {
             partitionStats { numMaterialized numFailed }
             assetChecksOrError { ... on AssetChecks { checks { name executionForLatestMaterialization { status } } } } } } }"""
    )["data"]["assetNodeOrError"]
    assert answer["partitionStats"] == {"numMaterialized": 9, "numFailed": 1}
    # As a person mends it: the extra row goes, and only what failed is filled again; then csv alone, for some days.
    row = until("its row in batch_jobs", lambda: _row(dev, run.run_id, "failed"))
    assert row.total_items == 27
    assert f"{BAD}: Nothing was published" in json.dumps(row.metadata)


def test_only_csv_for_some_days_from_the_ui(dev):
    backfill = dev.backfill([["export", "orders", "csv"]], DAYS[5:8])
    (run,) = until("the backfill", lambda: dev.finished(**{"dagster/backfill": backfill}))
    assert run.status == DagsterRunStatus.SUCCESS


def test_a_mixed_selection_from_the_ui(dev):
    """Partitioned tables with one that is taken whole, as the UI sends `Materialize all`."""
    backfill = dev.backfill([["aggregation", "orders"], ["export", "orders", "manifest"], ["aggregation", "whole"]], DAYS[8:10])
    runs = until("the backfill", lambda: dev.finished(**{"dagster/backfill": backfill}))
    assert {run.status for run in runs} == {DagsterRunStatus.SUCCESS}
    until("the whole table", lambda: dev.windows("whole"))


def test_partitions_that_were_missed_are_caught_up_with_except_the_newest_which_is_the_schedules(dev):
    until("the missed days", lambda: dev.windows("caught") == DAYS[4:9])


def test_a_tick_launches_the_newest_complete_partition(dev):
    until("a tick", lambda: dev.windows("ticking"))
    assert dev.windows("ticking") == DAYS[-1:]
    run = list(dev.instance.get_runs(RunsFilter(job_name="aggregate_daily_partitions_every_minute")))[-1]
    assert run.tags["dagster/partition"] == DAYS[-1]
    assert run.tags["dagster/run_key"].startswith(f"{DAYS[-1]} ")


def test_a_run_that_waits_for_a_window_and_is_killed_is_found_and_the_window_is_free(dev):
    said: list[str] = []
    with window_lock(dev.url, "", "orders", DAYS[0], holder="the test", on_wait=said.append):
        backfill = dev.backfill([["aggregation", "orders"], ["export", "orders", "manifest"]], DAYS[:1])
        tags = {"dagster/backfill": backfill}
        (run,) = until("the run", lambda: list(dev.instance.get_runs(RunsFilter(tags=tags, statuses=[DagsterRunStatus.STARTED]))))
        logs = until(
            "the wait", lambda: [entry for entry in dev.instance.all_logs(run.run_id) if "is held by the test" in entry.user_message]
        )
        assert logs[0].user_message.startswith(f"Waiting for table orders, window {DAYS[0]}: it is held by the test")
        pids = [
            entry.dagster_event.event_specific_data.metadata["pid"].value
            for entry in dev.instance.all_logs(run.run_id)
            if entry.dagster_event and "pid" in getattr(entry.dagster_event.event_specific_data, "metadata", {})
        ]
        os.kill(int(pids[-1]), signal.SIGKILL)
        until("the end of the run", lambda: dev.finished(**tags))
    with window_lock(dev.url, "", "orders", DAYS[0], holder="the test", on_wait=said.append):
        assert not said
    assert until("its row in batch_jobs", lambda: _row(dev, run.run_id, "failed"))


def _row(dev: Dev, run_id: str, status: str) -> Any:
    engine = sa.create_engine(dev.url)
    with engine.connect() as connection:
        found = connection.execute(
            sa.text("SELECT * FROM public.batch_jobs WHERE id = :id AND status = :status"), {"id": run_id, "status": status}
        )
        row = found.one_or_none()
    engine.dispose()
    return row
