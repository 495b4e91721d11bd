"""The JSON Schema that editors use accepts what the loader accepts, and explains every key."""

import json
import re

import jsonschema
import pytest
import yaml

from aggregation_pipeline.config.loading import DEFAULT_CONFIG
from aggregation_pipeline.config.schema import SCHEMA_FILE, json_schema, schema_text


def complaints(text: str) -> list[str]:
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
    return [error.message for error in validator.iter_errors(yaml.safe_load(text))]


def test_the_shipped_schema_is_the_models_own():
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text(), "run: python -m aggregation_pipeline.config.schema"
    jsonschema.Draft202012Validator.check_schema(json_schema())


def test_the_shipped_config_follows_the_schema():
    assert complaints(DEFAULT_CONFIG.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "text",
    [
        "tableConfigs: {a: {groupBy: [x, {expr: y, alias: z}], selectFields: ['*'], formats: all}}",
        (
            "tables: {a: null, b: {group_by: [x], aggregations: [{function: count_distinct, field: x}, {function:"
            " Group_Concat, field: y}]}}"
        ),
        "tables: {a: {freshness: {fail_after: 26h}}, b: {freshness: {failAfter: 26h, warn_after: 25h}}}",
        "tables: {}\noptions: {zeroDates: null, excel: {totals: amount}}",
        "tables: {a: {formats: 'csv, excel'}, b: {formats: [all]}}",
        "tables: {}\noptions: {zeroDates: error, on_unrepresentable: replace, json: {big_integers: number}}",
    ],
)
def test_an_editor_marks_nothing_that_the_loader_takes(text: str):
    assert complaints(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "tables: []",
        "tables: {a: {grupBy: [x]}}",
        "tables: {a: {aggregations: [{function: SUMM}]}}",
        "tables: {a: {formats: [xls]}}",
        "tables: {a: {line: 1}}",
        "tables: {a: {formats: 'csv, xls'}}",
        "tables: {a: {freshness: {warn_after: 25h}}}",
    ],
)
def test_an_editor_marks_what_the_loader_refuses(text: str):
    assert complaints(text)


def test_every_key_of_an_entry_is_explained():
    properties = json_schema()["$defs"]["TableEntry"]["properties"]
    assert [key for key, schema in properties.items() if "description" not in schema] == []


def test_descriptions_are_one_line_each():
    """Editors show a line end of the source as one."""
    texts = re.findall(r'"description": "(.*)"', SCHEMA_FILE.read_text(encoding="utf-8"))
    assert len(texts) > 100
    assert [text for text in texts if "\\n" in text or "  " in text] == []
