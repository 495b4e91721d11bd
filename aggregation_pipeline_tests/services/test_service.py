"""Services as child processes, without Dagster."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from aggregation_pipeline.services import service as service_module
from aggregation_pipeline.services.service import Service
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.waiting import until


def make(folder: Path, code: str) -> tuple[Service, list[str]]:
    said: list[str] = []
    return Service("daemon", [sys.executable, "-c", code], dict(os.environ), folder, said.append, pause=0.01), said


def keep_until(daemon: Service, found: Callable[[], bool]) -> None:
    def look() -> bool:
        daemon.keep()
        return found()

    until("what is said", look, 20)


def test_a_service_that_ends_is_started_again_after_pauses_that_grow(tmp_path: Path):
    daemon, said = make(tmp_path, "raise SystemExit(3)")
    keep_until(daemon, lambda: len(said) == 3)
    assert said[0] == "The daemon ended (exit code 3) and is started again in 0 s"
    assert daemon.pause == 0.08


def test_a_service_that_has_lived_for_a_while_is_started_again_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(service_module, "_LONGEST_PAUSE", 0.2)
    daemon, said = make(tmp_path, "import time; time.sleep(0.5)")
    daemon.pause = 20
    daemon.start()
    keep_until(daemon, lambda: bool(said))
    assert said == ["The daemon ended (exit code 0) and is started again in 1 s"]


def test_a_service_that_cannot_be_started_for_a_while_is_tried_again(tmp_path: Path):
    daemon, said = make(tmp_path, "raise SystemExit(3)")
    command, daemon.command = daemon.command, [str(tmp_path / "missing")]
    keep_until(daemon, lambda: len(said) == 2)
    assert said[0] == "The daemon cannot be started (No such file or directory): next try in 0 s"
    daemon.command = command
    keep_until(daemon, lambda: "exit code 3" in said[-1])


def test_what_a_service_has_started_ends_with_it(tmp_path: Path):
    code = (
        "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; print(1, flush=True);"
        " time.sleep(60)'])"
    )
    daemon, _ = make(tmp_path, code)
    daemon.start()
    assert daemon.process is not None
    assert os.getsid(daemon.process.pid) == daemon.process.pid
    assert not daemon.wait(0.1)
    assert daemon.end_group(signal.SIGKILL, 20)
    assert daemon.process.poll() == -signal.SIGKILL
    assert daemon.end(signal.SIGTERM, 1), "it may be ended twice"


def test_what_a_killed_service_has_left_ends_with_the_one_that_was_started_again(tmp_path: Path):
    code = """
import subprocess, sys, time
left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(left.pid, file=open("started", "a"), flush=True)
time.sleep(60)
"""
    service, _ = make(tmp_path, code)
    started = tmp_path / "started"

    def grandchildren() -> list[int]:
        return list(map(int, started.read_text().split())) if started.exists() else []

    service.start()
    until("what it starts", grandchildren, 20)
    assert service.process is not None
    service.process.kill()
    keep_until(service, lambda: len(grandchildren()) == 2)
    assert not service.wait_group(0)
    assert service.end_group(signal.SIGINT, 20)
    assert not any(map(psutil.pid_exists, grandchildren()))
    assert service.wait_group(0), "it may be waited for again"


ADOPTED = """
import ctypes, os, signal, sys, time
from pathlib import Path
from aggregation_pipeline.services.service import Service
# PR_SET_CHILD_SUBREAPER: orphans become ours, as those of a container become its first process's.
ctypes.CDLL(None).prctl(36, 1)
sleep = "import time; time.sleep(60)"
code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {sleep!r}])"
service = Service("code server", [sys.executable, "-c", code], dict(os.environ), Path.cwd(), print)
service.start()
children = Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children")
while not children.read_text():
    time.sleep(0.05)
orphan = int(children.read_text())
service.process.kill()
while service.process is not None:
    service.keep()
os.kill(orphan, signal.SIGKILL)
sys.exit(0 if service.wait_group(20) else 1)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl")
def test_an_orphan_that_has_ended_is_not_waited_for_where_nobody_else_reaps_it(tmp_path: Path):
    """As the first process of a container, which every orphan is handed to."""
    done = subprocess.run(
        [sys.executable, "-c", ADOPTED],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
