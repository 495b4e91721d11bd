"""`demo` and `dev`, as a newcomer runs them."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa
import yaml

from aggregation_pipeline.config.loading import DEFAULT_CONFIG
from aggregation_pipeline.postgres.engine import create_engine
from aggregation_pipeline_tests.support.deployment import environment_without_settings
from aggregation_pipeline_tests.support.paths import REPOSITORY

COMMAND = [sys.executable, "-c", "from aggregation_pipeline.cli.main import main; main()"]
# The users of the last seven days depend on the day on which the test runs; the other tables do not.
ORDERS, PRODUCTS = 200_000, 500


def environment(folder: Path) -> dict[str, str]:
    return {
        **environment_without_settings(),
        "STORAGE_DIR": str(folder / "exports"),
        "TEMP_DIR": str(folder / "temp"),
        "LOG_DIR": str(folder / "logs"),
        # Somebody's real servers, which a demo must not touch.
        "DB_HOST": "db.example.invalid",
        "DB_USER": "somebody",
        "DB_NAME": "production",
        "OSS_BUCKET": "half-configured",
    }


def servers_of(folder: Path) -> list[str]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        if str(folder) in line and process.pid != os.getpid():
            found.append(line)
    return found


def test_the_tables_of_both_kinds_differ_in_one_expression():
    files = (DEFAULT_CONFIG, DEFAULT_CONFIG.with_name("aggregation.postgresql.yaml"))
    mysql, postgresql = (yaml.safe_load(path.read_text(encoding="utf-8"))["tables"] for path in files)
    assert mysql["users"].pop("where") == "created_at >= DATE_SUB(NOW(), INTERVAL 7 DAY)"
    assert postgresql["users"].pop("where") == "created_at >= NOW() - INTERVAL '7 days'"
    assert mysql == postgresql


@pytest.mark.slow
@pytest.mark.parametrize("source", ["mysql", "postgresql"])
def test_the_demo_runs_twice_and_leaves_files_and_no_process(source: str, tmp_path: Path):
    for _ in range(2):
        done = subprocess.run(
            [*COMMAND, "demo", "--source", source, "--data", str(tmp_path / ".data")],
            env=environment(tmp_path),
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "completed" in done.stderr
    manifests = [
        json.loads(path.read_text(encoding="utf-8")) for path in (tmp_path / "exports").glob("*/*/manifest.json")
    ]
    assert {manifest["table"] for manifest in manifests} == {"users", "orders", "products"}
    details = {m["table"]: {d["name"]: d["rows"] for d in m["datasets"]}["detail"] for m in manifests}
    assert (details["orders"], details["products"]) == (ORDERS, PRODUCTS)
    assert 0 < details["users"] <= 1000
    assert {file["format"] for manifest in manifests for file in manifest["files"]} == {
        "json",
        "csv",
        "excel",
        "parquet",
    }
    latest = [m for m in manifests if m["window"] == max(m["window"] for m in manifests)]
    total = sum(dataset["rows"] for manifest in latest for dataset in manifest["datasets"])
    assert f"{total}" in done.stderr, "total_items of the row equals the rows of the datasets"
    assert not servers_of(tmp_path)
    assert not list((tmp_path / "temp").iterdir())


def wait_for(check: Callable[[], Any], seconds: float = 90) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            found = check()
        except OSError:
            found = None
        if found:
            return found
        time.sleep(0.5)
    raise AssertionError("it did not come in time")


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (tmp_path / "dev.log").open("wb")
    # As in the background of a script, where SIGINT is ignored.
    command = [
        "sh",
        "-c",
        'trap "" INT; exec "$@"',
        "sh",
        *COMMAND,
        "dev",
        "--data",
        str(tmp_path / ".data"),
        "--port",
        str(port),
    ]
    # A folder whose .env names somebody's real servers. Dagster would put its values over the environment.
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    real = "DB_HOST=db.example.invalid\nDB_NAME=production\nDAGSTER_PG_URL=postgresql://u@db.example.invalid/d\nDEPLOYMENT_NAME=real\n"
    (tmp_path / ".env").write_text(f"{real}OSS_BUCKET=half-configured\n", encoding="utf-8")
    process = subprocess.Popen(command, env=environment(tmp_path), cwd=tmp_path, stdout=log, stderr=log)
    base = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: urllib.request.urlopen(f"{base}/server_info", timeout=5).status == 200, 240)
        yield base, process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
        log.close()


def graphql(base: str, query: str, **variables: Any) -> dict[str, Any]:
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(f"{base}/graphql", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        answer: dict[str, Any] = json.load(response)
    assert "errors" not in answer, answer
    data: dict[str, Any] = answer["data"]
    return data


LAUNCH = """
mutation ($job: String!) {
  launchRun(executionParams: {
    selector: {repositoryLocationName: "aggregation_pipeline", repositoryName: "__repository__", jobName: $job}
  }) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""
AUTOMATION = """
{ repositoriesOrError { ... on RepositoryConnection { nodes {
    schedules { name cronSchedule executionTimezone scheduleState { status } }
    sensors { name sensorState { status } } } } } }
"""


@pytest.mark.slow
@pytest.mark.alone
def test_a_run_launched_in_dev_is_mirrored_and_ctrl_c_stops_everything(
    dev: tuple[str, "subprocess.Popen[bytes]"], tmp_path: Path
):
    base, process = dev
    (repository,) = graphql(base, AUTOMATION)["repositoriesOrError"]["nodes"]
    assert repository["schedules"][0] == {
        "name": "aggregate_schedule",
        "cronSchedule": "0 2 * * *",
        "executionTimezone": "Asia/Shanghai",
        "scheduleState": {"status": "RUNNING"},
    }
    assert {sensor["sensorState"]["status"] for sensor in repository["sensors"]} == {"RUNNING"}
    # What pages of other sites may ask for is refused here too.
    with pytest.raises(urllib.error.HTTPError, match="405"):
        urllib.request.urlopen(f"{base}/graphql?query=mutation%7BsetNuxSeen%7D", timeout=30)
    launched = graphql(base, LAUNCH, job="aggregate")["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    run_id = launched["run"]["runId"]
    url = next(
        child.environ()["DAGSTER_PG_URL"]
        for child in psutil.Process(process.pid).children()
        if "dagster" in child.cmdline()
    )
    engine = create_engine(url, application_name="test")

    def completed() -> Any:
        with engine.connect() as connection:
            row = (
                connection.execute(sa.text("SELECT * FROM public.batch_jobs WHERE id = :id"), {"id": run_id})
                .mappings()
                .first()
            )
        return row if row is not None and row["status"] == "completed" else None

    row = wait_for(completed, 120)
    # What `dev` says of another terminal.
    shell = [
        "sh",
        "-c",
        '. "$0" && exec "$@"',
        str(tmp_path / ".data" / "dev.env"),
        "aggregation-pipeline",
        "batch-jobs",
        "list",
    ]
    listed = subprocess.run(
        shell, env=environment(tmp_path), cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert (listed.returncode, run_id[:8] in listed.stdout) == (0, True), listed.stdout + listed.stderr
    assert sorted(row["platforms_processed"]) == ["orders", "products", "users"]
    assert row["total_items"] > ORDERS + PRODUCTS
    engine.dispose()
    process.send_signal(signal.SIGINT)
    process.wait(60)
    wait_for(lambda: not servers_of(tmp_path), 30)
