"""Options that name tables and times: all commands treat them alike, and name the likely mistake."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from aggregation_pipeline.automation.selected_assets import select_assets
from aggregation_pipeline.cli.main import main
from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline.project import load_project
from aggregation_pipeline.settings.base import load_settings
from aggregation_pipeline_tests.support.deployment import use_environment


@pytest.fixture(autouse=True)
def shop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Configure three entries, of which two are selected, and no server that answers."""
    path = tmp_path / "aggregation.yaml"
    path.write_text("tables:\n  users: {}\n  订单: {}\n  logs: {}\n", encoding="utf-8")
    use_environment(
        monkeypatch,
        {
            "AGGREGATION_ENV_FILE": os.devnull,
            "AGGREGATION_CONFIG": str(path),
            "AGGREGATION_TABLES": "Users,订单",
            "DAGSTER_PG_URL": "postgresql://nobody@127.0.0.1:1/none",
            "STORAGE_DIR": str(tmp_path / "exports"),
        },
    )
    monkeypatch.chdir(tmp_path)
    return path


def command(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("usres", "no table named 'usres' is configured; there are users, 订单. Was users meant?"),
        ("订弹", "Was 订单 meant?"),
        ("logs", "no table named 'logs' is configured; there are users, 订单"),
        ("订单，users", "The sign ， is the full-width comma (U+FF0C)"),
    ],
)
def test_plan_and_run_refuse_the_same_names_in_the_same_words(named: str, words: str):
    result = command("plan", "--tables", named)
    assert result.exit_code == 1
    assert words in result.stderr
    with pytest.raises(ConfigError) as caught:
        select_assets(load_project(load_settings()), [named], None)
    assert str(caught.value) in result.stderr


def test_plan_and_run_take_the_same_names_in_any_case():
    assert [key.path for key in select_assets(load_project(load_settings()), ["USERS"], ["json"])] == [
        key.path for key in select_assets(load_project(load_settings()), ["users"], ["json"])
    ]
    # No source is configured, so the plan fails, but not because of the name.
    assert "no table named" not in command("plan", "--tables", "USERS").output


def test_no_name_at_all_is_refused():
    for text in ("", " , "):
        result = command("plan", "--tables", text)
        assert (result.exit_code, "it names no table; leave it out for all of them" in result.stderr) == (2, True)


def test_a_wrong_time_is_refused_with_an_example_and_without_format_letters():
    for text in ("昨天", "2026-13-01", "20.11.2026"):
        result = command("run", "--at", text)
        assert result.exit_code == 2
        assert (
            f"'{text}' is no time; a day or a time is expected, such as 2026-11-20 or 2026-11-20T02:00" in result.stderr
        )
        assert "%" not in result.stderr


def test_a_wrong_cron_schedule_stops_plan_as_it_stops_run(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CRON_SCHEDULE", "每天")
    for arguments in (("plan", "--tables", "users"), ("run", "--tables", "users")):
        result = command(*arguments)
        assert result.exit_code == 1
        assert "CRON_SCHEDULE: the cron expression '每天' cannot be used" in result.stderr


def test_a_table_without_a_complete_partition_is_explained_with_the_real_name_of_the_file(
    shop: Path, monkeypatch: pytest.MonkeyPatch
):
    path = shop.with_name("reports.yaml")
    path.write_text(
        "tables:\n  users: {partition: {column: created_at, every: day, start: 2090-01-01}}\n", encoding="utf-8"
    )
    monkeypatch.setenv("AGGREGATION_CONFIG", str(path))
    monkeypatch.delenv("AGGREGATION_TABLES")
    (plan,) = json.loads(command("plan", "--json").stdout)["tables"]
    assert plan["problems"] == [
        "no partition is complete yet; partition.start in reports.yaml says where the first begins"
    ]
