"""An entry means what the rules of the old service meant, or the report says what differs."""

from typing import Any

import pytest

from aggregation_pipeline.node_import.entries import Draft, entry_of_rules, entry_without_rules, with_comments
from aggregation_pipeline.node_import.rules import TableRules
from aggregation_pipeline_tests.node_import.projects import RULES_OF_USERS


def draft_of(value: dict[str, Any], **more: Any) -> Draft:
    return entry_of_rules(TableRules("users", value, "rules.js:3", **more), ["hunter2secret"])


def texts(draft: Draft, kind: str) -> str:
    return "; ".join(item.text for item in draft.items if item.kind == kind)


def test_the_rules_of_the_old_readme_become_the_entry_of_this_project():
    draft = draft_of(RULES_OF_USERS)
    assert draft.values == {
        "group_by": ["status", "DATE(created_at)"],
        "aggregations": [
            {"function": "COUNT", "field": "id", "alias": "user_count"},
            {"function": "AVG", "field": "age", "alias": "avg_age"},
        ],
        "select_fields": ["id", "username", "email", "status"],
        "where": "created_at >= DATE_SUB(NOW(), INTERVAL 7 DAY)",
        "limit": 1000,
    }
    assert texts(draft, "carried") == "2 group keys, 2 aggregations, 4 fields, where, limit"
    assert texts(draft, "changed").startswith("fields in groups were one query")
    assert "here they are two datasets" in texts(draft, "changed")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"function": "count", "field": "*"}, {"function": "COUNT"}),
        ({"function": "COUNT", "field": "DISTINCT user_id"}, {"function": "COUNT DISTINCT", "field": "user_id"}),
        ({"function": "COUNT", "field": "DISTINCT(user_id)"}, {"function": "COUNT DISTINCT", "field": "user_id"}),
        ({"function": "COUNT", "field": "DISTINCT a, b"}, {"expr": "COUNT(DISTINCT a, b)"}),
        ({"function": "AVG", "field": "DISTINCT price"}, {"expr": "AVG(DISTINCT price)"}),
        ({"function": "SUM", "field": "price * quantity"}, {"function": "SUM", "field": "price * quantity"}),
        ({"function": "STDDEV_SAMP", "field": "age"}, {"expr": "STDDEV_SAMP(age)"}),
        ({"func": "max", "column": "age", "as": "oldest"}, {"function": "MAX", "field": "age", "alias": "oldest"}),
        ("COUNT(*) AS n", {"function": "COUNT", "alias": "n"}),
        ("SUM(a) / SUM(b) as ratio", {"expr": "SUM(a) / SUM(b)", "alias": "ratio"}),
        ("avg(IF(a, b, c))", {"function": "AVG", "field": "IF(a, b, c)"}),
    ],
)
def test_aggregations_are_understood_in_every_spelling(written: object, expected: dict[str, str]):
    assert draft_of({"aggregations": [written]}).values == {"aggregations": [expected], "limit": 1000}


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({"selectFields": "id, CONCAT(a, ',', b) AS n"},
         {"select_fields": ["id", {"expr": "CONCAT(a, ',', b)", "alias": "n"}]}),
        ({"selectFields": ["*"], "orderBy": "a DESC, IF(a, b, c)"},
         {"select_fields": ["*"], "order_by": ["a DESC", "IF(a, b, c)"]}),
        ({"selectFields": ["id"], "orderBy": {"id": "desc"}}, {"select_fields": ["id"], "order_by": ["id desc"]}),
        ({"selectFields": ["id"], "orderBy": [{"field": "id", "direction": "DESC"}]},
         {"select_fields": ["id"], "order_by": ["id DESC"]}),
        ({"selectFields": ["DISTINCT city", "status"]}, {"group_by": ["city", "status"]}),
        ({"selectFields": ["status", "COUNT(*) AS n"], "groupBy": "status"},
         {"group_by": ["status"], "aggregations": [{"function": "COUNT", "alias": "n"}]}),
        ({"groupBy": ["status"], "having": "COUNT(*) > 1"}, {"group_by": ["status"], "having": "COUNT(*) > 1"}),
        ({"selectFields": ["id"], "where": ["a = 1", "b = 2 OR c = 3"]},
         {"select_fields": ["id"], "where": "(a = 1) AND (b = 2 OR c = 3)"}),
        ({"selectFields": ["id"], "limit": "50"}, {"select_fields": ["id"], "limit": 50}),
    ],
)  # fmt: skip
def test_lists_and_texts_are_understood_in_every_spelling(rules: dict[str, Any], expected: dict[str, Any]):
    assert draft_of(rules).values == {"limit": 1000, **expected}


