"""The record of what the configuration files held when the code was loaded."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from aggregation_pipeline.definitions import defs
from aggregation_pipeline.errors import ConfigError, SettingsError
from aggregation_pipeline.services import loaded_config_digests


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    # A load sets variables and log handlers of its process.
    before = dict(os.environ)
    monkeypatch.setattr("aggregation_pipeline.instance.log_handlers.configure", lambda _: None)
    for name, value in {
        loaded_config_digests.VARIABLE: str(tmp_path / "record.json"),
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
    yield tmp_path / "record.json"
    os.environ.clear()
    os.environ.update(before)


def test_a_load_that_fails_has_recorded_its_files_and_what_they_held(record: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match="this is not YAML"):
        defs()
    loaded = loaded_config_digests.read_record(record)
    assert list(loaded) == [str(tmp_path / "variables"), str(tmp_path / "aggregation.yaml")]
    assert loaded_config_digests.digests(loaded) == loaded
    (tmp_path / "aggregation.yaml").write_text("tables: {}", encoding="utf-8")
    assert loaded_config_digests.digests(loaded) != loaded


def test_an_env_file_that_cannot_be_read_is_recorded_too(record: Path, tmp_path: Path):
    (tmp_path / "variables").write_text("no assignment\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="no assignment"):
        defs()
    assert list(loaded_config_digests.read_record(record)) == [str(tmp_path / "variables")]


def test_a_run_writes_no_record(record: Path):
    loaded_config_digests.forget_record()
    with pytest.raises(ConfigError):
        defs()
    assert loaded_config_digests.read_record(record) == {}
