"""Hundreds of requests a second while millions of rows are exported: all are answered, the web process stays small."""

import http.client
import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from aggregation_pipeline_tests.live.test_aggregate import post
from aggregation_pipeline_tests.support.dev import Supervised, deployed_dev
from aggregation_pipeline_tests.support.waiting import until

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import MySQLServer, PostgresServer

pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.timeout(900)]
ROWS = 5_000_000
CONFIG = """
    tables:
      orders:
        group_by: [status]
        aggregations: [{function: COUNT, alias: n}, {function: SUM, field: amount, alias: amount}]
        select_fields: [id, status, amount, created_at]
        schedule: none
"""
# Requests a second, and how many connections send them.
RATES = {"/health/live": (200, 4), "/status": (50, 4)}
# Before memory is measured for the first time, everything has been loaded.
WARM_SECONDS = 10.0
MEGABYTE = 1024 * 1024


@dataclass
class Load:
    """Requests to one path at a steady rate, each on a connection that is kept."""

    port: int
    path: str
    ended: threading.Event
    seconds: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def begin(self) -> list[threading.Thread]:
        """Begin to send; the threads end with `ended`."""
        rate, connections = RATES[self.path]
        threads = [
            threading.Thread(target=self._send, args=(connections / rate, number / rate))
            for number in range(connections)
        ]
        for thread in threads:
            thread.start()
        return threads

    def _send(self, pause: float, first: float) -> None:
        began = time.monotonic() + first
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            for number in itertools.count():
                # What is late is sent at once, so that the rate stays what it is.
                if self.ended.wait(max(0.0, began + number * pause - time.monotonic())):
                    return
                sent = time.monotonic()
                try:
                    connection.request("GET", self.path)
                    answer = connection.getresponse()
                    body = answer.read()
                except OSError as error:
                    self.wrong.append(repr(error))
                    connection.close()
                    continue
                self.seconds.append(time.monotonic() - sent)
                if answer.status != 200:
                    self.wrong.append(f"{answer.status} {body[:200]!r}")


@dataclass(frozen=True)
class Figures:
    """What the web process has at one moment."""

    bytes: int
    threads: int
    files: int


def figures(process: psutil.Process) -> Figures:
    return Figures(process.memory_info().rss, process.num_threads(), process.num_fds())


@pytest.fixture(scope="module")
def services(mariadb: "MySQLServer", postgres: "PostgresServer", server_folder: Path) -> Iterator[Supervised]:
    database = mariadb.fresh_database()
    with mariadb.connect(database=database) as connection, connection.cursor() as cursor:
        cursor.execute(
            """CREATE TABLE orders (id INT PRIMARY KEY, status VARCHAR(20), amount DECIMAL(12, 2), created_at DATETIME)
               SELECT seq AS id, ELT(1 + seq %% 4, 'new', 'paid', 'sent', 'done') AS status,
                      seq %% 100000 / 100 AS amount, '2026-01-01' + INTERVAL seq SECOND AS created_at
               FROM seq_1_to_%s""",
            [ROWS],
        )
    source = {"DB_SOCKET": mariadb.unix_socket, "DB_USER": mariadb.user, "DB_NAME": database}
    folder = server_folder / "under_load"
    with deployed_dev(folder, CONFIG, source, postgres.fresh_database(), Supervised) as dev:
        dev.start()
        yield dev


def is_answered(port: int, path: str) -> bool:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request("GET", path)
        return connection.getresponse().status == 200


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def test_the_web_process_answers_and_does_not_grow_while_a_large_table_is_exported(services: Supervised):
    # What is slow the first time is no part of this.
    until("the status", lambda: is_answered(services.port, "/status"), 60, said=services.log)
    web = services.service("aggregation_pipeline.web")
    ended, answers = threading.Event(), []
    loads = [Load(services.port, path, ended) for path in RATES]
    threads = [thread for load in loads for thread in load.begin()]
    exporting = threading.Thread(target=lambda: answers.append(post(services, {}, query="?wait=800")))
    seen = []
    began = time.monotonic()
    try:
        time.sleep(WARM_SECONDS)
        first = figures(web)
        exporting.start()
        while exporting.is_alive():
            exporting.join(1)
            seen.append(figures(web))
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    took = time.monotonic() - began
    report(loads, first, seen, took)
    ((status, answer),) = answers
    assert (status, answer["success"]) == (200, True), answer
    assert answer["totalItems"] == ROWS + 4
    assert {file["rows"] for file in answer["files"] if file["dataset"] == "detail"} == {ROWS}
    assert [load.wrong[:3] for load in loads] == [[], []]
    for load in loads:
        # On a busy machine the client itself does not get on.
        assert len(load.seconds) > 0.1 * RATES[load.path][0] * took, load.path
    assert max(each.bytes for each in seen) < first.bytes + 30 * MEGABYTE
    assert max(each.threads for each in seen) <= first.threads + 12
    assert max(each.files for each in seen) <= first.files + 12
    assert services.service("aggregation_pipeline.web").pid == web.pid


def report(loads: list[Load], first: Figures, seen: list[Figures], took: float) -> None:
    """Print what was measured: `pytest -s` shows it."""
    for load in loads:
        median, most, longest = (1000 * percentile(load.seconds, share) for share in (0.5, 0.99, 1.0))
        print(
            f"{load.path}: {len(load.seconds)} answers in {took:.0f} s ({len(load.seconds) / took:.0f}/s), wrong"
            f" {len(load.wrong)}, median {median:.1f} ms, 99% {most:.0f} ms, longest {longest:.0f} ms"
        )
    memory = [round(each.bytes / MEGABYTE, 1) for each in (first, *seen)]
    print(f"memory of the web process in MiB: first {memory[0]}, most {max(memory)}, last {memory[-1]}; {memory[::10]}")
    print(
        f"threads {first.threads} -> {max(each.threads for each in seen)}, files {first.files} ->"
        f" {max(each.files for each in seen)}"
    )
