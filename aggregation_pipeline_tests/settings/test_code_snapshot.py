"""What a code server has loaded is what its runs work with, whatever becomes of the files; copies go when nobody uses
them.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aggregation_pipeline.settings.base import load_settings
from aggregation_pipeline.settings.code_snapshot import VARIABLE, _in_use, loaded_config_text, pass_on_environment

READ = """
import sys
from pathlib import Path
from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline.settings.code_snapshot import loaded_config_text
try:
    print((loaded_config_text(Path(sys.argv[1]), Path(sys.argv[2])) or b"nothing").decode())
except ConfigError as error:
    print(error)
"""


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.setenv("AGGREGATION_ENV_FILE", os.devnull)
    yield
    while _in_use:
        os.close(_in_use.pop())


def in_a_child(path: Path, folder: Path, cwd: Path | None = None) -> str:
    done = subprocess.run(
        [sys.executable, "-c", READ, str(path), str(folder)], capture_output=True, text=True, check=True, cwd=cwd
    )
    return done.stdout.strip()


def test_a_child_works_with_what_was_loaded_until_it_is_loaded_anew(tmp_path: Path):
    config = tmp_path / "aggregation.yaml"
    config.write_text("one")
    assert loaded_config_text(config, tmp_path / "temp") == b"one"
    config.write_text("two")
    assert in_a_child(config, tmp_path / "temp") == "one"
    config.unlink()
    assert in_a_child(config, tmp_path / "elsewhere") == "one"
    config.write_text("three")
    assert loaded_config_text(config, tmp_path / "temp") == b"three", "who loads reads the file"
    assert in_a_child(config, tmp_path / "temp") == "three"
    (copy,) = {each for each in (tmp_path / "temp" / "loaded").iterdir() if each.read_text() == "three"}
    assert copy.stat().st_mode & 0o777 == 0o600


def test_who_inherits_nothing_and_who_has_another_file_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    one, other = tmp_path / "one.yaml", tmp_path / "other.yaml"
    one.write_text("one")
    other.write_text("other")
    loaded_config_text(one, tmp_path)
    assert in_a_child(other, tmp_path) == "other"
    for value in ("", "nonsense", "[]", json.dumps({"process": 1})):
        monkeypatch.setenv(VARIABLE, value)
        one.write_text("new")
        assert in_a_child(one, tmp_path) == "new"


def test_a_copy_that_is_gone_or_damaged_is_an_error_unless_the_file_is_unchanged(tmp_path: Path):
    config = tmp_path / "aggregation.yaml"
    config.write_text("one")
    loaded_config_text(config, tmp_path)
    (copy,) = (tmp_path / "loaded").iterdir()
    copy.write_text("spoilt")
    assert in_a_child(config, tmp_path) == "one"
    copy.unlink()
    assert in_a_child(config, tmp_path) == "one"
    config.write_text("two")
    assert "has changed since the code server loaded it" in in_a_child(config, tmp_path)


def test_a_folder_that_cannot_be_written_does_not_stop_loading(tmp_path: Path):
    config = tmp_path / "aggregation.yaml"
    config.write_text("one")
    (tmp_path / "file").write_text("")
    assert loaded_config_text(config, tmp_path / "file") == b"one"
    config.write_text("two")
    assert in_a_child(config, tmp_path) == "two"


def test_a_file_that_cannot_be_read_is_left_to_who_reads_it(tmp_path: Path):
    assert loaded_config_text(tmp_path / "nowhere.yaml", tmp_path) is None


def test_old_copies_go_but_not_those_that_are_in_use(tmp_path: Path):
    config, kept = tmp_path / "aggregation.yaml", []
    for text in ("one", "two", "three"):
        config.write_text(text)
        loaded_config_text(config, tmp_path)
        kept.append(json.loads(os.environ[VARIABLE])["copy"])
    long_ago = time.time() - 100_000
    for copy in kept[:2]:
        os.utime(copy, (long_ago, long_ago))
    os.close(_in_use.pop(0))  # the one who had loaded the first has ended
    config.write_text("four")
    loaded_config_text(config, tmp_path)
    assert [Path(copy).exists() for copy in kept] == [False, True, True]


def test_a_child_sees_the_variables_that_env_gave_not_those_that_it_gives_by_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / ".env"
    file.write_text("DB_NAME=shop\nDB_USER=ada\nDB_HOST=db.example.invalid\n")
    monkeypatch.setenv("AGGREGATION_ENV_FILE", str(file))
    monkeypatch.setenv("DB_USER", "grace")
    for name in ("DB_NAME", "DB_HOST", "OUTPUT_FORMAT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DB_NAME", "")
    pass_on_environment(("db_name", "db_user", "db_host", "output_format"))
    try:
        file.write_text("DB_NAME=other\nOUTPUT_FORMAT=csv\n")
        code = (
            "from aggregation_pipeline.settings.base import load_settings as l; s = l(); print(s.db_name, s.db_user,"
            " s.output_format)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
        assert done.stdout.strip() == "shop grace ('json',)"
        assert load_settings().db_name == "shop"
    finally:
        for name in ("DB_HOST",):
            os.environ.pop(name, None)
