"""The deployment for the storm: the services under their supervisor, with servers and a small disk of their own."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil
import sqlalchemy as sa
import yaml

from aggregation_pipeline.embedded.postgres import Postgres, start_postgres
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline.storage.oss.store import OssStore
from aggregation_pipeline_tests.storm.bank import CONFIG, Bank, open_bank
from aggregation_pipeline_tests.support.dev import Supervised, deployed_dev
from aggregation_pipeline_tests.support.oss_deployment import oss_variables
from aggregation_pipeline_tests.support.servers.missing import missing
from aggregation_pipeline_tests.support.servers.oss import OssServer
from aggregation_pipeline_tests.support.sink import Sink, new_sink

# What is committed outlives a kill of the server. fsync only matters for a power cut.
POSTGRES: Final = {"fsync": "off"}
DISK: Final = "128m"
DATABASE: Final = "storm"
DEPLOYMENT: Final = "storm"
_KEPT: Final = {
    "runs": "id, run_id, pipeline_name, status, create_timestamp::text, update_timestamp::text, start_time, end_time",
    "batch_jobs": "id, status, started_at::text, completed_at::text, metadata",
    "event_logs": "id, run_id, dagster_event_type, timestamp::text, event",
    "concurrency_slots": "id, run_id, step_key, deleted",
    "run_tags": "run_id, key, value",
    "aggregation_alerts.incidents": (
        "key, kind, subject, occurred_at::text, found_at::text, recovered_at::text, message, details"
    ),
    "aggregation_alerts.deliveries": "created_at::text, due_at::text, delivered_at::text, attempts, error, kind, title",
    "job_ticks": "id, status, tick_body",
}


@dataclass
class Scene:
    """Everything that a storm can hurt. `disk` holds temporary files, and without `oss` the exports."""

    folder: Path
    disk: Path
    postgres: Postgres
    bank: Bank
    dev: Supervised
    sink: Sink
    oss: OssServer | None
    ours: psutil.Process = field(default_factory=psutil.Process)

    @property
    def store(self) -> ObjectStore:
        """The store that the deployment publishes to."""
        return FolderStore(self.disk / "exports") if self.oss is None else OssStore(self.oss.options(attempts=8))

    @property
    def config(self) -> Path:
        """aggregation.yaml."""
        return self.dev.folder / "aggregation.yaml"

    def family(self) -> list[psutil.Process]:
        """Return all processes of the deployment: services, workers, orphans, commands; no servers, not the test."""
        home = self.dev.environment["DAGSTER_HOME"]
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.pid != self.ours.pid and process.environ().get("DAGSTER_HOME") == home:
                    found.append(process)
        return found

    def workers(self) -> list[psutil.Process]:
        """Return the processes that execute runs for the code server."""
        return [process for process in self.family() if _is_worker(process)]

    def restart_postgres(self) -> None:
        """Start PostgreSQL again on its data."""
        home = self.folder / "postgres"
        self.postgres = start_postgres(home, report=print, timezone="Asia/Shanghai", options=POSTGRES)
        assert not home.with_name("postgres.old").exists(), "PostgreSQL could not use its data any more"

    def stop_postgres(self) -> None:
        """Kill PostgreSQL with all its processes, as a machine that goes down does."""
        processes = self.postgres_family()
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes, 30)
        self.postgres.child.popen.wait(30)

    def postgres_family(self) -> list[psutil.Process]:
        """Return all processes of PostgreSQL."""
        first = psutil.Process(self.postgres.child.pid)
        return [first, *first.children(recursive=True)]

    def keep(self, folder: str | None) -> None:
        """Copy the logs and the tables of Dagster and batch_jobs to a folder that outlives the test."""
        if not folder:
            return
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        for log in [*self.dev.folder.glob("*.log"), *(self.dev.folder / "logs").glob("*")]:
            shutil.copy(log, target)
        engine = sa.create_engine(self.postgres.url(DATABASE))
        with engine.connect() as connection:
            for table, columns in _KEPT.items():
                rows = connection.exec_driver_sql(f"SELECT {columns} FROM {table} ORDER BY 1").all()
                (target / f"{table}.txt").write_text("\n".join(str(tuple(row)) for row in rows), encoding="utf-8")
        engine.dispose()

    def pull_the_plug(self) -> None:
        """Kill all of the deployment at once, so that no process notices the end of another."""
        family = self.family()
        for how in (signal.SIGSTOP, signal.SIGKILL):
            for process in family:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(how)
        psutil.wait_procs(family, 30)
        if self.dev.process is not None:
            self.dev.process.wait(30)
            self.dev.process = None


def _is_worker(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        # The code server starts one for each run. Its resource tracker comes from the same module.
        return any("spawn_main" in word for word in process.cmdline())
    return False


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount a small disk at `folder`, which can really be full; without the right to mount, use a plain folder."""
    folder.mkdir()
    mount = shutil.which("mount") or "/bin/mount"
    command = [mount, "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"No small disk ({done.stderr.strip()}), so it is never full in this storm: run it as root for that")
        yield folder
        return
    try:
        yield folder
    finally:
        subprocess.run([shutil.which("umount") or "/bin/umount", "--lazy", str(folder)], check=True)


@contextmanager
def scene(folder: Path, *, oss: bool = False) -> Iterator[Scene]:
    """Make the deployment in `folder`; its services are not started yet. It publishes to OSS or to the disk."""
    with ExitStack() as stack:
        folder.mkdir(mode=0o711)
        disk = stack.enter_context(small_disk(folder / "disk"))
        try:
            bank = open_bank(folder / "mariadb")
        except FileNotFoundError as error:
            missing(str(error))
        stack.callback(bank.stop)
        postgres = start_postgres(folder / "postgres", report=print, timezone="Asia/Shanghai", options=POSTGRES)
        made: Scene | None = None
        stack.callback(lambda: made.postgres.stop() if made else postgres.stop())
        postgres.execute(f"CREATE DATABASE {DATABASE}")
        sink = stack.enter_context(new_sink().serving())
        dev = stack.enter_context(
            deployed_dev(folder / "services", CONFIG, bank.variables, postgres.url(DATABASE), Supervised)
        )
        (folder / "tmp").mkdir()
        dev.environment = {
            **dev.environment,
            "STORAGE_DIR": str(disk / "exports"),
            "TEMP_DIR": str(disk / "temp"),
            "TMPDIR": str(folder / "tmp"),
            "CRON_SCHEDULE": "0 */2 * * * *",
            "OUTPUT_FORMAT": "csv,json,parquet",
            "DEPLOYMENT_NAME": DEPLOYMENT,
            "ALERT_URLS": sink.webhook,
            "ALERT_WINDOW_SECONDS": "10",
        }
        server = stack.enter_context(OssServer.start()) if oss else None
        if server is not None:
            dev.environment = {
                **dev.environment,
                **oss_variables(server),
                "OSS_READ_TIMEOUT": "10",
                "OSS_GIVE_UP_AFTER": "30",
            }
        _hurry(Path(dev.environment["DAGSTER_HOME"]) / "dagster.yaml")
        made = Scene(folder, disk, postgres, bank, dev, sink, server)
        try:
            yield made
        finally:
            _end_all(made)


def _hurry(path: Path) -> None:
    """Shorten the waiting times of the shipped dagster.yaml."""
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    config["run_coordinator"]["config"]["user_code_failure_retry_delay"] = 2
    config["run_monitoring"] |= {"start_timeout_seconds": 90, "cancel_timeout_seconds": 60, "poll_interval_seconds": 5}
    config["run_monitoring"]["free_slots_after_run_end_seconds"] = 20
    config["concurrency"]["runs"]["max_concurrent_runs"] = 4
    config["concurrency"]["pools"]["default_limit"] = 2
    path.write_text(yaml.safe_dump(config), encoding="utf-8")


def _end_all(scene: Scene) -> None:
    for process in scene.family():
        with suppress(psutil.NoSuchProcess):
            os.kill(process.pid, signal.SIGCONT)
            process.kill()
    if scene.dev.process is not None:
        scene.dev.process.wait(30)
        scene.dev.process = None
