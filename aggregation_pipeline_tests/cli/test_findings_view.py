"""Findings reach whoever reads them, whatever goes wrong and whatever letters stdout takes."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from aggregation_pipeline.cli.main import main
from aggregation_pipeline_tests.support.deployment import environment_without_settings, use_environment


@pytest.fixture(autouse=True)
def nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_environment(monkeypatch, environment_without_settings())
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("command", [("check",), ("batch-jobs", "test", "--connection")])
def test_letters_that_stdout_cannot_take_are_escaped(command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AGGREGATION_ENV_FILE", "/nowhere/订单\udcff.env")
    for options in ((), ("--json",)):
        result = CliRunner(charset="iso-8859-1").invoke(main, [*command, *options])
        assert result.exit_code == 1
        assert r"/nowhere/\u8ba2\u5355\udcff.env" in result.stdout
    assert "/nowhere/订单\udcff.env" in json.loads(result.stdout)["findings"][0]["text"]


def test_an_error_that_nobody_foresaw_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As in a shell whose folder was replaced by a new release."""
    folder = tmp_path / "release"
    folder.mkdir()
    monkeypatch.setenv("LOG_DIR", "logs")
    monkeypatch.chdir(folder)
    folder.rmdir()
    result = CliRunner().invoke(main, ["check", "--json"])
    monkeypatch.chdir(tmp_path)
    (found,) = json.loads(result.stdout)["findings"]
    assert (result.exit_code, found["name"], found["status"]) == (1, "stopped", "failure")
    assert "FileNotFoundError" in found["text"]
