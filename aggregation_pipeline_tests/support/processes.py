"""A deployment as in production: a daemon with its code server, and batch_jobs on a PostgreSQL of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from dagster import DagsterInstance

import aggregation_pipeline
from aggregation_pipeline.embedded.postgres import THROWAWAY_OPTIONS, Postgres, start_postgres
from aggregation_pipeline.postgres.engine import create_engine

ROOT = Path(aggregation_pipeline.__file__).parents[1]
CONFIG = """
tables:
  baidu: {group_by: [name], aggregations: [{function: COUNT, alias: n}]}
  weibo: {group_by: [name], aggregations: [{function: COUNT, alias: n}]}
"""
DAGSTER_YAML = """
storage:
  custom:
    module: aggregation_pipeline.instance.storage
    class: PostgresStorage
    config: {postgres_url: {env: DAGSTER_PG_URL}}
telemetry: {enabled: false}
concurrency: {runs: {max_concurrent_runs: 2}}
run_monitoring: {enabled: true, poll_interval_seconds: 5, cancel_timeout_seconds: 20}
"""


@dataclass
class Live:
    """The deployment. `mirror` is the PostgreSQL of batch_jobs, which tests stop and freeze."""

    home: Path
    environment: Mapping[str, str]
    mirror: Postgres
    instance: DagsterInstance
    daemon: "subprocess.Popen[bytes] | None" = field(default=None)

    def start(self) -> None:
        """Start the daemon, which starts its code server."""
        with (self.home / "daemon.log").open("ab") as log:
            self.daemon = subprocess.Popen(
                [sys.executable, "-m", "dagster._daemon", "run", "-w", str(ROOT / "workspace.yaml")],
                env=self.environment, cwd=self.home, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End the daemon and its code server: they are one process group."""
        if self.daemon is None:
            return
        os.killpg(self.daemon.pid, how)
        self.daemon.wait(60)
        self.daemon = None

    def restart_mirror(self) -> None:
        """Start the server of batch_jobs again, at the same address."""
        address = self.mirror.url()
        self.mirror = start_mirror(self.home.parent)
        assert self.mirror.url() == address

    def launch(self) -> str:
        """Launch a run of the job with `dagster job launch`; return its id."""
        before = {run.run_id for run in self.instance.get_runs()}
        launch = ["dagster", "job", "launch", "-w", str(ROOT / "workspace.yaml"), "-j", "aggregate"]
        command = [sys.executable, "-m", *launch]
        subprocess.run(command, env=self.environment, cwd=self.home, check=True, capture_output=True, timeout=120)
        (new,) = {run.run_id for run in self.instance.get_runs()} - before
        return new

    def rows(self) -> dict[str, Any]:
        """Return the rows of batch_jobs by their ids; none if the table is missing."""
        engine = create_engine(self.mirror.url(), application_name="aggregation test")
        with engine.connect() as connection:
            if connection.exec_driver_sql("SELECT to_regclass('public.batch_jobs')").scalar_one() is None:
                return {}
            return {str(row.id): row for row in connection.execute(sa.text("SELECT * FROM batch_jobs"))}

    def statuses(self, *run_ids: str) -> list[str | None]:
        """Return the status in each run's row; None for a run without one."""
        found = self.rows()
        return [found[run_id].status if run_id in found else None for run_id in run_ids]


@contextmanager
def deployed(folder: Path, dagster_url: str, source: Mapping[str, str]) -> Iterator[Live]:
    """Make the deployment; its daemon is not started yet. Both servers are in the zone Asia/Shanghai."""
    home = folder / "home"
    home.mkdir()
    (home / "aggregation.yaml").write_text(CONFIG)
    (home / "dagster.yaml").write_text(DAGSTER_YAML)
    mirror = start_mirror(folder)
    ours = ("AGGR", "DB_", "OSS_", "DAGSTER_", "SUPABASE_", "PG", "AGG")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(ours)},
        **source,
        "DAGSTER_HOME": str(home), "DAGSTER_PG_URL": dagster_url, "BATCH_JOBS_URL": mirror.url(),
        "PYTHONPATH": str(ROOT),
        "AGGREGATION_CONFIG": str(home / "aggregation.yaml"), "CRON_SCHEDULE": "0 0 1 1 *", "TIMEZONE": "Asia/Shanghai",
    }  # fmt: skip
    previous = {name: os.environ.get(name) for name in ("DAGSTER_HOME", "DAGSTER_PG_URL")}
    os.environ |= {"DAGSTER_HOME": str(home), "DAGSTER_PG_URL": dagster_url}
    live = None
    try:
        with DagsterInstance.get() as instance:
            live = Live(home, environment, mirror, instance)
            try:
                yield live
            finally:
                live.kill(signal.SIGTERM)
    finally:
        for name, value in previous.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value
        (live.mirror if live else mirror).stop()


def start_mirror(folder: Path) -> Postgres:
    """Start a PostgreSQL for batch_jobs alone, so that its outages do not touch Dagster's storage."""
    return start_postgres(
        folder / "mirror", report=print, timezone="Asia/Shanghai", options={**THROWAWAY_OPTIONS, "fsync": "off"}
    )
