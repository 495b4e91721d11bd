"""NAME_FILE: the value of a variable is the content of a file, in every process."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import certifi
import pytest

from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.settings.base import Settings, load_log_settings, load_settings
from aggregation_pipeline.settings.code_snapshot import pass_on_environment
from aggregation_pipeline.settings.environment import resolve_value_files
from aggregation_pipeline.settings.value_files import MARK
from aggregation_pipeline_tests.support.deployment import environment_without_settings, use_environment
from aggregation_pipeline_tests.support.paths import REPOSITORY

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import PostgresServer

SECRET = "s3cr3t-that-nobody-may-see"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, and an environment that has nothing of ours."""
    use_environment(monkeypatch, {"PATH": os.environ["PATH"]})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def password() -> str | None:
    secret = load_settings().db_password
    return secret.get_secret_value() if secret else None


def database(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"DB_HOST": "h", "DB_USER": "u", "DB_NAME": "d"}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"p@ss#1", "p@ss#1"),
        (b"p@ss#1\n", "p@ss#1"),
        (b"p@ss#1\r\n", "p@ss#1"),
        (b"p@ss#1\n\n", "p@ss#1\n"),
        (b" p${HOME} \n", " p${HOME} "),
        ("密码\n".encode(), "密码"),
        (b"\xef\xbb\xbfp\n", "p"),
    ],
)
def test_the_value_is_the_content_without_one_line_break_at_its_end(folder, monkeypatch, content, value):
    database(monkeypatch)
    (folder / "password").write_bytes(content)
    monkeypatch.setenv("DB_PASSWORD_FILE", "password")
    assert password() == value


def test_it_holds_for_every_setting_in_the_environment_and_in_the_file_and_in_small_letters(folder, monkeypatch):
    settings = [name.upper() for name in Settings.model_fields]
    # Otherwise nobody could tell whose file AUTH_FILE is.
    assert not {f"{name}_FILE" for name in settings} & {*settings}
    values = {"db_host": "h", "db_user": "u", "db_name": "d", "timezone": "Europe/Berlin", "log_level": "error"}
    for name, value in values.items():
        (folder / name).write_text(f"{value}\n", encoding="utf-8")
    (folder / ".env").write_text("DB_HOST_FILE=db_host\nLOG_LEVEL_FILE='log_level'\n", encoding="utf-8")
    for name in ("DB_USER_FILE", "db_name_file", "TIMEZONE_FILE"):
        monkeypatch.setenv(name, str(folder / name.lower().removesuffix("_file")))
    read = load_settings()
    assert [getattr(read, name) for name in values] == [*list(values.values())[:-1], "ERROR"]
    assert load_log_settings().log_level == "ERROR"


def test_the_environment_goes_before_the_file_and_an_empty_variable_is_not_set(folder, monkeypatch):
    database(monkeypatch)
    for name in ("old", "new"):
        (folder / name).write_text(name, encoding="utf-8")
    (folder / ".env").write_text("DB_PASSWORD_FILE=old\n", encoding="utf-8")
    monkeypatch.setenv("DB_PASSWORD", "")
    assert password() == "old"
    monkeypatch.setenv("DB_PASSWORD_FILE", "new")
    assert password() == "new"


@pytest.mark.parametrize("in_file", ["DB_PASSWORD", "DB_PASSWORD_FILE", ""])
def test_both_are_a_mistake_that_names_both_and_where_they_are_set(folder, monkeypatch, in_file):
    database(monkeypatch)
    (folder / "password").write_text(SECRET, encoding="utf-8")
    both = {"DB_PASSWORD": SECRET, "DB_PASSWORD_FILE": str(folder / "password")}
    for name, value in both.items():
        if name == in_file:
            (folder / ".env").write_text(f"{name}={value}\n", encoding="utf-8")
        else:
            monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    places = {name: str(folder / ".env") if name == in_file else "the environment" for name in both}
    assert (
        f"DB_PASSWORD (in {places['DB_PASSWORD']}) and DB_PASSWORD_FILE (in {places['DB_PASSWORD_FILE']}) are both"
        " set, and only one of them can count. Remove one"
    ) in str(caught.value)
    assert SECRET not in str(caught.value)


