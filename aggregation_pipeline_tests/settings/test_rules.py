"""By which rules a run is computed: what makes a difference is named, and no value is shown."""

import os
from pathlib import Path

import pytest

from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.settings.base import load_settings
from aggregation_pipeline.settings.rules import (
    CONTAINER_TAG,
    RULES_TAG,
    as_text,
    differing,
    refuse_other_rules,
    rules_of,
)
from aggregation_pipeline_tests.support.deployment import use_environment


@pytest.fixture
def rules(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def made(text: str = "tables: {}", **variables: str):
        path = tmp_path / "aggregation.yaml"
        path.write_text(text)
        use_environment(monkeypatch, {"AGGREGATION_ENV_FILE": os.devnull, "AGGREGATION_CONFIG": str(path), **variables})
        return rules_of(load_settings())

    return made


def test_the_same_files_and_settings_are_the_same_rules(rules):
    assert differing(as_text(rules()), rules()) == []
    # What does not shape results may differ: folders, levels, the address of the database.
    assert differing(as_text(rules(LOG_LEVEL="debug", TEMP_DIR="elsewhere")), rules()) == []


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TIMEZONE", "UTC"),
        ("OUTPUT_FORMAT", "csv"),
        ("OSS_PREFIX", "a"),
        ("MASK_SALT", "hush-hush-hush-hush"),
        ("AGGREGATION_TABLES", "a"),
    ],
)
def test_a_setting_that_shapes_results_is_named_without_its_value(rules, variable: str, value: str):
    there = as_text(rules(**{variable: value}))
    assert differing(there, rules()) == [variable]
    assert "hush" not in there


def test_another_file_is_named(rules):
    assert differing(as_text(rules("tables: {a: {}}")), rules()) == ["aggregation.yaml"]


def test_other_versions_are_named_with_both(rules):
    here = rules()
    said = differing(as_text({**here, "dagster": "1.0"}), here)
    assert said == [f"dagster (1.0 there, {here['dagster']} here)"]


def test_a_container_with_other_rules_refuses_its_run(rules):
    planned = as_text(rules("tables: {a: {mask: {phone: hash}}}"))
    rules("tables: {a: {}}")
    tags = {RULES_TAG: planned, CONTAINER_TAG: "one"}
    with pytest.raises(SettingsError, match=r"planned the run: aggregation\.yaml differ\. Give it the same: RUN_IMAGE"):
        refuse_other_rules("one", tags, load_settings())
    # A re-execution, by another runner, has copied the tags.
    refuse_other_rules("two", tags, load_settings())
    rules("tables: {a: {mask: {phone: hash}}}")
    refuse_other_rules("one", tags, load_settings())


def test_a_run_that_says_nothing_of_its_rules_is_not_refused_and_one_with_a_broken_tag_is(rules):
    assert differing(None, rules()) == []
    assert differing("{", rules()) == ["what is stored of the rules"]


def test_the_database_of_a_source_by_name_counts_and_its_address_does_not(rules):
    variables = {"DB_CRM_HOST": "one", "DB_CRM_NAME": "crm"}
    there = as_text(rules(**variables))
    assert differing(there, rules(**variables | {"DB_CRM_HOST": "two", "DB_CRM_PASSWORD": "x"})) == []
    assert differing(there, rules(**variables | {"DB_CRM_NAME": "other"})) == ["DB_<NAME>_NAME and DB_<NAME>_TIMEZONE"]
