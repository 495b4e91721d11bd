"""If a supervisor is killed, its services end with it, and the next supervisor removes what it has left."""

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from aggregation_pipeline.services.private_folder import private_folder
from aggregation_pipeline_tests.support.dev import alive
from aggregation_pipeline_tests.support.waiting import until

SUPERVISOR = """
import os, sys, time
from pathlib import Path
from aggregation_pipeline.services.service import Service
from aggregation_pipeline.services.private_folder import claim_path, private_folder
from aggregation_pipeline.services.end_with_supervisor import command_that_ends, supervisor_lifeline
with private_folder(print, grace=1, patient="none") as folder, supervisor_lifeline() as lifeline:
    for words in sys.argv[1:]:
        name, seconds = words.split(":")
        command = command_that_ends(claim_path(folder, name), float(seconds), ["service", name])
        Service(name, command, os.environ, Path.cwd(), print, stdin=lifeline).start()
    print(folder, flush=True)
    time.sleep(60)
"""
# By its name it ends at an interruption (easy), after its work (working), or not at all (stubborn).
SERVICE = """
import signal, sys, time
from pathlib import Path
name = sys.argv[1]
assert sys.stdin.read() == ""
if name == "stubborn":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
Path(f"{name}.started").touch()
try:
    while True:
        time.sleep(0.05)
except KeyboardInterrupt:
    Path(f"{name}.interrupted").touch()
    while name == "working" and not Path("done").exists():
        time.sleep(0.05)
"""


class Supervisor:
    """A process that starts such services, each given as `name:seconds`, for the test to kill."""

    def __init__(self, home: Path, *services: str) -> None:
        environment = {"TMPDIR": str(home), "PYTHONPATH": ":".join([str(home), *sys.path])}
        (home / "service.py").write_text(SERVICE, encoding="utf-8")
        command = [sys.executable, "-c", SUPERVISOR, *services]
        self.process = subprocess.Popen(command, env=environment, cwd=home, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.folder = Path(self.process.stdout.readline().decode().strip())
        names = [service.partition(":")[0] for service in services]
        until("the services", lambda: all((home / f"{name}.started").exists() for name in names), 20)
        children = psutil.Process(self.process.pid).children()
        self.services = {each.cmdline()[-1]: each for each in children}

    def kill(self) -> None:
        """Kill the supervisor alone."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def is_running(self, name: str) -> bool:
        """Return whether this service still runs."""
        return bool(alive([self.services[name]]))


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that no other process of the tests looks into for what supervisors have left. Sockets want it short."""
    with tempfile.TemporaryDirectory(prefix="agg-", ignore_cleanup_errors=True) as name:
        monkeypatch.setattr("tempfile.tempdir", name)
        monkeypatch.setattr("aggregation_pipeline.services.private_folder._SHORT_BASE", Path(name))
        yield Path(name)
        (Path(name) / "done").touch()


def test_the_next_supervisor_removes_the_folder_of_a_killed_one_and_not_that_of_a_running_one(home: Path):
    dead = Supervisor(home)
    dead.kill()
    assert dead.folder.is_dir()
    with private_folder(pytest.fail, grace=1, patient="") as living:
        assert living.stat().st_mode & 0o777 == 0o700
        with private_folder(pytest.fail, grace=1, patient="") as another:
            assert not dead.folder.exists()
            assert living.is_dir()
        assert not another.exists()
    assert not living.exists()


def test_services_end_with_a_supervisor_that_is_killed_and_one_with_work_takes_its_time(home: Path):
    supervisor = Supervisor(home, "easy:30", "stubborn:0.5", "working:0")
    supervisor.kill()
    without_work = ("easy", "stubborn")
    until("the end of those without work", lambda: not any(map(supervisor.is_running, without_work)), 20)
    assert (home / "easy.interrupted").exists()
    said: list[str] = []
    with private_folder(said.append, grace=0.2, patient="working"):
        assert supervisor.is_running("working")
        assert supervisor.folder.is_dir()
    pid = supervisor.services["working"].pid
    assert said == [
        f"A supervisor was killed and has left the working (process {pid})",
        f"The working (process {pid}) ends when the last of its runs has ended",
    ]
    assert supervisor.folder.is_dir()
    (home / "done").touch()
    until("its end", lambda: not supervisor.is_running("working"), 20)
    with private_folder(pytest.fail, grace=0.2, patient="working"):
        assert not supervisor.folder.exists()


def test_a_supervisor_that_ends_removes_the_folder_whose_last_service_has_ended_meanwhile(home: Path):
    supervisor = Supervisor(home, "working:0")
    supervisor.kill()
    with private_folder(lambda _: None, grace=0.2, patient="working"):
        (home / "done").touch()
        until("its end", lambda: not supervisor.is_running("working"), 20)
        assert supervisor.folder.is_dir()
    assert not supervisor.folder.exists()


def test_the_next_supervisor_kills_what_does_not_end_by_itself(home: Path):
    supervisor = Supervisor(home, "easy:30")
    frozen = supervisor.services["easy"]
    frozen.send_signal(signal.SIGSTOP)
    supervisor.kill()
    said: list[str] = []
    before = time.monotonic()
    with private_folder(said.append, grace=0.2, patient="working"):
        assert time.monotonic() - before > 0.2
        assert not supervisor.folder.exists()
    until("its end", lambda: not supervisor.is_running("easy"), 20)
    assert said[1] == f"The easy (process {frozen.pid}) does not end and is killed"
