"""A server as a child process: started in a session of its own, waited for, and stopped by its process id.

A session of its own, because Ctrl-C in a terminal reaches every process of the foreground group. The servers have to
outlive Dagster, which still writes its last events while it shuts down.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aggregation_pipeline.errors import PipelineError

# A cold disk and a busy machine; an idle one needs about a second.
START_SECONDS = 60.0
POLL_SECONDS = 0.02


class ServerStartError(PipelineError):
    """An embedded server did not start: it ended (`died`), or did not answer for a minute."""

    def __init__(self, message: str, *, died: bool) -> None:
        super().__init__(message)
        self.died = died


@dataclass(frozen=True)
class Account:
    """The account that a server runs as if this process is root."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True)
class Child:
    """A running server. `stop_signals` are sent one after the other until it ends."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path
    stop_signals: tuple[signal.Signals, ...] = (signal.SIGTERM, signal.SIGKILL)

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self.popen.pid

    def wait_ready(self, ready: Callable[[], bool], *, seconds: float = START_SECONDS) -> None:
        """Wait until `ready()` is true.

        Raises:
            ServerStartError: the server ended or did not answer in time; the message has the end of its log.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            if (code := self.popen.poll()) is not None:
                raise ServerStartError(
                    f"{self.name} ended with code {code} while starting. {self._log_tail()}", died=True
                )
            if time.monotonic() > deadline:
                raise ServerStartError(
                    f"{self.name} did not answer within {seconds:.0f} s. {self._log_tail()}", died=False
                )
            time.sleep(POLL_SECONDS)

    def stop(self, *, grace: float = 10.0) -> None:
        """End the server and wait until it is gone; each signal has `grace` seconds. It may be called again."""
        for number in self.stop_signals:
            if self.popen.poll() is not None:
                return
            self.popen.send_signal(number)
            try:
                self.popen.wait(grace)
            except subprocess.TimeoutExpired:
                continue

    def _log_tail(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines() if self.log.exists() else []
        return f"The end of {self.log}: " + (" / ".join(lines[-5:]) or "(empty)")


def spawn(
    name: str,
    command: Sequence[str | Path],
    *,
    cwd: Path,
    log: Path,
    environment: Mapping[str, str],
    account: Account | None = None,
    stop_signals: tuple[signal.Signals, ...] = (signal.SIGTERM, signal.SIGKILL),
) -> Child:
    """Start `command` without waiting. The log begins anew each time, so that it cannot grow for ever.

    `environment` is all that the server sees: the variables of the user's shell (PG*, LD_*, passwords) do not concern
    it.
    """
    with log.open("wb") as sink:
        popen = subprocess.Popen(
            [str(part) for part in command],
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    return Child(name, popen, log, stop_signals)


def socket_accepts(path: Path) -> bool:
    """Return whether a server listens on the unix socket.

    Ask this before PyMySQL connects: it does not close a socket that was refused.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def end_orphan(pid: int, marker: str, *, grace: float = 10.0) -> bool:
    """End a server that a killed owner left behind; return whether there was one.

    Process ids are reused, so `pid` alone proves nothing: `marker`, the server's folder, has to be in its command line.
    """
    found = False
    for number in (signal.SIGINT, signal.SIGKILL):
        deadline = time.monotonic() + grace
        while marker in command_line(pid) and time.monotonic() < deadline:
            if not found or number == signal.SIGKILL:
                os.kill(pid, number)
            found = True
            time.sleep(POLL_SECONDS)
    return found


def command_line(pid: int) -> str:
    """Return the command line of process `pid`; empty if it is gone, or a zombie, which containers often keep."""
    if Path("/proc/self").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    command = [shutil.which("ps") or "/bin/ps", "-o", "command=", "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def is_root() -> bool:
    """Return whether this process is root."""
    return os.geteuid() == 0
