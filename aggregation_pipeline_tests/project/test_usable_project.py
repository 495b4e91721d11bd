"""Definitions as Dagster's services load them: entries that cannot be used stand still, and the others run as ever."""

from pathlib import Path
from typing import Any

import pytest
from dagster import AssetCheckKey, AssetKey, AssetSelection, Definitions, instance_for_test

from aggregation_pipeline.assets.keys import export_key, manifest_key, table_key
from aggregation_pipeline.definitions import build_definitions
from aggregation_pipeline.errors import ConfigError, SettingsError
from aggregation_pipeline.project import Project, load_project, load_usable_project
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline_tests.project.test_project import settings

GOOD = "  orders: {schedule: 0 3 * * *}\n"
PARTITIONED = "partition: {column: created_at, every: day, start: 2026-01-01}"


def usable(folder: Path, text: str, **variables: Any) -> Project:
    found: Settings = settings(folder, text, storage_dir=folder / "exports", temp_dir=folder / "temp", **variables)
    with pytest.raises((ConfigError, SettingsError)):
        load_project(found)
    return load_usable_project(found, None)


def issues_of(project: Project) -> dict[str, str]:
    return {table.entry.name: table.entry.issues for table in project.tables if table.entry.issues}


def keys(found: Definitions) -> set[AssetKey]:
    return {key for definition in found.resolve_asset_graph().assets_defs for key in definition.keys}


def test_an_entry_with_mistakes_keeps_its_assets_and_loses_schedule_automation_and_pool(tmp_path: Path):
    text = f"tables:\n{GOOD}  users: {{formats: [csv], {PARTITIONED}, schedule: 0 4 * * *, limt: 3}}\n"
    broken = build_definitions(usable(tmp_path, text))
    whole = build_definitions(load_project(settings(tmp_path, text.replace("limt", "limit"))))
    assert {key for key in keys(broken) if "users" in str(key)} == {key for key in keys(whole) if "users" in str(key)}
    assert {each.name for each in whole.schedules or ()} - {each.name for each in broken.schedules or ()} == {
        "aggregate_daily_partitions_at_0400_schedule"
    }
    node = broken.resolve_asset_graph().get(table_key("users"))
    assert node.automation_condition is None
    assert node.partitions_def == whole.resolve_asset_graph().get(table_key("users")).partitions_def
    assert "limt: unknown key" in (node.description or "")
    assert AssetCheckKey(table_key("users"), "configuration") in broken.resolve_asset_graph().asset_check_keys


def test_materializing_a_placeholder_fails_with_its_issues_in_the_run_and_in_the_check(tmp_path: Path):
    project = usable(tmp_path, f"tables:\n{GOOD}  users: {{limt: 3}}\n")
    job = next(
        job
        for job in build_definitions(project).resolve_all_job_defs()
        if table_key("users") in job.asset_layer.selected_asset_keys
    )
    with instance_for_test() as instance:
        assets = [table_key("users"), export_key("users", "json"), manifest_key("users")]
        result = job.execute_in_process(instance=instance, raise_on_error=False, asset_selection=assets)
        (failure,) = [event for event in result.all_node_events if event.is_step_failure]
        told = failure.step_failure_data.user_failure_data
        assert told is not None
        assert "aggregation.yaml:3:11: tables.users.limt: unknown key" in (told.description or "")
        assert failure.step_key == "aggregate_users"
        evaluations = result.get_asset_check_evaluations()
    assert [(each.check_name, each.passed) for each in evaluations] == [("configuration", False)] or not evaluations


@pytest.mark.parametrize(
    ("entry", "variables", "words"),
    [
        ("{mask: {row_count: hash}}", {}, "MASK_SALT is not set"),
        (
            "{timezone: Australia/Lord_Howe, partition: {column: at, every: hour, start: 2026-01-01}}",
            {},
            "leaves out a part of an hour",
        ),
        ("{schedule: 0 0 30 2 *}", {}, "schedule"),
    ],
)
def test_what_settings_say_of_one_entry_is_its_own_affair(
    tmp_path: Path, entry: str, variables: dict[str, str], words: str
):
    project = usable(tmp_path, f"tables:\n{GOOD}  users: {entry}\n", **variables)
    found = issues_of(project)
    assert list(found) == ["users"]
    assert words in found["users"]
    assert "aggregation.yaml:3" in found["users"]
    assert project.tables[1].crons == ()
    build_definitions(project)


def test_a_name_too_long_for_the_prefix_is_one_entrys_affair(tmp_path: Path):
    text = f"tables:\n{GOOD}  {'x' * 200}: {{table: users}}\n"
    assert list(issues_of(usable(tmp_path, text, oss_prefix="p/" * 300))) == ["x" * 200]


def test_names_that_dagster_cannot_tell_apart_stop_the_second_only(tmp_path: Path):
    project = usable(tmp_path, f"tables:\n{GOOD}  Orders: {{table: other}}\n")
    assert [table.entry.name for table in project.tables] == ["orders"]
    assert issues_of(project) == {}
    assert "would have the same name in Dagster" in project.left_out["Orders"]
    assert project.monitored_tables["Orders"].issues


def test_a_selection_of_entries_with_mistakes_is_no_wish_for_counts(tmp_path: Path):
    text = f"tables:\n{GOOD}  users: {{limt: 3}}\n  ' x': {{}}\n"
    project = usable(tmp_path, text, aggregation_tables=("users", "x"))
    assert list(issues_of(project)) == ["users"]
    assert project.tables[0].entry.name == "users"


def test_a_file_of_nothing_but_mistakes_loads_and_shows_them(tmp_path: Path):
    project = usable(tmp_path, "tables:\n  users: {limt: 3}\n")
    found = build_definitions(project)
    assert table_key("users") in keys(found)
    assert AssetSelection.assets(table_key("users")).resolve(found.resolve_asset_graph())


def test_mistakes_outside_of_the_entries_refuse_the_load(tmp_path: Path):
    with pytest.raises(ConfigError, match="optoins: unknown key"):
        usable(tmp_path, f"optoins: {{}}\ntables:\n{GOOD}")
