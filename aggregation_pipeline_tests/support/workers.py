"""A deployment with RUNNER=celery: `serve`, Redis, and workers, each with a folder and a home of its own."""

import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml
from dagster import DagsterRun, DagsterRunStatus, RunsFilter

from aggregation_pipeline.instance.runners.broker import Broker, broker_of
from aggregation_pipeline_tests.support.dev import Supervised, deployed_dev
from aggregation_pipeline_tests.support.servers.redis import redis_server
from aggregation_pipeline_tests.support.waiting import until

_PROGRAM = "from aggregation_pipeline.cli.main import main; main()"
_WAITING = "SELECT count(*) FROM information_schema.processlist WHERE db = %s AND state LIKE 'Waiting for table%%'"
_LAUNCH = """mutation($assets: [AssetKeyInput!], $tags: [ExecutionTag!]) {
    launchRun(executionParams: {
        selector: {repositoryLocationName: "aggregation_pipeline", repositoryName: "__repository__",
                   jobName: "__ASSET_JOB", assetSelection: $assets},
        executionMetadata: {tags: $tags}}) {
        __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""


@dataclass
class Worker:
    """`aggregation-pipeline worker`, as on a machine of its own."""

    name: str
    folder: Path
    environment: Mapping[str, str]
    options: tuple[str, ...] = ("--concurrency", "2")
    process: "subprocess.Popen[bytes] | None" = field(default=None)
    # How often it had said that it takes runs when it was started last.
    _ready_before: int = 0

    def start(self, *options: str, **variables: str) -> "subprocess.Popen[bytes]":
        """Start it, and return at once."""
        self._ready_before = self._times_ready()
        with (self.folder / "worker.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, "worker", "--name", self.name, *(options or self.options)],
                env={**self.environment, **variables}, cwd=self.folder, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        return self.process

    def log(self) -> str:
        """Return what it has said."""
        path = self.folder / "worker.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def ready(self) -> None:
        """Wait until it takes runs, since it was started last."""
        until(f"worker {self.name}", lambda: self._times_ready() > self._ready_before, 120, said=self.log)

    def _times_ready(self) -> int:
        return self.log().count(" takes runs from ")

    def runs(self) -> list[psutil.Process]:
        """Return the processes of its runs."""
        return [each for each in self.family() if "aggregation_pipeline.workers.run_process" in each.cmdline()]

    def family(self) -> list[psutil.Process]:
        """Return its process and those of its runs."""
        assert self.process is not None
        me = psutil.Process(self.process.pid)
        return [me, *me.children(recursive=True)]

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to it and to its runs, as what befalls a machine."""
        for each in self.family():
            with suppress(psutil.NoSuchProcess):
                each.send_signal(number)

    def kill(self) -> None:
        """End it and its runs at once."""
        if self.process is None:
            return
        with suppress(psutil.NoSuchProcess):
            family = self.family()
            for number in (signal.SIGSTOP, signal.SIGKILL):
                for each in family:
                    with suppress(psutil.NoSuchProcess):
                        each.send_signal(number)
        self.process.wait(30)
        self.process = None