def make_unusable(path: Path, how: str) -> None:
    if how == "folder":
        path.mkdir()
    elif how == "pipe":
        os.mkfifo(path)
    elif how != "missing":
        contents = {
            "too large": SECRET.encode() * 3000,
            "empty": b"\n",
            "UTF-16": SECRET.encode("utf-16"),
            "GBK": f"密码{SECRET}".encode("gbk"),
        }
        path.write_bytes(contents[how])


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("missing", r"cannot be read \(No such file or directory\)"),
        ("folder", "is a folder, and a file with the value is expected. Docker makes such a folder where"),
        ("pipe", "is no regular file"),
        ("too large", "has more than 65536 bytes, so it is no value of a variable"),
        ("empty", "is empty. Write the value into it, or leave the variable out"),
        ("UTF-16", "is no text: it holds zero bytes, as UTF-16 does. Save it as UTF-8"),
        ("GBK", "is not UTF-8. Save it as UTF-8"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_named_with_its_variable_and_without_its_content(folder, monkeypatch, how, words):
    database(monkeypatch)
    path = folder / "password"
    make_unusable(path, how)
    monkeypatch.setenv("DB_PASSWORD_FILE", str(path))
    monkeypatch.setenv("MASK_SALT_FILE", str(folder / "none"))
    with pytest.raises(SettingsError) as caught:
        load_settings()
    said = str(caught.value)
    assert re.search(rf"^  - DB_PASSWORD_FILE: {path} {words}", said, re.MULTILINE)
    assert f"MASK_SALT_FILE: {folder / 'none'} cannot be read" in said, "all mistakes are said at once"
    assert SECRET not in said
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_wrong_value_in_a_file_is_reported_as_that_variables(folder, monkeypatch):
    (folder / "port").write_text(SECRET, encoding="utf-8")
    monkeypatch.setenv("DB_PORT_FILE", "port")
    with pytest.raises(SettingsError, match="DB_PORT: a whole number is expected") as caught:
        load_settings()
    assert SECRET not in str(caught.value)


def test_children_inherit_the_value_that_was_read_and_take_it_for_no_mistake(folder, monkeypatch):
    database(monkeypatch)
    (folder / "password").write_text("first", encoding="utf-8")
    (folder / ".env").write_text("DB_PASSWORD_FILE=password\n", encoding="utf-8")
    pass_on_environment(["db_password"])
    assert os.environ["DB_PASSWORD"] == "first"
    monkeypatch.delenv("AGGREGATION_ENV_FILE")
    (folder / "password").write_text("changed meanwhile", encoding="utf-8")
    assert password() == "first"
    (folder / "password").unlink()
    assert password() == "first"


def test_what_others_read_from_the_environment_is_put_there(folder, monkeypatch):
    (folder / "url").write_text("postgresql://u@h/d\n", encoding="utf-8")
    (folder / ".env").write_text("DAGSTER_PG_URL_FILE=url\n", encoding="utf-8")
    resolve_value_files(["DAGSTER_PG_URL", "NOT_SET"])
    assert os.environ["DAGSTER_PG_URL"] == "postgresql://u@h/d"
    assert os.environ[MARK] == "DAGSTER_PG_URL"
    assert "NOT_SET" not in os.environ
    url = load_settings().dagster_pg_url
    assert url
    assert "u@h" in url.get_secret_value()


def test_a_file_of_variables_that_cannot_be_read_is_left_to_the_settings(folder):
    (folder / ".env").write_text("no assignment\n", encoding="utf-8")
    resolve_value_files(["DAGSTER_PG_URL"])
    with pytest.raises(SettingsError, match="no assignment"):
        load_settings()


def test_a_slip_in_the_name_is_noticed_and_the_right_name_is_not(folder, monkeypatch, caplog):
    (folder / "ca").write_text(certifi.where(), encoding="utf-8")
    monkeypatch.setenv("DB_SSL_CA_FILE", "ca")
    monkeypatch.setenv("DB_SSL_MODE", "VERIFY_CA")
    monkeypatch.setenv("DB_PASSWORT_FILE", "password")
    load_settings()
    (record,) = caplog.records
    assert "DB_PASSWORT_FILE, which has no meaning here. Was DB_PASSWORD_FILE meant?" in record.getMessage()


# What code that Dagster loads sees.
PROBE = """
import json, os
from dagster import DagsterInstance, Definitions, job, op
from aggregation_pipeline.settings.base import load_settings

def note(where):
    password = load_settings().db_password.get_secret_value()
    seen = {"where": where, "password": password, "other": os.environ.get("OTHER")}
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


@pytest.mark.slow
def test_dagsters_commands_and_the_processes_that_they_start_read_the_files(folder: Path, postgres: "PostgresServer"):
    (folder / "probe.py").write_text(PROBE, encoding="utf-8")
    text = (REPOSITORY / "dagster.yaml").read_text(encoding="utf-8")
    text = text.replace("base_dir: .data/dagster\n", "base_dir: {env: OTHER}\n")
    assert "env: OTHER" in text
    (folder / "dagster.yaml").write_text(text, encoding="utf-8")
    secrets = {"url": postgres.fresh_database(), "password": SECRET, "other": str(folder / "artifacts")}
    for name, value in secrets.items():
        (folder / name).write_text(f"{value}\n", encoding="utf-8")
    (folder / ".env").write_text("DB_PASSWORD_FILE=password\nDB_HOST=h\nDB_USER=u\nDB_NAME=d\n", encoding="utf-8")
    environment = {
        **environment_without_settings(),
        "DAGSTER_PG_URL_FILE": str(folder / "url"),
        "OTHER_FILE": str(folder / "other"),
        "DAGSTER_HOME": str(folder),
        "PYTHONPATH": str(REPOSITORY),
    }

    def dagster(*command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "dagster", *command],
            env=environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    for command in (
        ["definitions", "validate", "-f", "probe.py"],
        ["job", "launch", "-f", "probe.py", "-j", "looking"],
        ["job", "execute", "-f", "probe.py", "-j", "looking"],
    ):
        done = dagster(*command)
        assert done.returncode == 0, done.stdout + done.stderr
    noted = [json.loads(line) for line in (folder / "seen").read_text(encoding="utf-8").splitlines()]
    assert {each["where"] for each in noted} == {"loading", "run"}
    assert {each["password"] for each in noted} == {SECRET}
    assert {each["other"] for each in noted} == {str(folder / "artifacts")}
    (folder / "url").unlink()
    done = dagster("job", "execute", "-f", "probe.py", "-j", "looking")
    assert done.returncode != 0
    assert f"DAGSTER_PG_URL_FILE: {folder / 'url'} cannot be read (No such file or directory)" in done.stderr
