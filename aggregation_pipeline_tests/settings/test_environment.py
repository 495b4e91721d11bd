"""The value as it stands in `.env` wins, in processes of Dagster's too, which have laid python-dotenv's reading over
the environment.
"""

import logging
import os
import subprocess
import sys
from pathlib import Path

import dotenv
import pytest

from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.instance.storage import PostgresStorage
from aggregation_pipeline.settings.base import load_settings
from aggregation_pipeline.settings.environment import read_environment
from aggregation_pipeline_tests.support.deployment import use_environment

# By variable: what stands in the file, and its value.
VALUES = {
    "DB_USER": ("reporter", "reporter"),
    "DB_PASSWORD": ("pa${HOME}x", "pa${HOME}x"),
    "DB_NAME": ("`shop`", "shop"),
    "OSS_PREFIX": ("a${NOT_SET}b", "a${NOT_SET}b"),
    "MASK_SALT": ('"0123456789${DB_USER}\\t"', "0123456789${DB_USER}\\t"),
    "DEPLOYMENT_NAME": ("one${DEPLOYMENT_NAME}", "one${DEPLOYMENT_NAME}"),
    "BATCH_JOB_TYPE": ("${LATER}x", "${LATER}x"),
    "LATER": ("1", "1"),
    "SUPABASE_KEY": ("p@ss#1", "p@ss"),
    "ALERT_URLS": ("${EMPTY}", "${EMPTY}"),
}
FILE = "".join(f"{name}={written}\n" for name, (written, _) in VALUES.items()) + "STORAGE_DIR: files\n"
WANTED = [name.lower() for name in (*VALUES, "STORAGE_DIR")]
RIGHT = {name.lower(): value for name, (_, value) in VALUES.items()} | {"storage_dir": "files"}


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A working folder with a `.env`, and an environment that has a home and nothing of ours."""
    use_environment(monkeypatch, {"HOME": "/home/ada", "PATH": os.environ["PATH"]})
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(FILE, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("layers", range(4))
def test_values_are_as_they_stand_however_often_dagster_has_laid_the_file_over_the_environment(monkeypatch, layers):
    for _ in range(layers):
        for name, value in dotenv.dotenv_values(".env").items():
            if value is not None:
                monkeypatch.setenv(name, value)
    assert (os.environ.get("DB_PASSWORD") == "pa/home/adax") is bool(layers)
    assert read_environment(WANTED) == RIGHT


def test_the_environment_goes_before_the_file_and_an_empty_value_does_not(monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "from-outside")
    monkeypatch.setenv("db_user", "small")
    monkeypatch.setenv("DB_NAME", "")
    read = read_environment(WANTED)
    assert (read["db_password"], read["db_user"], read["db_name"]) == ("from-outside", "small", "shop")


@pytest.mark.parametrize(
    ("name", "value"),
    [("DB_PASSWORD", "pa/home/adax"), ("SUPABASE_KEY", "p@ss#1"), ("DB_NAME", "`shop`"), ("STORAGE_DIR", "files")],
)
def test_a_variable_that_somebody_sets_goes_before_the_file_whatever_its_value_looks_like(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    assert read_environment(WANTED)[name.lower()] == value


def test_of_two_assignments_the_last_counts_and_the_environment_goes_before_both(folder, monkeypatch, caplog):
    (folder / ".env").write_text("OUTPUT_FORMAT=csv\nDB_NAME=x\nDB_USER=u\nOUTPUT_FORMAT=excel\n", encoding="utf-8")
    assert read_environment(["output_format"]) == {"output_format": "excel"}
    monkeypatch.setenv("OUTPUT_FORMAT", "csv")
    assert read_environment(["output_format"]) == {"output_format": "csv"}
    # All that reads the file has the last one.
    assert not caplog.records


def test_variables_that_others_read_differently_are_named_once_and_without_their_values(caplog):
    for _ in range(2):
        read_environment(WANTED)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    said = record.getMessage()
    different = (
        "ALERT_URLS, BATCH_JOB_TYPE, DB_NAME, DB_PASSWORD, DEPLOYMENT_NAME, MASK_SALT, OSS_PREFIX, STORAGE_DIR,"
        " SUPABASE_KEY"
    )
    assert f"see another value of {different} than this project" in said
    for hidden in ("home/ada", "${HOME}", "p@ss", "0123456789", "shop"):
        assert hidden not in said


def test_a_file_that_all_read_alike_is_no_news(folder, caplog):
    (folder / ".env").write_text("# c\nexport DB_USER='u'\nDB_PASSWORD=\"a # b\"\nDB_NAME=x # c\n\n", encoding="utf-8")
    assert read_environment(WANTED) == {"db_user": "u", "db_password": "a # b", "db_name": "x"}
    assert not caplog.records


def test_dagsters_own_url_is_read_as_written_too(folder, monkeypatch):
    (folder / ".env").write_text("DAGSTER_PG_URL=mysql://u:${HOME}@h/d\n", encoding="utf-8")
    monkeypatch.setenv("DAGSTER_PG_URL", "mysql://u:/home/ada@h/d")
    asked: list[str] = []

    def normalized(url: str, **_: str) -> str:
        asked.append(url)
        return "postgresql://u@h/d"

    monkeypatch.setattr("aggregation_pipeline.instance.storage.normalize_url", normalized)
    for url in ("mysql://u:/home/ada@h/d", "postgresql://another@h/d"):
        with pytest.raises(SettingsError, match="DAGSTER_PG_URL reached Dagster with"):
            PostgresStorage.from_config_value(None, {"postgres_url": url})
    assert asked == ["mysql://u:${HOME}@h/d", "postgresql://another@h/d"]


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("none.env", r"AGGREGATION_ENV_FILE names /.*/none\.env, and there is no such file"),
        (".", "^/.* is a folder"),
    ],
)
def test_a_file_that_is_named_has_to_be_there(monkeypatch, named, words):
    monkeypatch.setenv("AGGREGATION_ENV_FILE", named)
    with pytest.raises(SettingsError, match=words):
        load_settings()


def test_without_a_file_there_is_the_environment_alone(folder, monkeypatch):
    (folder / ".env").unlink()
    monkeypatch.setenv("AGGREGATION_ENV_FILE", "")
    monkeypatch.setenv("DB_NAME", "x")
    assert read_environment(WANTED) == {"db_name": "x"}


PROBE = """
import os
from dagster import Definitions
from aggregation_pipeline.settings.environment import read_environment

read = read_environment(["db_password", "db_name"])
with open("seen", "a") as file:
    file.write(f"{os.environ['DB_PASSWORD']} {read['db_password']} {read['db_name']}\\n")
defs = Definitions()
"""


@pytest.mark.slow
def test_dagster_writes_the_expanded_value_into_the_environment_and_we_read_it_as_written(folder):
    (folder / "probe.py").write_text(PROBE, encoding="utf-8")
    command = [sys.executable, "-m", "dagster", "definitions", "validate", "-f", "probe.py"]
    done = subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert set((folder / "seen").read_text().splitlines()) == {"pa/home/adax pa${HOME}x shop"}
    assert "see another value of" in done.stderr
