"""Nothing of ours is sent to anybody: Dagster's services take $DAGSTER_HOME/logs for telemetry, send its files away and
delete them.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.settings.base import load_settings
from aggregation_pipeline.settings.telemetry import queued_files_warning
from aggregation_pipeline_tests.support.deployment import use_environment
from aggregation_pipeline_tests.support.paths import REPOSITORY

SERVICE = """
import aggregation_pipeline.instance.storage
from dagster._core.telemetry_upload import upload_logs
import threading
upload_logs(threading.Event(), raise_errors=True)
"""


@pytest.mark.slow
def test_the_log_files_stay_where_dagster_home_is_their_folder(tmp_path: Path):
    log = tmp_path / "logs" / "combined.log"
    log.parent.mkdir()
    log.write_text("a line of ours")
    stops = ("BUILDKITE", "TF_BUILD", "DAGSTER_DISABLE_TELEMETRY")
    environment = {name: value for name, value in os.environ.items() if name not in stops}
    # Nobody listens there: what it would send fails at once.
    own = {"DAGSTER_HOME": str(tmp_path), "DAGSTER_TELEMETRY_URL": "http://127.0.0.1:9"}
    service = subprocess.run(
        [sys.executable, "-c", SERVICE], env=environment | own, capture_output=True, text=True, timeout=120, check=False
    )
    assert (service.returncode, service.stderr) == (0, "")
    assert log.read_text() == "a line of ours"
    assert not (tmp_path / ".logs_queue").exists()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder is DAGSTER_HOME, as in the README, and nothing keeps Dagster's services from sending yet."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    use_environment(monkeypatch, {"HOME": str(tmp_path), "AGGREGATION_ENV_FILE": os.devnull, "DAGSTER_HOME": str(home)})
    return home


SPELLINGS = (
    "{home}/{taken}",
    "{taken}",
    "./x/../{taken}",
    "{taken}/deeper/still",
    "link",
    "link/deeper",
    "{home}/../home/{taken}/",
)


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("exists", [True, False])
def test_no_folder_of_ours_lies_where_telemetry_takes_files_from(home: Path, monkeypatch, spelling: str, exists: bool):
    for taken, words in (("logs", "Set DAGSTER_DISABLE_TELEMETRY=1"), (".logs_queue", "Choose another folder")):
        if exists:
            (home / taken).mkdir()
        (home / "link").unlink(missing_ok=True)
        (home / "link").symlink_to(home / taken)
        for name in ("LOG_DIR", "TEMP_DIR", "STORAGE_DIR"):
            monkeypatch.setenv(name, spelling.format(home=home, taken=taken))
            with pytest.raises(SettingsError, match=f"{name} leads into .*/home/{taken}, .*{words}"):
                load_settings()
            monkeypatch.setenv(name, "elsewhere")


def test_a_folder_that_telemetry_reaches_by_a_link_is_none_of_ours(home: Path, monkeypatch, tmp_path: Path):
    (tmp_path / "far").mkdir()
    (home / "logs").symlink_to(tmp_path / "far")
    monkeypatch.setenv("LOG_DIR", str(tmp_path / "far"))
    with pytest.raises(SettingsError, match="LOG_DIR leads into"):
        load_settings()


def test_without_dagster_home_it_is_the_folder_in_the_users_home(home: Path, monkeypatch, tmp_path: Path):
    for unset in ("", None):
        monkeypatch.setenv("DAGSTER_HOME", "") if unset == "" else monkeypatch.delenv("DAGSTER_HOME")
        monkeypatch.setenv("LOG_DIR", str(tmp_path / ".dagster" / "logs"))
        with pytest.raises(SettingsError, match=r"LOG_DIR leads into .*/\.dagster/logs"):
            load_settings()


@pytest.mark.parametrize("value", ["1", "0", "false", ""])
def test_logs_stay_legal_where_telemetry_is_stopped_which_any_value_does(home: Path, monkeypatch, value: str):
    monkeypatch.setenv("DAGSTER_DISABLE_TELEMETRY", value)
    assert load_settings().log_dir == Path("logs")
    monkeypatch.setenv("LOG_DIR", ".logs_queue")
    with pytest.raises(SettingsError, match="LOG_DIR leads into"):
        load_settings()


def test_logs_stay_legal_with_this_projects_storage_whose_services_stop_it_themselves(home: Path, monkeypatch):
    shutil.copy(REPOSITORY / "dagster.yaml", home)
    assert load_settings().log_dir == Path("logs")
    (home / "dagster.yaml").write_text("storage: {postgres: {postgres_url: {env: DAGSTER_PG_URL}}}")
    with pytest.raises(SettingsError, match="take `storage:` of this project's"):
        load_settings()


@pytest.mark.parametrize("folder", ["logs2", "old/logs", "xlogs", ".logs_queue2", "logs.d"])
def test_folders_beside_them_are_legal(home: Path, monkeypatch, folder: str):
    for name in ("LOG_DIR", "TEMP_DIR", "STORAGE_DIR"):
        monkeypatch.setenv(name, folder)
    load_settings()


@pytest.mark.slow
def test_files_that_telemetry_has_taken_are_a_warning_with_the_command_to_restore_them(home: Path):
    assert queued_files_warning() == ""
    (home / ".logs_queue").mkdir()
    assert queued_files_warning() == ""
    for name in ("combined.log", "app.log"):
        (home / ".logs_queue" / name).write_text("a line of ours")
    start = [
        sys.executable,
        "-c",
        "import aggregation_pipeline.instance.storage, subprocess, sys; subprocess.run(sys.argv[1:] or ['true'])",
    ]
    # A service, and what it starts: said once.
    done = subprocess.run(
        [*start, *start], env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True, check=True
    )
    assert done.stderr.count(".logs_queue holds app.log, combined.log: Dagster's telemetry has moved files") == 1
    command = done.stderr.partition("To restore them: ")[2]
    subprocess.run(command, shell=True, check=True)  # noqa: S602 - as the operator who copies it
    assert {path.name for path in (home / "logs").iterdir()} == {"combined.log", "app.log"}
