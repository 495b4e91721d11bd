"""A changed aggregation.yaml is loaded in a process apart first."""

import os
import time
from pathlib import Path

import pytest

from aggregation_pipeline.services import code_server, loaded_config_digests
from aggregation_pipeline.services.changed_config import ChangedConfig, why_not_loadable
from aggregation_pipeline_tests.support.deployment import environment_without_settings

GOOD = "tables:\n  orders: {aggregations: [{function: COUNT}]}\n"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "aggregation.yaml"
    path.write_text(GOOD, encoding="utf-8")
    monkeypatch.setenv(loaded_config_digests.VARIABLE, str(tmp_path / "loading.json"))
    loaded_config_digests.write_record(Path(os.devnull), path)
    return path


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def environment(config: Path) -> dict[str, str]:
    return {
        **environment_without_settings(),
        "AGGREGATION_ENV_FILE": os.devnull,
        "AGGREGATION_CONFIG": str(config),
        "DAGSTER_PG_URL": "postgresql://nobody@127.0.0.1:1/none",
        "TEMP_DIR": str(config.parent / "temp"),
        "LOG_DIR": str(config.parent / "logs"),
        "PYTHONPATH": os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH", ""), str(Path.cwd())])),
    }


@pytest.fixture
def changed(config: Path, environment: dict[str, str], said: list[str]) -> ChangedConfig:
    return ChangedConfig(
        config.parent / "loading.json", code_server.DEFINITIONS, environment, config.parent, said.append
    )


def look(changed: ChangedConfig, said: list[str], seconds: float = 90) -> bool:
    """Look until something is said; return the last answer."""
    before, end = len(said), time.monotonic() + seconds
    while time.monotonic() < end:
        answer = changed.is_ready()
        if len(said) > before:
            return answer
        time.sleep(0.1)
    pytest.fail(f"nothing was said: {said}")


def test_a_file_is_loaded_once_it_can_be(config: Path, changed: ChangedConfig, said: list[str]):
    assert not any(changed.is_ready() for _ in range(3)), "it is as it was loaded"
    config.write_text(GOOD.replace("aggregations", "agregations"), encoding="utf-8")
    assert not look(changed, said)
    assert said[0].startswith(f"{config} has changed and cannot be loaded, so what was loaded before goes on: ")
    assert "agregations" in said[0]
    assert "\n" not in said[0]
    assert not any(changed.is_ready() for _ in range(3))
    assert len(said) == 1, "it is said once"
    config.write_text(GOOD, encoding="utf-8")
    assert not any(changed.is_ready() for _ in range(3))
    config.write_text(GOOD.replace("orders", "users"), encoding="utf-8")
    assert look(changed, said)
    assert said[1:] == [f"{config} has changed: the code server loads it"]


@pytest.mark.slow
def test_a_mistake_that_is_made_again_is_said_again(config: Path, changed: ChangedConfig, said: list[str]):
    for content in (GOOD.replace("aggregations", "agregations"), GOOD):
        config.write_text(content, encoding="utf-8")
        assert not (look(changed, said) if content != GOOD else any(changed.is_ready() for _ in range(3)))
    config.write_text(GOOD.replace("aggregations", "agregations"), encoding="utf-8")
    assert not look(changed, said)
    assert said[1:] == said[:1]


def trials(changed: ChangedConfig) -> int:
    return int(changed._trial is not None)


def test_a_file_that_somebody_has_loaded_meanwhile_is_not_loaded_again(
    config: Path, changed: ChangedConfig, said: list[str]
):
    config.write_text(GOOD.replace("orders", "users"), encoding="utf-8")
    while not trials(changed):
        assert not changed.is_ready()
    loaded_config_digests.write_record(Path(os.devnull), config)
    while trials(changed):
        assert not changed.is_ready()
        time.sleep(0.1)
    assert not said


def test_a_file_that_somebody_is_writing_is_left_alone(config: Path, changed: ChangedConfig, said: list[str]):
    for number in range(5):
        config.write_text(GOOD + "#" * number, encoding="utf-8")
        assert not changed.is_ready()
    assert changed._trial is None
    assert not said


@pytest.mark.slow
def test_a_reload_by_hand_is_asked_only_whether_the_code_can_be_loaded(
    config: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(config.parent)
    config.write_text(GOOD.replace("aggregations", "agregations"), encoding="utf-8")
    assert why_not_loadable(code_server.DEFINITIONS) is None
    config.write_text("tables: [", encoding="utf-8")
    assert "this is not YAML" in str(why_not_loadable(code_server.DEFINITIONS))
