"""The services of docker-compose.yml, and what a person does with them."""

import functools
import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from aggregation_pipeline_tests.deploy.compose import USER, Containers
from aggregation_pipeline_tests.support.waiting import until

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import MySQLServer, PostgresServer

SERVICES = ("code", "daemon", "data-aggregation")
# Of the profile workers.
WORKERS = ("worker-1", "worker-2")


def let_everybody_in(postgres: "PostgresServer", *, folder: int, socket: int) -> None:
    postgres.server.socket_folder.chmod(folder)
    for path in postgres.server.socket_folder.glob(".s.PGSQL.*[0-9]"):
        path.chmod(socket)


class Stack:
    """The services, and what a person does with them."""

    def __init__(self, containers: Containers, url: str, port: str, source: "MySQLServer", database: str) -> None:
        self.containers, self.url, self.port, self.source, self.database = containers, url, port, source, database
        self.token = ""

    def tool(self, *arguments: str, text: str | None = None) -> str:
        """Do what `docker-compose exec data-aggregation aggregation-pipeline ...` does."""
        done = subprocess.run(
            [str(self.containers.image / "bin/aggregation-pipeline"), *arguments], input=text,
            env=self.containers.environment("data-aggregation"), cwd=self.containers.folder / "srv/aggregation",
            capture_output=True, text=True, timeout=120, check=False, user=USER, group=USER, extra_groups=[],
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def sign_in(self) -> None:
        """Make an account and its token, once."""
        if not self.token:
            self.tool("users", "add", "ada", "--role", "operator", "--password-stdin", text="correct horse battery\n")
            self.token = self.tool("tokens", "create", "test", "--scopes", "run", "--owner", "ada").strip()

    def start(self, *services: str) -> None:
        """Start those services that do not run, and wait until they are healthy."""
        for service in services:
            if service not in self.containers.processes:
                self.containers.start(service)
        self.wait_for_health(*services)

    def post(self, table: str) -> str:
        """Launch a table; return the id of its batch."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/aggregate",
            json.dumps({"tables": [table]}).encode(),
            {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"},
        )
        with urllib.request.urlopen(request, timeout=60) as reply:
            batch: str = json.load(reply)["batchJobId"]
        return batch

    def launch(self, table: str) -> str:
        """As `post`, as soon as the code server answers the web process again."""

        def launched() -> str:
            try:
                return self.post(table)
            except OSError:
                return ""

        batch: str = until("a launch", launched, 120, said=self.logs)
        return batch

    def query(self, text: str, **values: Any) -> list[Any]:
        engine = sa.create_engine(self.url)
        with engine.connect() as connection:
            rows = list(connection.execute(sa.text(text), values))
        engine.dispose()
        return rows

    def status(self, batch: str) -> str | None:
        rows = self.query("SELECT status FROM public.batch_jobs WHERE id = :id", id=batch)
        return rows[0].status if rows else None

    def wait(self, batch: str, status: str) -> None:
        until(f"{batch} to be {status}", lambda: self.status(batch) == status, 240, said=self.logs)

    def wait_for_health(self, *services: str) -> None:
        for service in services:
            until(f"the health of {service}", functools.partial(self.containers.healthy, service), 240, said=self.logs)

    def logs(self) -> str:
        started = self.containers.processes
        return "".join(f"== {service}\n{self.containers.log(service)[-2000:]}" for service in started)

    @contextmanager
    def held(self, table: str) -> Iterator[None]:
        """Let whoever reads the table wait."""
        with self.source.connect(database=self.database) as connection, connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLES {table} WRITE")
            yield
            cursor.execute("UNLOCK TABLES")
