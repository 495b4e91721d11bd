"""`dagster dev` as people run it: webserver, daemon and code server on a deployment of their own.

Tests talk to it by GraphQL, as the UI does.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa
from dagster import DagsterEventType, DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter

from aggregation_pipeline_tests.support.deployment import environment_without_settings
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.runs import open_instance
from aggregation_pipeline_tests.support.servers.handles import MySQLServer
from aggregation_pipeline_tests.support.waiting import until

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
        process = self.begin(**variables)

        def answers() -> bool:
            if process.poll() is not None:
                pytest.fail(f"it ended: {self.log()[-3000:]}")
            try:
                return bool(self.ask("{ version }")["data"])
            except OSError:
                return False

        until("the webserver", answers, seconds, said=self.log)

    def begin(self, **variables: str) -> "subprocess.Popen[bytes]":
        """Start it, and return at once."""
        with (self.folder / "dev.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.command()], env={**self.environment, **variables}, cwd=self.folder,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        return self.process

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

    def log_from_now(self) -> Callable[[], str]:
        """Return what returns all that is logged from now on. The log also has what earlier tests of a module did."""
        length = len(self.log())
        return lambda: self.log()[length:]

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
    """The same under our own supervisor, by `aggregation-pipeline serve`."""

    options: tuple[str, ...] = ()

    def command(self) -> list[str]:
        serve = "from aggregation_pipeline.cli.main import main; main()"
        return ["-c", serve, "serve", "--port", str(self.port), *self.options]

    def stop(self) -> None:
        """Stop it as Ctrl-C does. It has to end all its services, which have sessions of their own."""
        if self.process is None:
            return
        for _ in range(2):
            self.process.send_signal(signal.SIGINT)
            # The second time it does not wait for runs that a failed test has left.
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(120)
                break
        self.process.wait(0)
        self.process = None

    def restart(self, **variables: str) -> None:
        """Stop it, and start it with these variables added to the environment."""
        self.stop()
        self.start(seconds=120, **variables)

    def terminate(self, run: DagsterRun, policy: str = "SAFE_TERMINATE") -> None:
        """Cancel the run, as the button does. Dagster may answer with an error where it cannot reach the run."""
        with suppress(OSError):
            self.ask(
                """mutation($run: String!, $policy: TerminateRunPolicy) {
                     terminateRun(runId: $run, terminatePolicy: $policy) { __typename } }""",
                run=run.run_id,
                policy=policy,
            )

    def remove_exports(self) -> None:
        """Remove what earlier tests have published."""
        shutil.rmtree(self.folder / "exports", ignore_errors=True)

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
        return self.found(*words)[0]

    def found(self, *words: str) -> list[psutil.Process]:
        """Return all processes with these words in their command lines."""
        assert self.process is not None
        found = []
        for each in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.Error):  # it has ended
                found += [each] * ({*words} <= {*each.cmdline()})
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


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Return those of the processes that have not ended."""
    found = []
    for each in processes:
        with suppress(psutil.NoSuchProcess):  # it ends between two questions
            found += [each] * (each.is_running() and each.status() != psutil.STATUS_ZOMBIE)
    return found
