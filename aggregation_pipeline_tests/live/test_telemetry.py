"""Dagster's services, with our log files where telemetry looks for files: nothing is sent, and nothing is deleted."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from aggregation_pipeline_tests.support.deployment import environment_without_settings
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.waiting import until
from aggregation_pipeline_tests.web.served import free_port

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import PostgresServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
STOCK = "storage: {postgres: {postgres_url: {env: DAGSTER_PG_URL}}}\ntelemetry: {enabled: false}\n"
OURS = (REPOSITORY / "dagster.yaml").read_text(encoding="utf-8")


@dataclass
class Sink:
    """A proxy for every request to another host. It answers all of them and passes nothing on."""

    asked: list[str] = field(default_factory=list)
    port: int = 0


@pytest.fixture
def sink() -> Iterator[Sink]:
    found = Sink()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            found.asked.append(f"{self.command} {self.path}")
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_CONNECT = do_POST  # noqa: N815 - http.server's names

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield found
    server.shutdown()
    server.server_close()


@contextmanager
def started(command: list[str], environment: dict[str, str], folder: Path) -> "Iterator[subprocess.Popen[bytes]]":
    with (folder / "service.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        finally:
            # What it has started.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def environment(folder: Path, sink: Sink, **more: str) -> dict[str, str]:
    proxy = dict.fromkeys(
        ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"), f"http://127.0.0.1:{sink.port}"
    )
    stops = {"BUILDKITE", "TF_BUILD", "NO_PROXY", "no_proxy"}
    return {
        **{name: value for name, value in environment_without_settings().items() if name not in stops},
        **proxy,
        "DAGSTER_HOME": str(folder),
        "AGGREGATION_ENV_FILE": os.devnull,
        "PYTHONPATH": str(REPOSITORY),
        **more,
    }


def written(logs: Path) -> Path:
    logs.mkdir(parents=True)
    log = logs / "combined.log"
    log.write_text("a line of ours\n", encoding="utf-8")
    return log


def said(folder: Path) -> str:
    return (folder / "service.log").read_text(encoding="utf-8", errors="replace")


def dagster_command(*command: str) -> list[str]:
    return [sys.executable, "-m", *command, "-w", str(REPOSITORY / "workspace.yaml"), "-p", str(free_port())]


def test_dagster_dev_sends_and_removes_nothing(postgres: "PostgresServer", sink: Sink, tmp_path: Path):
    """It starts Dagster's webserver and daemon. `make dev`, below, starts ours."""
    (tmp_path / "dagster.yaml").write_text(OURS, encoding="utf-8")
    log = written(tmp_path / "logs")
    variables = environment(tmp_path, sink, DAGSTER_PG_URL=postgres.fresh_database(), LOG_DIR="logs")
    with started(dagster_command("dagster", "dev"), variables, tmp_path) as process:
        # The code server writes there when it has loaded the code, which is after everything that would have sent.
        until(
            "our own lines",
            lambda: len(log.read_text(encoding="utf-8").splitlines()) > 1,
            180,
            said=lambda: said(tmp_path),
        )
        assert process.poll() is None
    assert sink.asked == []
    assert log.read_text(encoding="utf-8").startswith("a line of ours\n")
    assert not (tmp_path / ".logs_queue").exists()
    assert "telemetry" not in said(tmp_path)


def test_with_dagsters_stock_storage_they_do_both_so_that_our_code_refuses_to_load(
    postgres: "PostgresServer", sink: Sink, tmp_path: Path
):
    """Without our settings Dagster does send: so the other tests would notice it."""
    (tmp_path / "dagster.yaml").write_text(STOCK, encoding="utf-8")
    log = written(tmp_path / "logs")
    variables = environment(tmp_path, sink, DAGSTER_PG_URL=postgres.fresh_database(), LOG_DIR="logs")
    with started(dagster_command("dagster_webserver"), variables, tmp_path):
        until("what was sent", lambda: sink.asked, 180, said=lambda: said(tmp_path))
        until("the end of the file", lambda: not log.exists(), 30)
        until("the refusal", lambda: "LOG_DIR leads into" in said(tmp_path), 120, said=lambda: said(tmp_path))
    assert "POST http://telemetry.dagster.io/actions" in sink.asked


def test_make_dev_sends_and_removes_nothing(sink: Sink, server_folder: Path):
    folder = server_folder / "telemetry"
    home = folder / "data" / "dagster"
    log = written(home / "logs")
    variables = environment(
        folder, sink, LOG_DIR=str(home / "logs"), STORAGE_DIR=str(folder / "exports"), TEMP_DIR=str(folder / "temp")
    )
    del variables["DAGSTER_HOME"]
    for name in ("dagster.yaml", "workspace.yaml"):
        (folder / name).write_text((REPOSITORY / name).read_text(encoding="utf-8"), encoding="utf-8")
    entry = "from aggregation_pipeline.cli.main import main; main()"
    command = [sys.executable, "-c", entry, "dev", "--data", str(folder / "data"), "--port", str(free_port())]
    with started(command, variables, folder):
        until(
            "our own lines",
            lambda: len(log.read_text(encoding="utf-8").splitlines()) > 1,
            180,
            said=lambda: said(folder),
        )
    assert sink.asked == []
    assert log.read_text(encoding="utf-8").startswith("a line of ours\n")
    assert not (home / ".logs_queue").exists()
