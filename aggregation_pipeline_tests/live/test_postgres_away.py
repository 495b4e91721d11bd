"""A real daemon whose PostgreSQL is stopped, frozen, or has no connections left.

The daemon keeps running, says so once a minute, and goes on by itself.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2
import pytest
import sqlalchemy as sa

from aggregation_pipeline.embedded.postgres import THROWAWAY_OPTIONS, Postgres, start_postgres
from aggregation_pipeline.postgres.engine import create_engine
from aggregation_pipeline_tests.support.deployment import environment_without_settings
from aggregation_pipeline_tests.support.dev import make_orders
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.waiting import until

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import MySQLServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
# One is longer than a minute, after which a second line may come.
OUTAGE_SECONDS = {"stopped": 75, "frozen": 20, "crashed": 20, "without connections": 20}
CONNECTIONS = 25
# For the second table catch_up finds every half minute that there is nothing to do yet.
CONFIG = """
tables:
  orders: {select_fields: [id], schedule: '0 0 2 * * *'}
  later: {table: orders, select_fields: [id], partition: {column: created_at, every: day, start: 2090-01-01}}
"""


@dataclass
class Away:
    """The daemon, and a PostgreSQL of its own."""

    folder: Path
    environment: dict[str, str]
    server: Postgres
    daemon: "subprocess.Popen[bytes] | None" = field(default=None)

    def start_server(self) -> None:
        """Start PostgreSQL again."""
        self.server = start_server(self.folder)

    def start(self) -> None:
        """Start the daemon."""
        with (self.folder / "daemon.log").open("ab") as log:
            self.daemon = subprocess.Popen(
                [sys.executable, "-m", "dagster._daemon", "run", "-w", str(REPOSITORY / "workspace.yaml")],
                env=self.environment, cwd=self.folder, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def stop(self) -> None:
        """Stop the daemon with its code server."""
        if self.daemon is not None:
            self.daemon.send_signal(signal.SIGTERM)
            try:
                self.daemon.wait(60)
            finally:
                # And the code server that it started.
                with suppress(ProcessLookupError):
                    os.killpg(self.daemon.pid, signal.SIGKILL)
                self.daemon = None

    def log(self) -> str:
        """Return what the daemon has logged."""
        return (self.folder / "daemon.log").read_text(encoding="utf-8", errors="replace")

    def beats(self, since: datetime) -> set[str]:
        """Return the daemons that have sent a heartbeat since then."""
        engine = create_engine(self.server.url(), application_name="aggregation test")
        try:
            with engine.connect() as connection:
                found = connection.execute(
                    sa.text("SELECT daemon_type FROM daemon_heartbeats WHERE timestamp > :since"), {"since": since}
                )
                return set(found.scalars())
        except sa.exc.DBAPIError:
            return set()
        finally:
            engine.dispose()

    def is_at_work(self) -> None:
        """Start the daemon, unless an earlier test has seen it at work."""
        if self.daemon is None:
            self.start()
            self.goes_on("the daemon")

    def goes_on(self, what: str) -> None:
        """Wait for a heartbeat of each thread; they send one every half minute."""
        assert self.daemon is not None
        now = datetime.now(UTC).replace(tzinfo=None)
        until(what, lambda: {"SENSOR", "SCHEDULER", "BACKFILL"} <= self.beats(now), 180, said=self.log)
        assert self.daemon.poll() is None

    def said_since(self, length: int) -> list[str]:
        return [re.sub("\x1b\\[[0-9;]*m", "", line) for line in self.log()[length:].splitlines()]


def start_server(folder: Path) -> Postgres:
    options = {**THROWAWAY_OPTIONS, "fsync": "off", "max_connections": str(CONNECTIONS)}
    return start_postgres(folder / "postgres", report=print, timezone="Asia/Shanghai", options=options)


@pytest.fixture(scope="module")
def away(mariadb: "MySQLServer", server_folder: Path) -> Iterator[Away]:
    folder = server_folder / "away"
    folder.mkdir(mode=0o711)
    (folder / "dagster.yaml").write_text((REPOSITORY / "dagster.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "aggregation.yaml").write_text(CONFIG, encoding="utf-8")
    server = start_server(folder)
    environment = {
        **environment_without_settings(),
        **make_orders(mariadb, ["(1, 'new', '2026-11-01 10:00:00')"]),
        "AGGREGATION_ENV_FILE": os.devnull,
        "AGGREGATION_CONFIG": str(folder / "aggregation.yaml"),
        "DAGSTER_PG_URL": server.url(),
        "DAGSTER_HOME": str(folder),
        "PYTHONPATH": str(REPOSITORY),
    }
    found = Away(folder, environment, server)
    try:
        yield found
    finally:
        found.stop()
        found.server.stop()


def test_a_daemon_that_starts_before_its_postgresql_waits_for_it(away: Away):
    away.server.stop()
    away.start()
    until("the word", lambda: "PostgreSQL does not answer" in away.log(), 60, said=away.log)
    # It can be stopped meanwhile.
    away.stop()
    started_at = time.monotonic()
    away.start()
    until("the word", lambda: away.log().count("PostgreSQL does not answer") == 2, 60, said=away.log)
    time.sleep(5)
    away.start_server()
    away.goes_on("the daemon")
    minutes = (time.monotonic() - started_at) / 60
    assert 2 <= away.log().count("does not answer") <= 2 + minutes
    assert "Traceback" not in away.log()


def test_the_lines_of_a_tick_are_logged_once(away: Away):
    away.is_at_work()
    length = len(away.log())
    # Its code is loaded anew each minute, and each sensor looks every ten seconds.
    time.sleep(80)
    lines = away.said_since(length)
    texts = [re.sub(r"^[-0-9: +.T]+", "", line) for line in lines]
    assert len(texts) == len(set(texts)), lines
    # Those of its first ticks too, where it has just been started.
    assert len(lines) < 60, lines
    assert away.log().count("runs as '0 2 * * *'") == 2, "CRON_SCHEDULE, and the schedule of orders"


@pytest.mark.parametrize("how", OUTAGE_SECONDS)
def test_the_daemon_survives_an_outage_with_one_line_a_minute_and_goes_on(away: Away, how: str):
    away.is_at_work()
    length = len(away.log())
    gone_at = time.monotonic()
    taken = []
    pid = away.server.child.pid
    if how == "stopped":
        away.server.stop()
    elif how == "frozen":
        os.kill(pid, signal.SIGSTOP)
    elif how == "crashed":
        os.kill(pid, signal.SIGKILL)
        away.server.stop()
    else:
        url = away.server.url().replace("+psycopg2", "")
        with suppress(psycopg2.OperationalError):
            while True:
                taken.append(psycopg2.connect(url))
    time.sleep(OUTAGE_SECONDS[how])
    assert away.daemon is not None
    assert away.daemon.poll() is None
    if how == "frozen":
        os.kill(pid, signal.SIGCONT)
    elif taken:
        for connection in taken:
            connection.close()
    else:
        away.start_server()
    away.goes_on("the daemon, again")
    minutes = (time.monotonic() - gone_at) / 60
    # What was held back would come now.
    time.sleep(10)
    lines = away.said_since(length)
    assert not [line for line in lines if "Traceback" in line or "Stack Trace" in line or line.startswith("  ")], (
        "\n".join(lines)
    )
    words = [line for line in lines if "PostgreSQL does not answer" in line]
    assert how == "frozen" or 1 <= len(words) <= 1 + minutes, "\n".join(lines)
