"""`dagster dev` as people run it: webserver, daemon and code server on a deployment of their own.

Tests talk to it by GraphQL, as the UI does.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa
from dagster import DagsterEventType, DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter
from dagster._core.scheduler.instigation import InstigatorState, InstigatorType, TickStatus

from aggregation_pipeline.automation.catch_up import CATCH_UP
from aggregation_pipeline_tests.support.deployment import environment_without_settings
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.runs import open_instance
from aggregation_pipeline_tests.support.servers.handles import MySQLServer
from aggregation_pipeline_tests.support.waiting import until

SUPERVISE = """
import os, sys
from pathlib import Path
from aggregation_pipeline.services.supervisor import supervise
supervise(os.environ, Path.cwd(), host="127.0.0.1", port=int(sys.argv[1]), say=lambda words: print(words, flush=True))
"""

# One table, partitioned by days. It has no schedule: only the test starts runs.
DAILY_ORDERS = """
    tables:
      orders:
        select_fields: [id]
        partition: {column: created_at, every: day, start: 2026-11-01}
        schedule: none
"""


@dataclass
class Dev:
    """A deployment in `folder`. The test starts and stops its `dagster dev`."""

    folder: Path
    environment: Mapping[str, str]
    port: int
    instance: DagsterInstance
    url: str
    process: "subprocess.Popen[bytes] | None" = field(default=None)

    def command(self) -> list[str]:
        """Return what Python has to run."""
        workspace = str(REPOSITORY / "workspace.yaml")
        return ["-m", "dagster", "dev", "-w", workspace, "-h", "127.0.0.1", "-p", str(self.port)]

    def start(self, *, seconds: float = 120, **variables: str) -> None:
        """Start it, and return when the UI answers; fail after `seconds`. `variables` are added to the environment."""
        with (self.folder / "dev.log").open("ab") as log:
            self.process = process = subprocess.Popen(
                [sys.executable, *self.command()], env={**self.environment, **variables}, cwd=self.folder,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

        def answers() -> bool:
            if process.poll() is not None:
                pytest.fail(f"it ended: {self.log()[-3000:]}")
            try:
                return bool(self.ask("{ version }")["data"])
            except OSError:
                return False

        until("the webserver", answers, seconds, said=self.log)

    def stop(self) -> None:
        """Stop it as Ctrl-C does, with its daemon and code server."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(30)
        # A code server may outlive it.
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def log(self) -> str:
        """Return what it has logged."""
        return (self.folder / "dev.log").read_text(encoding="utf-8", errors="replace")

    def ask(self, query: str, **variables: Any) -> Any:
        """Send a GraphQL query or mutation; return the answer."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql",
            json.dumps({"query": query, "variables": variables}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as reply:  # our own webserver
            return json.load(reply)

    def backfill(self, keys: list[list[str]], partitions: list[str]) -> str:
        """Launch a backfill of assets, as the UI's dialog does; return its id."""
        answer = self.ask(
            """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
                 __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }""",
            params={"assetSelection": [{"path": key} for key in keys], "partitionNames": partitions, "tags": []},
        )
        backfill: str = answer["data"]["launchPartitionBackfill"]["backfillId"]
        return backfill

    def launched(self, day: str, status: DagsterRunStatus) -> DagsterRun:
        """Launch a run of this day of `orders`, and return it when it has this status."""
        tags = {"dagster/backfill": self.backfill([["aggregation", "orders"], ["export", "orders_manifest"]], [day])}
        wanted = RunsFilter(tags=tags, statuses=[status])
        run: DagsterRun = until(f"the run of {day}", lambda: list(self.instance.get_runs(wanted)), said=self.log)[0]
        return run

    def finished(self, **tags: str) -> list[DagsterRun] | None:
        """Return the runs with these tags, if there are any and all have ended."""
        runs = list(self.instance.get_runs(RunsFilter(tags=tags)))
        return runs if runs and all(run.is_finished for run in runs) else None

    def now(self, run: DagsterRun) -> DagsterRun:
        """Return `run` as Dagster has it now."""
        found = self.instance.get_run_by_id(run.run_id)
        assert found is not None
        return found

    def status(self, run: DagsterRun) -> DagsterRunStatus:
        """Return the status that `run` has now."""
        return self.now(run).status

    def pid_of(self, run: DagsterRun) -> int:
        """Return the process in which `run` is executed, as its events say."""
        events = (
            entry.dagster_event for entry in self.instance.all_logs(run.run_id, of_type=DagsterEventType.ENGINE_EVENT)
        )
        pids = [
            event.engine_event_data.metadata["pid"].value
            for event in events
            if event and "pid" in event.engine_event_data.metadata
        ]
        return int(str(pids[-1]))

    def windows(self, table: str) -> list[str]:
        """Return the published windows of `table`."""
        return sorted(path.parent.name for path in (self.folder / "exports" / table).glob("*/manifest.json"))

    def row(self, run_id: str, status: str) -> Any:
        """Return the run's row in batch_jobs if it has this status."""
        engine = sa.create_engine(self.url)
        query = sa.text("SELECT * FROM public.batch_jobs WHERE id = :id AND status = :status")
        with engine.connect() as connection:
            row = connection.execute(query, {"id": run_id, "status": status}).one_or_none()
        engine.dispose()
        return row