def test_the_silent_limit_is_written_out_and_said():
    draft = draft_of({"groupBy": ["status"]})
    assert draft.values == {"group_by": ["status"], "limit": 1000}
    assert "limit: 1000 is written out; the old service cut there without a word" in texts(draft, "changed")
    assert "the summary also has its group keys, status" in texts(draft, "changed")
    assert "# the old service cut here at 1000 rows without a word" in rendered(draft)


def rendered(draft: Draft) -> str:
    from aggregation_pipeline.config.yaml.writing import file_text

    return file_text((), {draft.table: with_comments(draft)})


def test_the_order_of_groups_is_said_and_only_that_of_rows_is_carried():
    rules = {**RULES_OF_USERS, "orderBy": "user_count DESC, id"}
    draft = draft_of(rules)
    assert draft.values is not None
    assert draft.values["order_by"] == ["id"]
    assert "orderBy user_count DESC, id: the summary comes in the order of its group keys" in texts(draft, "changed")


def test_a_table_without_rules_has_all_columns_by_id():
    draft = entry_without_rules("products", "")
    assert draft.values == {"select_fields": ["*"], "order_by": ["id"], "limit": 1000}
    assert "SELECT * ... ORDER BY id LIMIT 1000, as before" in texts(draft, "carried")


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"groupBy": ["a"], "where": "a = ?"}, "where: "),
        ({"groupBy": ["a"], "where": {"status": 1}}, "where: Input should be a valid string"),
        ({"groupBy": ["a"], "where": "SLEEP(5)"}, "where: "),
        ({"groupBy": ["a; DROP TABLE users"]}, r"group_by[0]: "),
        ({"groupBy": ["a"], "limit": -1}, "limit: "),
        ({"groupBy": ["a"], "where": "token = 'hunter2secret'"}, "its rules hold the value of a secret variable"),
        ({"groupBy": ["\ufffd\ufffd"]}, "its file is not UTF-8"),
    ],
)
def test_a_table_whose_rows_would_be_others_is_not_carried_and_says_why(rules: dict[str, Any], words: str):
    draft = draft_of(rules)
    assert draft.values is None
    assert [item.kind for item in draft.items] == ["not carried"]
    assert words in draft.items[0].text
    assert "hunter2secret" not in draft.items[0].text


def test_what_changes_with_the_date_is_not_carried_and_both_texts_are_said():
    draft = draft_of({"groupBy": ["a"], "where": "x"}, changing=[(("where",), "d > '2026'", "d > '2031'")])
    assert draft.values is None
    assert (
        "where was \"d > '2026'\" at one time and \"d > '2031'\" at another. Write it with NOW()" in draft.items[0].text
    )


def test_what_only_narrows_the_columns_is_left_out_and_said():
    rules = {
        "selectFields": ["id", "name; x"],
        "transform": True,
        "aggregations": [{"function": "COUNT"}, {"function": "SUM"}],
    }
    draft = draft_of(rules)
    assert draft.values == {"aggregations": [{"function": "COUNT"}], "select_fields": ["id"], "limit": 1000}
    left = texts(draft, "not carried")
    assert "transform: the old service's own code gave it a meaning" in left
    assert "aggregations[1]: " in left
    assert "select_fields[1]: " in left
    assert "# Select_fields" not in rendered(draft)


def test_a_function_in_the_rules_is_named():
    draft = draft_of({"groupBy": ["a"]}, odd=[(("transform",), "function")])
    assert texts(draft, "not carried") == "transform is a function, which no file can hold"
    assert draft_of({"groupBy": [None]}, odd=[(("groupBy", 0), "package absent")]).values is None
