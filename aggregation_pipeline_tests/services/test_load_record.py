"""What a load of the code writes down of its files before it reads them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from aggregation_pipeline.definitions import defs
from aggregation_pipeline.errors import ConfigError, SettingsError
from aggregation_pipeline.services import load_record


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    # A load is meant for a process of its own: it sets variables, and where log lines go.
    before = dict(os.environ)
    monkeypatch.setattr("aggregation_pipeline.instance.log_handlers.configure", lambda _: None)
    for name, value in {
        load_record.VARIABLE: str(tmp_path / "note"),
        "AGGREGATION_LOADED": "",
        "AGGREGATION_CONFIG": str(tmp_path / "aggregation.yaml"),
        "AGGREGATION_ENV_FILE": str(tmp_path / "variables"),
        "DAGSTER_PG_URL": "postgresql://nobody@127.0.0.1:1/none",
        "TEMP_DIR": str(tmp_path / "temp"),
        "LOG_DIR": str(tmp_path / "logs"),
    }.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "variables").write_text("OUTPUT_FORMAT=csv\n", encoding="utf-8")
    (tmp_path / "aggregation.yaml").write_text("tables: [", encoding="utf-8")
    yield tmp_path / "note"
    os.environ.clear()
    os.environ.update(before)


def test_a_load_that_fails_tells_which_files_it_read_and_what_they_held(place: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match="this is not YAML"):
        defs()
    noted = load_record.noted(place)
    assert list(noted) == [str(tmp_path / "variables"), str(tmp_path / "aggregation.yaml")]
    assert load_record.held(noted) == noted
    (tmp_path / "aggregation.yaml").write_text("tables: {}", encoding="utf-8")
    assert load_record.held(noted) != noted


def test_a_file_of_variables_that_cannot_be_read_is_noted_too(place: Path, tmp_path: Path):
    (tmp_path / "variables").write_text("no assignment\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="no assignment"):
        defs()
    assert list(load_record.noted(place)) == [str(tmp_path / "variables")]


def test_a_run_writes_no_note(place: Path):
    load_record.done()
    with pytest.raises(ConfigError):
        defs()
    assert load_record.noted(place) == {}
