"""The environment goes before `.env` in Dagster's own services too, which lay the file over it before any code of ours
runs.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import dotenv
import pytest

from aggregation_pipeline.settings import env_precedence
from aggregation_pipeline.settings.env_precedence import restore_environment
from aggregation_pipeline_tests.support.deployment import environment_without_settings, use_environment
from aggregation_pipeline_tests.support.paths import REPOSITORY

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import PostgresServer

NOBODY = "postgresql://nobody@127.0.0.1:1/nothing"
FILE = f"""DAGSTER_PG_URL={NOBODY}
DB_PASSWORD=p@ss#1
DB_NAME=of_the_file
THEIRS=of the file
EMPTY=
OSS_PREFIX=`quoted`
MASK_SALT=x${{HOME}}
"""
SET = {"DB_PASSWORD": "set # by somebody", "THEIRS": "set", "EMPTY": "set"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".env").write_text(FILE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def laid_over(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A process that was started with SET, and over whose environment Dagster has laid the file."""
    use_environment(monkeypatch, {**SET, "HOME": "/home/ada"})
    (folder / "started_with").write_bytes(b"".join(f"{name}={value}\0".encode() for name, value in SET.items()))
    monkeypatch.setattr(env_precedence, "_ENVIRONMENT_AT_START", folder / "started_with")
    for name, value in dotenv.dotenv_values(".env").items():
        monkeypatch.setenv(name, value or "")
    return folder


def test_what_the_file_has_covered_is_put_back_and_nothing_else(laid_over):
    for _ in range(2):
        restore_environment()
        assert {name: os.environ[name] for name in SET} == SET
        assert (os.environ["DB_NAME"], os.environ["MASK_SALT"]) == ("of_the_file", "x/home/ada")


def test_a_variable_that_was_set_afterwards_is_left_alone(laid_over, monkeypatch):
    monkeypatch.setenv("THEIRS", "by a program")
    monkeypatch.delenv("EMPTY")
    restore_environment()
    assert os.environ["THEIRS"] == "by a program"
    assert "EMPTY" not in os.environ


def test_where_the_system_does_not_tell_one_warning_names_the_variables_and_no_value(laid_over, monkeypatch, caplog):
    monkeypatch.setattr(env_precedence, "_ENVIRONMENT_AT_START", laid_over / "nothing")
    for _ in range(2):
        restore_environment()
    (record,) = caplog.records
    said = record.getMessage()
    assert "the file goes before the environment there" in said
    assert "DAGSTER_PG_URL, DB_NAME, DB_PASSWORD, EMPTY, MASK_SALT, OSS_PREFIX, THEIRS." in said
    for value in ("p@ss", "of the file", "home/ada", "nobody@"):
        assert value not in said
    assert os.environ["THEIRS"] == "of the file"


def test_where_nothing_was_laid_over_nothing_is_said_there(folder, monkeypatch, caplog):
    use_environment(monkeypatch, {**SET})
    monkeypatch.setattr(env_precedence, "_ENVIRONMENT_AT_START", folder / "nothing")
    restore_environment()
    assert not caplog.records


def test_dagster_home_in_both_is_a_warning_because_dagster_has_used_the_files(laid_over, monkeypatch, caplog):
    (laid_over / ".env").write_text("DAGSTER_HOME=/file\n")
    (laid_over / "started_with").write_bytes(b"DAGSTER_HOME=/set\0")
    monkeypatch.setenv("DAGSTER_HOME", "/file")
    restore_environment()
    assert os.environ["DAGSTER_HOME"] == "/file"
    assert "DAGSTER_HOME." in caplog.text


# What code that Dagster loads sees: in its environment, and by our settings.
PROBE = """
import json, os
from dagster import Definitions, job, op
from aggregation_pipeline.settings.base import load_settings

def note(where):
    settings = load_settings()
    secret = [each.get_secret_value() for each in (settings.db_password, settings.mask_salt)]
    seen = {"where": where, "settings": [*secret, settings.oss_prefix]}
    seen |= {name: os.environ.get(name) for name in ("DB_PASSWORD", "THEIRS", "EMPTY", "DAGSTER_PG_URL")}
    with open("seen", "a") as file:
        file.write(json.dumps(seen) + "\\n")

note("loading")

@op
def look():
    note("run")

@job
def looking():
    look()

defs = Definitions(jobs=[looking])
"""


def seen(folder: Path) -> list[dict[str, object]]:
    return (
        [json.loads(line) for line in (folder / "seen").read_text().splitlines()] if (folder / "seen").exists() else []
    )


@pytest.mark.slow
def test_dagsters_commands_and_the_processes_that_they_start_see_the_environment_first(
    folder: Path, postgres: "PostgresServer"
):
    file = FILE + "DB_USER=u\nDB_HOST=h\nMASK_SALT=0123456789${HOME}x\n"
    (folder / ".env").write_text(file, encoding="utf-8")
    (folder / "probe.py").write_text(PROBE, encoding="utf-8")
    (folder / "dagster.yaml").write_text((REPOSITORY / "dagster.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    url = postgres.fresh_database()
    environment = {
        **environment_without_settings(),
        **SET,
        "DAGSTER_PG_URL": url,
        "DAGSTER_HOME": str(folder),
        "PYTHONPATH": str(REPOSITORY),
    }
    for command in (
        ["definitions", "validate", "-f", "probe.py"],
        ["job", "execute", "-f", "probe.py", "-j", "looking"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "dagster", *command],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    noted = seen(folder)
    assert {each["where"] for each in noted} == {"loading", "run"}
    for each in noted:
        assert each["settings"] == [SET["DB_PASSWORD"], "0123456789${HOME}x", "quoted"]
        assert {name: each[name] for name in SET} == SET
        assert each["DAGSTER_PG_URL"] == url
