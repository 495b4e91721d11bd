"""`aggregation-pipeline alerts test`."""

import os

import pytest
from click.testing import CliRunner

from aggregation_pipeline.alerts import chat_robots
from aggregation_pipeline.cli.main import main
from aggregation_pipeline_tests.support.sink import Sink, new_sink


@pytest.fixture(autouse=True)
def _no_env_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGGREGATION_ENV_FILE", os.devnull)


def test_each_channel_is_tried_and_named_without_its_address(monkeypatch: pytest.MonkeyPatch, sink: Sink):
    monkeypatch.setenv("ALERT_URLS", f"{sink.webhook} {new_sink().webhook}")
    monkeypatch.setenv("ALERT_LANGUAGE", "zh")
    result = CliRunner().invoke(main, ["alerts", "test"])
    assert result.exit_code == 1
    delivered, refused = result.output.splitlines()
    assert delivered.startswith("json:")
    assert delivered.endswith(": delivered")
    assert ": NOT delivered: " in refused
    assert "very-secret" not in result.output
    assert sink.received[0].body["title"] == "[default] 告警测试"


def test_all_channels_reached_is_success(monkeypatch: pytest.MonkeyPatch, sink: Sink):
    monkeypatch.setattr(chat_robots, "ENDPOINTS", {name: f"{sink.url}/{name}" for name in chat_robots.ENDPOINTS})
    monkeypatch.setenv("ALERT_URLS", "wecombot://key, feishu://s@t")
    assert CliRunner().invoke(main, ["alerts", "test"]).exit_code == 0
    assert len(sink.received) == 2


def test_without_addresses_the_command_says_what_to_write(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("ALERT_URLS", raising=False)
    result = CliRunner().invoke(main, ["alerts", "test"])
    assert result.exit_code == 1
    assert "ALERT_URLS is not set" in result.output
    assert "dingtalk://SECRET@TOKEN" in result.output
