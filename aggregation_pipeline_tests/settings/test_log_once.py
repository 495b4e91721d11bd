"""What is said once by a service and everything that it starts."""

import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from aggregation_pipeline_tests.support.deployment import environment_without_settings
from aggregation_pipeline_tests.support.paths import REPOSITORY

# A service that loads its code three times, each time in another process.
CODE = (
    "import logging; from aggregation_pipeline.settings.log_once import log_once; log_once(logging.getLogger('x'),"
    " 30, 'a word')"
)
SERVICE = f"""
import subprocess, sys
from aggregation_pipeline.settings.log_once import begin_log_record
begin_log_record()
for _ in range(3):
    subprocess.run([sys.executable, "-c", {CODE!r}], check=True)
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {**environment_without_settings(), "PYTHONPATH": str(REPOSITORY), "TMPDIR": str(tmp_path)}


def run(code: str, environment: dict[str, str]) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=60
    ).stderr


def test_a_service_says_it_once_however_often_it_loads_its_code_and_again_after_a_restart(environment, tmp_path):
    for _ in range(2):
        assert run(SERVICE, environment).count("a word") == 1
    assert not list(tmp_path.iterdir())


def test_processes_that_were_started_apart_log_it_each(environment):
    assert [run(CODE, environment).count("a word") for _ in range(2)] == [1, 1]


def test_what_a_killed_service_left_is_removed_by_the_next(environment, tmp_path):
    run(
        "import os; from aggregation_pipeline.settings import log_once; log_once.begin_log_record(); os._exit(0)",
        environment,
    )
    (left,) = tmp_path.iterdir()
    (tmp_path / f"aggregation-log-record-{os.getpid()}-x").touch()
    run(CODE, environment)
    assert [path.name for path in tmp_path.iterdir()] == [f"aggregation-log-record-{os.getpid()}-x"]
    assert left.name.startswith("aggregation-log-record-")


def test_where_no_file_can_be_made_it_is_said_all_the_same(monkeypatch, caplog):
    from aggregation_pipeline.settings.log_once import log_once

    monkeypatch.delenv("AGGREGATION_LOG_RECORD", raising=False)
    monkeypatch.setattr(tempfile, "gettempdir", lambda: "/nowhere/at/all")
    log_once(logging.getLogger("x"), logging.WARNING, "100 % said")
    assert [record.getMessage() for record in caplog.records] == ["100 % said"]
