"""An entry by itself: defaults, spellings, contradictions."""

from typing import Any

import pytest
from pydantic import ValidationError

from aggregation_pipeline.config.format_names import FORMAT_NAMES
from aggregation_pipeline.config.pipeline_config import PipelineConfig
from aggregation_pipeline.config.table_entry import TableEntry


def test_an_entry_needs_no_more_than_a_name():
    entry = TableEntry(name="payments")
    assert (entry.table, entry.platform, entry.consistency, entry.formats) == ("payments", "payments", "snapshot", None)


def test_both_spellings_of_a_key_mean_the_same():
    snake = TableEntry.model_validate({"name": "t", "group_by": ["a"], "select_fields": ["b"], "order_by": ["b"]})
    camel = TableEntry.model_validate({"name": "t", "groupBy": ["a"], "selectFields": ["b"], "orderBy": ["b"]})
    assert snake == camel


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (
            {"group_by": ["status"], "aggregations": [{"function": "COUNT", "alias": "Status"}]},
            "'status' is there twice",
        ),
        (
            {"aggregations": [{"function": "COUNT"}, {"function": "COUNT", "field": "*"}]},
            r"'COUNT\(\*\)' is there twice",
        ),
        ({"group_by": ["a", "A"]}, "outputs of group_by need different names"),
        ({"select_fields": ["id", {"expr": "a + 1", "alias": "ID"}]}, "outputs of select_fields need different names"),
        ({"select_fields": ["*", "id"]}, "means all columns"),
        ({"order": "none", "order_by": ["id"]}, "contradict"),
        ({"formats": []}, "at least one format"),
        *(
            ({"group": name}, "letters A to Z, digits and _ in a group's name")
            for name in ("", "销售", "a b", "a-b", "/a", "a/", "a//b", "a.b", "a\n")
        ),
        ({"owners": ["bob"]}, "team:name"),
        ({"tags": {"team": "销售"}}, "letters, digits"),
        ({"tags": {"team": "x" * 64}}, "at most 63"),
        ({"table": "a.b.c"}, "shop.orders"),
        ({"table": "x" * 65}, "1 to 64"),
        ({"limit": 0}, "greater than or equal to 1"),
    ],
)
def test_an_entry_that_contradicts_itself_is_refused(entry: dict[str, Any], words: str):
    with pytest.raises(ValidationError, match=words):
        TableEntry.model_validate({"name": "t", **entry})


def test_the_two_datasets_may_use_the_same_names():
    entry = TableEntry.model_validate({"name": "t", "group_by": ["status"], "select_fields": ["status"]})
    assert entry.group_by[0].name == entry.select_fields[0].name == "status"


def test_formats_are_a_list_one_or_all():
    assert TableEntry.model_validate({"name": "t", "formats": "all"}).formats == FORMAT_NAMES
    assert TableEntry.model_validate({"name": "t", "formats": "csv"}).formats == ("csv",)
    assert TableEntry.model_validate({"name": "t", "formats": ["csv", "json", "csv"]}).formats == ("csv", "json")


def test_the_models_are_frozen_and_know_their_keys():
    entry = TableEntry(name="t")
    with pytest.raises(ValidationError, match="frozen"):
        entry.limit = 5  # type: ignore[misc]  # that it cannot be set is the point
    with pytest.raises(ValidationError, match="Extra inputs"):
        PipelineConfig.model_validate({"table": []})
