"""The folder of the code server's socket: closed to others, and gone sooner or later however its supervisor ends."""

import subprocess
import sys
from pathlib import Path

import pytest

from aggregation_pipeline.services.supervisor import _private_folder

KILLED = """
import os, signal
from aggregation_pipeline.services.supervisor import _private_folder
with _private_folder() as folder:
    (folder / "workspace.yaml").write_text("")
    print(folder, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_supervisor_left_goes_with_the_next_and_that_of_a_living_one_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", KILLED], check=False, env={"TMPDIR": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}, capture_output=True
    )
    left = Path(done.stdout.decode().strip())
    assert left.is_dir(), done.stderr
    with _private_folder() as living:
        assert living.stat().st_mode & 0o777 == 0o700
        with _private_folder() as another:
            assert not left.exists()
            assert living.is_dir()
        assert not another.exists()
    assert not living.exists()
