"""The whole web process, as in production, while its servers are stopped and frozen."""

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from dagster import DagsterInstance
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, InstigatorType, SensorInstigatorData
from dagster._daemon.daemon import MonitoringDaemon
from dagster._daemon.types import DaemonHeartbeat
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from aggregation_pipeline.batch_jobs.mirror_cursor import MIRROR_SENSOR, MirrorCursor
from aggregation_pipeline.embedded.postgres import THROWAWAY_OPTIONS, Postgres, start_postgres
from aggregation_pipeline_tests.support.deployment import environment_without_settings
from aggregation_pipeline_tests.support.freezing import frozen
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.runs import ORIGIN, open_instance
from aggregation_pipeline_tests.support.waiting import until
from aggregation_pipeline_tests.web.served import free_port

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import MySQLServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
CONFIG = "tables: {orders: {group_by: [status], aggregations: [{function: COUNT, alias: n}]}}"
WORKSPACE = """
load_from:
  - python_module: {module_name: aggregation_pipeline.definitions, location_name: aggregation_pipeline}
"""
# What one answer may take: two seconds, and some for a busy machine.
ANSWER_SECONDS = 4.0
# A sensor of the code that runs by default.
STOPPED = "internal_batch_jobs_queued"
# How many ask at once.
ASKING = 8


@dataclass
class Web:
    """The web process on a PostgreSQL of its own."""

    port: int
    process: "subprocess.Popen[bytes]"
    postgres: Postgres

    def get(self, path: str = "/health") -> tuple[int, Any]:
        """Return status and body of an answer, which has to come in time."""
        began = time.monotonic()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
                found = answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                found = error.code, json.load(error)
        assert time.monotonic() - began < ANSWER_SECONDS
        return found

    def failing(self) -> set[str]:
        """Return the names of what does not work."""
        return {name for name, check in self.get()[1]["checks"].items() if not check["ok"]}

    def figures(self) -> tuple[int, int]:
        """Return how many threads and how many open files the process has."""
        process = psutil.Process(self.process.pid)
        return process.num_threads(), process.num_fds()


