"""A real Redis on a free port of 127.0.0.1, with a password, which keeps nothing on disk."""

import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import redis

from aggregation_pipeline_tests.support.servers.missing import missing
from aggregation_pipeline_tests.support.waiting import until

PASSWORD = "hush-hush@redis"


@dataclass
class Redis:
    """The server. Tests stop, freeze and empty it; it comes back on the same port."""

    folder: Path
    port: int
    policy: str = "noeviction"
    process: "subprocess.Popen[bytes] | None" = field(default=None)

    @property
    def url(self) -> str:
        """The URL of its first database, with the password."""
        return f"redis://:{PASSWORD.replace('@', '%40')}@127.0.0.1:{self.port}/0"

    def client(self) -> redis.Redis:
        """Return a client for the test itself."""
        return redis.Redis(port=self.port, password=PASSWORD, socket_timeout=10)

    def start(self) -> None:
        """Start it, and return when it answers."""
        program = shutil.which("redis-server") or missing("Redis is needed: apt-get install redis-server")
        with (self.folder / "redis.log").open("ab") as log:
            self.process = subprocess.Popen(
                [program, "--port", str(self.port), "--bind", "127.0.0.1", "--requirepass", PASSWORD,
                 "--maxmemory-policy", self.policy, "--save", "", "--appendonly", "no", "--dir", str(self.folder)],
                stdout=log, stderr=log,
            )  # fmt: skip
        until("Redis", self.answers, 60, said=(self.folder / "redis.log").read_text)

    def answers(self) -> bool:
        """Whether it answers."""
        with suppress(redis.exceptions.RedisError), self.client() as client:
            return bool(client.ping())
        return False

    def stop(self) -> None:
        """End it. What it held is gone."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            self.process.wait(30)
            self.process = None


@contextmanager
def redis_server(folder: Path) -> Iterator[Redis]:
    """Run Redis in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Redis(folder, port)
    server.start()
    try:
        yield server
    finally:
        server.stop()