@dataclass
class Cluster(Supervised):
    """The deployment. `workers` are started by the test."""

    redis: Any = None
    source: Any = None
    workers: dict[str, Worker] = field(default_factory=dict)

    def add_worker(self, name: str, **variables: str) -> Worker:
        """Make a worker with a home and folders of its own; STORAGE_DIR is shared."""
        folder = self.folder / "workers" / name
        (folder / "home").mkdir(parents=True, exist_ok=True)
        home = Path(self.environment["DAGSTER_HOME"])
        (folder / "home" / "dagster.yaml").write_text((home / "dagster.yaml").read_text())
        (folder / "aggregation.yaml").write_text((self.folder / "aggregation.yaml").read_text())
        own = {
            "AGGREGATION_CONFIG": str(folder / "aggregation.yaml"),
            "DAGSTER_HOME": str(folder / "home"),
            "TEMP_DIR": str(folder / "temp"),
            "LOG_DIR": str(folder / "logs"),
        }
        self.workers[name] = Worker(name, folder, {**self.environment, **own, **variables})
        return self.workers[name]

    def launch_tables(self, *names: str, queue: str = "") -> str:
        """Launch a run of these tables, as the UI's button does; return its id."""
        keys = [["aggregation", name] for name in names] + [["export", f"{name}_manifest"] for name in names]
        tags = [{"key": "dagster-celery/queue", "value": queue}] if queue else []
        answer = self.ask(_LAUNCH, assets=[{"path": key} for key in keys], tags=tags)
        run_id: str = answer["data"]["launchRun"]["run"]["runId"]
        return run_id

    @property
    def broker(self) -> Broker:
        """The broker as this deployment sees it."""
        return broker_of(self.instance, self.redis.url, "default")

    @contextmanager
    def blocked(self) -> Iterator[None]:
        """Let every run wait at the source database, in the middle of its statement, until the body ends."""
        with self.source.connect(database=self.environment["DB_NAME"]) as connection, connection.cursor() as cursor:
            cursor.execute("LOCK TABLES orders WRITE")
            yield
            cursor.execute("UNLOCK TABLES")

    def waits_at_the_source(self, count: int = 1) -> None:
        """Wait until so many runs wait there."""

        def waiting() -> bool:
            with self.source.connect() as connection, connection.cursor() as cursor:
                cursor.execute(_WAITING, (self.environment["DB_NAME"],))
                return bool(cursor.fetchone()[0] >= count)

        until(f"{count} runs at the source", waiting, 180, said=self.everything)

    def in_status(self, run_ids: Sequence[str], *statuses: DagsterRunStatus) -> bool:
        """Return whether all these runs have one of the statuses."""
        found = self.instance.get_runs(RunsFilter(run_ids=list(run_ids)))
        return len(found) == len(run_ids) and all(run.status in statuses for run in found)

    def wait_for(self, run_ids: Sequence[str], *statuses: DagsterRunStatus, seconds: float = 300) -> list[DagsterRun]:
        """Wait until all these runs have one of the statuses, and return them. A run that ended otherwise fails."""
        every = RunsFilter(run_ids=list(run_ids))

        def found() -> bool:
            ended = [run for run in self.instance.get_runs(every) if run.is_finished and run.status not in statuses]
            assert not ended, f"{[(run.run_id, run.status) for run in ended]}\n{self.everything()[-6000:]}"
            return self.in_status(run_ids, *statuses)

        until(f"{statuses}", found, seconds, said=self.everything)
        return list(self.instance.get_runs(every))

    def everything(self) -> str:
        """Return what all processes have logged last."""
        logs = [self.log()[-2500:], *(f"{each.name}:\n{each.log()[-1500:]}" for each in self.workers.values())]
        return "\n".join(logs)

    def worker_of(self, run_id: str) -> str:
        """Return the name of the worker that said that it has begun the run; empty for none."""
        return next((each.name for each in self.workers.values() if f"Run {run_id} began" in each.log()), "")


@contextmanager
def cluster(
    folder: Path, config: str, source: Mapping[str, str], url: str, *, pool_limit: int, **variables: str
) -> Iterator[Cluster]:
    """Make the deployment, with Redis; nothing else is started yet. `pool_limit` is that of each source's pool."""
    with redis_server(folder / "redis") as server, deployed_dev(folder / "main", config, source, url, Cluster) as dev:
        dev.redis = server
        dev.environment = {
            **dev.environment, "RUNNER": "celery", "CELERY_BROKER_URL": server.url, "STORAGE_SHARED": "true",
            "STOP_SECONDS": "60", **variables,
        }  # fmt: skip
        path = Path(dev.environment["DAGSTER_HOME"]) / "dagster.yaml"
        text = yaml.safe_load(path.read_text(encoding="utf-8"))
        text["run_coordinator"]["config"]["user_code_failure_retry_delay"] = 2
        text["concurrency"]["runs"]["max_concurrent_runs"] = 40
        text["concurrency"]["pools"]["default_limit"] = pool_limit
        text["run_monitoring"]["poll_interval_seconds"] = 5
        path.write_text(yaml.safe_dump(text), encoding="utf-8")
        try:
            yield dev
        finally:
            for worker in dev.workers.values():
                worker.kill()