def make_orders(server: MySQLServer, rows: Iterable[str]) -> dict[str, str]:
    """Make a database with a table `orders` that holds `rows`; return the variables that name it."""
    database = server.fresh_database()
    with server.connect(database=database) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE orders (id INT PRIMARY KEY, status TEXT, created_at DATETIME, KEY (created_at))")
        cursor.execute(f"INSERT INTO orders VALUES {', '.join(rows)}")
    return {"DB_SOCKET": server.unix_socket, "DB_USER": server.user, "DB_NAME": database}


@dataclass
class Supervised(Dev):
    """The same under our own supervisor, as `make dev` starts it."""

    def command(self) -> list[str]:
        return ["-c", SUPERVISE, str(self.port)]

    def stop(self) -> None:
        """Stop it as Ctrl-C does. It has to end all its services, which have sessions of their own."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGINT)
        self.process.wait(90)
        self.process = None

    def launch(self, day: str, status: DagsterRunStatus) -> DagsterRun:
        """As `launched`, but without a backfill: Dagster's daemon looks at backfills only every half minute."""
        answer = self.ask(
            """mutation($day: String!) { launchRun(executionParams: {
                 selector: {repositoryLocationName: "aggregation_pipeline", repositoryName: "__repository__",
                            jobName: "aggregate_daily_partitions_by_hand"},
                 executionMetadata: {tags: [{key: "dagster/partition", value: $day}]}}) {
                 __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }""",
            day=day,
        )
        run_id = answer["data"]["launchRun"]["run"]["runId"]
        wanted = RunsFilter(run_ids=[run_id], statuses=[status])
        run: DagsterRun = until(f"the run of {day}", lambda: list(self.instance.get_runs(wanted)), said=self.log)[0]
        return run

    def service(self, *words: str) -> psutil.Process:
        """Return a process with these words in its command line."""
        return self.found(*words)[0]

    def found(self, *words: str) -> list[psutil.Process]:
        """Return all processes with these words in their command lines."""
        assert self.process is not None
        found = []
        for each in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.Error):  # it has ended meanwhile
                found += [each] if {*words} <= {*each.cmdline()} else []
        return found


@contextmanager
def deployed_dev(
    folder: Path, config: str, source: Mapping[str, str], url: str, kind: type[Dev] = Dev
) -> Iterator[Any]:
    """Make a deployment of `config`, not started yet. Dagster's storage and batch_jobs are at `url`."""
    home = folder / "home"
    home.mkdir(parents=True)
    (home / "dagster.yaml").write_text((REPOSITORY / "dagster.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "aggregation.yaml").write_text(textwrap.dedent(config), encoding="utf-8")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = environment_without_settings() | {
        **source,
        "AGGREGATION_ENV_FILE": os.devnull,
        "AGGREGATION_CONFIG": str(folder / "aggregation.yaml"),
        "DAGSTER_PG_URL": url,
        "DAGSTER_HOME": str(home),
        "STORAGE_DIR": str(folder / "exports"),
        "TEMP_DIR": str(folder / "temp"),
        "LOG_DIR": str(folder / "logs"),
        "OUTPUT_FORMAT": "csv,json",
        "TIMEZONE": "UTC",
        "PYTHONPATH": str(REPOSITORY),
    }
    with open_instance(url) as instance:
        dev = kind(folder, environment, port, instance, url)
        try:
            yield dev
        finally:
            dev.stop()


def state(dev: Dev, kind: InstigatorType, name: str) -> InstigatorState | None:
    """Return what Dagster has stored of a schedule or sensor."""
    return next(
        (one for one in dev.instance.all_instigator_state(instigator_type=kind) if one.instigator_name == name), None
    )


def looks(dev: Dev) -> int:
    """Return how often the sensor catch_up has looked for missed windows."""
    found = state(dev, InstigatorType.SENSOR, CATCH_UP)
    ticks = dev.instance.get_ticks(found.instigator_origin_id, found.selector_id) if found else []
    return sum(tick.status in (TickStatus.SUCCESS, TickStatus.SKIPPED) for tick in ticks)
