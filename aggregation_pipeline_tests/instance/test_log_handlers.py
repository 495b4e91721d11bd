"""Log files: three, rotated, whole lines from several processes, JSON when asked for."""

import json
import logging
import os
import subprocess
import sys

import pytest

from aggregation_pipeline.instance.log_handlers import AppLog, CombinedLog, ErrorLog, JsonStdout
from aggregation_pipeline_tests.support.deployment import use_environment

WRITER = """
import sys
from aggregation_pipeline_tests.instance.test_log_handlers import write_lines
print("ready", flush=True)
write_lines(*sys.argv[1:])
"""


def write_lines(folder: str, process: str) -> None:
    log = logging.Logger("writer")  # noqa: LOG001 - outside the tree
    log.addHandler(CombinedLog(folder))
    for number in range(400):
        log.info("process %s line %s %s", process, number, "x" * 200)


@pytest.fixture(autouse=True)
def _settings(monkeypatch, tmp_path):
    use_environment(
        monkeypatch, {**os.environ, "AGGREGATION_ENV_FILE": os.devnull, "LOG_DIR": str(tmp_path), "LOG_LEVEL": "info"}
    )


def logger(*handlers: logging.Handler) -> logging.Logger:
    log = logging.Logger("aggregation_pipeline.test")  # noqa: LOG001 - one a test, outside the tree
    for handler in handlers:
        log.addHandler(handler)
    return log


def test_each_file_holds_its_share(tmp_path):
    log = logger(CombinedLog(), AppLog(), ErrorLog())
    log.debug("too fine")
    log.info("来了")
    log.error("went wrong")
    read = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.glob("*.log")}
    assert [line.split(" ", 1)[1] for line in read["combined.log"].splitlines()] == [
        "INFO [aggregation_pipeline.test] 来了",
        "ERROR [aggregation_pipeline.test] went wrong",
    ]
    assert read["app.log"] == read["combined.log"]
    assert read["error.log"].count("\n") == 1


def test_several_processes_write_whole_lines(tmp_path):
    # This process is the third.
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(number)], stdout=subprocess.PIPE)
        for number in (1, 2)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
    write_lines(str(tmp_path), "0")
    for writer in writers:
        writer.communicate(timeout=60)
    assert [writer.returncode for writer in writers] == [0, 0]
    lines = [line.split("] ", 1)[1] for line in (tmp_path / "combined.log").read_text(encoding="utf-8").splitlines()]
    assert sorted(lines) == sorted(
        f"process {process} line {number} {'x' * 200}" for process in range(3) for number in range(400)
    )


def test_json_lines_go_to_stdout_when_asked_for_and_else_nothing_does(monkeypatch, capsys):
    logger(JsonStdout()).info("silent")
    monkeypatch.setenv("LOG_FORMAT", "json")
    logger(JsonStdout()).warning("said 中文")
    line = json.loads(capsys.readouterr().out)
    assert (line["level"], line["message"], line["logger"]) == ("WARNING", "said 中文", "aggregation_pipeline.test")
    assert line["time"].endswith("+00:00")