@pytest.fixture(scope="module")
def web(mariadb: "MySQLServer", server_folder: Path) -> Iterator[Web]:
    folder = server_folder / "health"
    folder.mkdir()
    postgres = start_postgres(server_folder / "health-pg", report=print, options=THROWAWAY_OPTIONS)
    (folder / "dagster.yaml").write_text((REPOSITORY / "dagster.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "workspace.yaml").write_text(WORKSPACE, encoding="utf-8")
    (folder / "aggregation.yaml").write_text(CONFIG, encoding="utf-8")
    port = free_port()
    environment = environment_without_settings() | {
        "AGGREGATION_ENV_FILE": os.devnull,
        "AGGREGATION_CONFIG": str(folder / "aggregation.yaml"),
        "DAGSTER_PG_URL": postgres.url(),
        "DAGSTER_HOME": str(folder),
        "DB_HOST": "127.0.0.1",
        "DB_PORT": str(mariadb.port),
        "DB_USER": mariadb.user,
        "DB_NAME": "test",
        "STORAGE_DIR": str(folder / "exports"),
        "TEMP_DIR": str(folder / "temp"),
        "LOG_DIR": str(folder / "logs"),
        "PYTHONPATH": str(REPOSITORY),
    }
    command = [sys.executable, "-m", "aggregation_pipeline.web", "-w", "workspace.yaml", "-p", str(port)]
    with (folder / "web.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)
    started = Web(port, process, postgres)
    try:
        until("the web process", lambda: answers(started), 120, said=(folder / "web.log").read_text)
        yield started
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
        started.postgres.stop()


def answers(web: Web) -> bool:
    with suppress(urllib.error.URLError, ConnectionError):
        return web.get("/health/live")[0] == 200
    return False


def live_for(instance: DagsterInstance) -> None:
    """Store what a daemon stores that lives. The deployment's dagster.yaml has run monitoring besides."""
    for name in (*instance.get_required_daemon_types(), MonitoringDaemon.daemon_type()):
        instance.add_daemon_heartbeat(DaemonHeartbeat(datetime.now(UTC).timestamp(), name, None))


def store_state(instance: DagsterInstance, name: str, status: InstigatorStatus, cursor: str | None = None) -> None:
    """Store the state of a sensor, as the daemon and the UI do."""
    origin = ORIGIN.get_instigator_origin(name)
    data = SensorInstigatorData(cursor=cursor)
    state = InstigatorState(origin, InstigatorType.SENSOR, status, data)
    known = {each.instigator_name for each in instance.all_instigator_state()}
    (instance.update_instigator_state if name in known else instance.add_instigator_state)(state)


def test_health_follows_the_daemon_the_mirror_and_the_sensors(web: Web):
    assert web.get("/health/ready") == (200, {"status": "ready"})
    status, answer = web.get()
    assert (status, answer["checks"]["daemon"]["problem"]) == (503, "dagster-daemon has never run")
    now = MirrorCursor(datetime.now(UTC), at=datetime.now(UTC)).to_json()
    with open_instance(web.postgres.url()) as instance:
        live_for(instance)
        store_state(instance, MIRROR_SENSOR, InstigatorStatus.RUNNING, now)
        until("health", lambda: not web.failing(), 30, said=lambda: str(web.get()))
        assert web.get("/health?strict=1")[0] == 200
        store_state(instance, STOPPED, InstigatorStatus.STOPPED)
        store_state(instance, "of_other_code", InstigatorStatus.STOPPED)
        until("the sensor that was stopped", lambda: web.failing() == {"sensors"}, 30)
        assert web.get()[1]["checks"]["sensors"]["problem"] == f"stopped in the UI: {STOPPED}"
        assert (web.get()[0], web.get("/health?strict=1")[0]) == (200, 503)
        store_state(instance, STOPPED, InstigatorStatus.RUNNING)
        until("health again", lambda: not web.failing(), 30)


def test_a_frozen_mysql_is_told_of_and_hinders_nobody(web: Web, mariadb: "MySQLServer"):
    with frozen(mariadb.pid):
        until("the frozen MySQL", lambda: "mysql" in web.failing(), 40)
        assert web.get("/health/live")[0] == 200
    until("MySQL again", lambda: "mysql" not in web.failing(), 40)


def test_nothing_leaks_while_both_servers_are_frozen(web: Web, mariadb: "MySQLServer"):
    """Each probe asks again about every seven seconds, so an hour is like these rounds, only longer."""
    web.failing()
    threads, files = web.figures()
    most = len(web.get()[1]["checks"])
    with frozen(web.postgres.child.pid), frozen(mariadb.pid):
        until("both", lambda: {"postgres", "daemon", "mysql"} <= web.failing(), 60)
        assert web.get()[0] == 503
        highest = [web.figures()]
        ended = threading.Event()
        asking = [threading.Thread(target=ask_until, args=(web, ended)) for _ in range(ASKING)]
        for thread in asking:
            thread.start()
        for _ in range(45):
            time.sleep(1)
            assert web.get("/health/live")[0] == 200
            assert web.get("/health/ready")[0] == 200
            highest.append(web.figures())
        ended.set()
        for thread in asking:
            thread.join()
    # A probe has a thread, sometimes another one that cuts its connection, and at most one connection more than before.
    assert max(each for each, _ in highest) <= threads + 2 * most
    assert max(each for _, each in highest) <= files + most + ASKING + 1
    until("both again", lambda: not {"postgres", "mysql"} & web.failing(), 60)
    until("the threads to end", lambda: web.figures()[0] <= threads + 1, 60)
    assert web.figures()[1] <= files + 2


def ask_until(web: Web, ended: threading.Event) -> None:
    for _ in itertools.takewhile(lambda _: not ended.wait(0.1), itertools.count()):
        assert web.get()[0] == 503


def test_a_postgresql_that_is_stopped_is_told_of_and_comes_back(web: Web, server_folder: Path):
    web.postgres.stop()
    until("the stopped PostgreSQL", lambda: "postgres" in web.failing(), 40)
    status, answer = web.get()
    assert status == 503
    assert answer["checks"]["postgres"]["problem"].startswith("Dagster's PostgreSQL does not answer")
    assert web.get("/health/ready")[0] == 200
    web.postgres = start_postgres(server_folder / "health-pg", report=print, options=THROWAWAY_OPTIONS)
    until("PostgreSQL again", lambda: "postgres" not in web.failing(), 40)


LOG_OF_A_RUN = """subscription { pipelineRunLogs(runId: "none") {
  __typename ... on PipelineRunLogsSubscriptionFailure { message } } }"""


def test_a_page_that_waits_for_a_frozen_postgresql_hinders_nobody(web: Web):
    """Dagster asks for a run in the event loop itself when its page begins to listen to the log."""
    with connect(f"ws://127.0.0.1:{web.port}/graphql", subprotocols=[Subprotocol("graphql-ws")]) as page:
        page.send(json.dumps({"type": "connection_init"}))
        assert json.loads(page.recv(30)) == {"type": "connection_ack"}
        with frozen(web.postgres.child.pid):
            page.send(json.dumps({"type": "start", "id": "1", "payload": {"query": LOG_OF_A_RUN}}))
            for _ in range(20):
                time.sleep(0.2)
                assert web.get("/health/live")[0] == 200
            until("the frozen PostgreSQL", lambda: "postgres" in web.failing(), 40)
            with pytest.raises(TimeoutError):
                page.recv(0.1)
        assert "Could not load run" in str(page.recv(60))
    until("PostgreSQL again", lambda: "postgres" not in web.failing(), 40)


def test_a_code_server_that_is_killed_is_told_of(web: Web):
    for child in psutil.Process(web.process.pid).children(recursive=True):
        if "api" in child.cmdline() and "grpc" in child.cmdline():
            child.kill()
    until("the code server to be missed", lambda: "codeLocation" in web.failing(), 60)
    assert web.get("/health/ready") == (503, {"status": "not ready"})
    assert web.get("/health/live")[0] == 200
