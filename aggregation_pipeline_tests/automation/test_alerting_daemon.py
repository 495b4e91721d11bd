"""Alerts with Dagster's own daemon: nothing is played here but the group robot."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.sink import Sink, new_sink
from aggregation_pipeline_tests.support.waiting import until

DAGSTER_YAML = """
storage: {postgres: {postgres_url: {env: DAGSTER_PG_URL}}}
telemetry: {enabled: false}
nux: {enabled: false}
local_artifact_storage: {module: dagster._core.storage.root, class: LocalArtifactStorage, config: {base_dir: artifacts}}
"""
LOCATION = """
from datetime import timedelta
import dagster as dg
from aggregation_pipeline.alerts.incidents import MonitoredTable
from aggregation_pipeline.automation.alert_sensor import build_alert_sensors
from aggregation_pipeline.settings.base import load_settings

@dg.asset(key=["aggregation", "users"])
def users():
    raise ValueError("no such column: ada@example.com")

fresh = dg.FreshnessPolicy.time_window(fail_window=timedelta(seconds=60))

@dg.asset(key=["aggregation", "orders"], freshness_policy=fresh)
def orders(): ...

@dg.asset_check(asset=orders, name="not_empty")
def not_empty():
    return dg.AssetCheckResult(passed=False, description="no rows")

failing = dg.define_asset_job("failing", dg.AssetSelection.assets(["aggregation", "users"]))
working = dg.define_asset_job("working", dg.AssetSelection.assets(["aggregation", "orders"]))

@dg.sensor(jobs=[failing, working], minimum_interval_seconds=5, default_status=dg.DefaultSensorStatus.RUNNING)
def go():
    yield dg.RunRequest(run_key="failing", job_name="failing")
    yield dg.RunRequest(run_key="working", job_name="working")

@dg.sensor(job=working, minimum_interval_seconds=5, default_status=dg.DefaultSensorStatus.RUNNING)
def broken():
    raise RuntimeError("the mirror is out of order")

tables = {name: MonitoredTable(name, ("team:shop",)) for name in ("users", "orders")}
defs = dg.Definitions(
    assets=[users, orders], asset_checks=[not_empty], jobs=[failing, working], executor=dg.in_process_executor,
    sensors=[go, broken, *build_alert_sensors(load_settings(), tables)],
)
"""
EXPECTED = {
    "[shop] 1 failed: users",
    "[shop] 1 data checks failed: orders",
    "[shop] 1 late: orders",
    "[shop] 1 sensors or schedules keep failing: broken",
}


@contextmanager
def dagster_dev(folder: Path, url: str, sink: Sink) -> Iterator[None]:
    (folder / "dagster.yaml").write_text(DAGSTER_YAML)
    (folder / "location.py").write_text(LOCATION)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    variables = {
        "DAGSTER_HOME": str(folder),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "DAGSTER_PG_URL": url,
        "BATCH_JOBS_URL": url,
        "ALERT_URLS": sink.webhook,
        "ALERT_WINDOW_SECONDS": "5",
        "DEPLOYMENT_NAME": "shop",
        "FRESHNESS_DAEMON_INTERVAL_SECONDS": "5",
        "PYTHONPATH": str(REPOSITORY),
    }
    command = [
        sys.executable,
        "-m",
        "dagster",
        "dev",
        "-f",
        "location.py",
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
        "--log-level",
        "debug",
    ]
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | variables,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGINT)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(480)
def test_a_real_daemon_tells_each_kind_once_although_the_channel_was_dead_and_the_daemon_restarted(
    postgres: Any, tmp_path: Path
):
    url, sink = postgres.fresh_database(), new_sink()

    def log() -> str:
        return (tmp_path / "log.txt").read_text(errors="replace")

    with dagster_dev(tmp_path, url, sink):
        # Nobody listens yet.
        until("the refusal of the dead channel", lambda: "did not take a message" in log(), 180, said=log)
    first_log = log()
    with sink.serving(), dagster_dev(tmp_path, url, sink):
        until(
            "each kind of alert",
            lambda: {request.body["title"] for request in sink.received} >= EXPECTED,
            240,
            said=log,
        )
        count = len(sink.received)
        time.sleep(20)
    assert len(sink.received) == count
    titles = [request.body["title"] for request in sink.received]
    assert sorted(titles) == sorted(EXPECTED)
    text = "".join(str(request.body) for request in sink.received)
    assert "team:shop" in text
    assert "ada@" not in text
    assert "very-secret" not in first_log + (tmp_path / "log.txt").read_text(errors="replace")
