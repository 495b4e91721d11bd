"""`having` is checked when the file is loaded: it needs groups, and names that a group has one value of."""

from typing import Any

import pytest
from pydantic import ValidationError

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.source.mysql.figures import group_condition

GROUPS: dict[str, Any] = {
    "group_by": ["status", {"expr": "DATE(created_at)", "alias": "day"}],
    "aggregations": [{"function": "SUM", "field": "price", "alias": "price"}, {"expr": "COUNT(*)", "alias": "订单数"}],
}


def entry(**keys: Any) -> TableEntry:
    return TableEntry.model_validate({"name": "orders", **keys})


@pytest.mark.parametrize(
    ("having", "sql"),
    [
        ("订单数 > 5", "(((COUNT(*))) > 5)"),
        ("price > 5 AND SUM(price) > 6", "((SUM(`orders`.`price`)) > 5 AND SUM(`orders`.`price`) > 6)"),
        ("Day >= '2026-01-01' -- since then", "(MIN((DATE(created_at))) >= '2026-01-01')"),
        (
            "`status` = 'price' OR status IS NULL",
            "(MIN(`orders`.`status`) = 'price' OR MIN(`orders`.`status`) IS NULL)",
        ),
        ("status COLLATE utf8mb4_bin = _utf8mb4'x'", "(MIN(`orders`.`status`) COLLATE utf8mb4_bin = _utf8mb4'x')"),
        ("COUNT(DISTINCT status, day) > 1", "(COUNT(DISTINCT `orders`.`status`, `orders`.`day`) > 1)"),
        ("MAX(o.price) > 1 AND MAX(other) > 2", "(MAX(o.price) > 1 AND MAX(other) > 2)"),
        ("price > (SELECT AVG(price) FROM old)", "((SUM(`orders`.`price`)) > (SELECT AVG(price) FROM old))"),
        (
            "JSON_ARRAYAGG(status) <> '🎉' and status='b'",
            "(JSON_ARRAYAGG(`orders`.`status`) <> '🎉' and MIN(`orders`.`status`)='b')",
        ),
        ("day > NOW() - INTERVAL 7 DAY", "(MIN((DATE(created_at))) > NOW() - INTERVAL 7 DAY)"),
    ],
)
def test_no_name_of_an_output_is_left_to_the_server(having: str, sql: str):
    assert group_condition(entry(having=having, **GROUPS)) == sql


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"having": "COUNT(*) > 1", "select_fields": ["id"]}, "this entry has none; write group_by or aggregations"),
        ({"having": "staus = 'x'", **GROUPS}, "staus is no output of the summary .*Was status meant"),
        ({"having": "created_at > 1", **GROUPS}, "Outputs are status, day, price, 订单数; a text needs quotes"),
        ({"having": "orders.status = 'x'", **GROUPS}, r"orders\.status is no output"),
        ({"having": "status = active", **GROUPS}, "active is no output"),
        ({"having": "HAVING price > 1", **GROUPS}, "without the word HAVING, because the key means it already"),
        ({"having": "price > 1 ORDER BY 1", **GROUPS}, "belongs under the key order_by"),
        ({"having": "SUM(price) OVER () > 1", **GROUPS}, "a window function .* has no meaning as group condition"),
        ({"having": "price > 1; DROP TABLE t", **GROUPS}, "a semicolon ends a statement"),
        ({"having": "SLEEP(5)", **GROUPS}, "is refused"),
        ({"where": "COUNT(*) > 1", **GROUPS}, "a condition on groups belongs under having"),
        ({"having": "n > 1", "group_by": ["id", "id"]}, "is there twice"),
    ],
)
def test_a_condition_without_a_meaning_is_refused(keys: dict[str, Any], words: str):
    with pytest.raises(ValidationError, match=words) as refusal:
        entry(**keys)
    assert refusal.value.error_count() == 1


@pytest.mark.parametrize("text", ["created_at desc, id", "created_at DESC,id", " created_at  DESC , `id`"])
def test_an_order_is_one_text_or_a_list(text: str):
    found = entry(select_fields=["id"], order_by=text).order_by
    assert found is not None
    assert [item.strip("`") for item in found] == ["created_at DESC", "id"]


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("FIELD(status, 'a', 'b') DESC", ("FIELD(status, 'a', 'b') DESC",)),
        ("status = 'a, b' DESC, `a,b`, CONCAT(\"x,\", id)", ("status = 'a, b' DESC", "`a,b`", 'CONCAT("x,", id)')),
    ],
)
def test_only_commas_between_items_divide_an_order(text: str, items: tuple[str, ...]):
    assert entry(select_fields=["id"], order_by=text).order_by == items


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,", "it is empty"),
        ("", "it is empty"),
        ("id; DROP", "semicolon"),
        ("'id", "never closed"),
        ("1, id", "number"),
        ("id, created_at desc nulls last", "DESC NULLS LAST is not taken; .* 'created_at IS NULL'"),
        ("a + b NULLS FIRST", r"NULLS FIRST is not taken; .* 'a \+ b IS NULL DESC'"),
    ],
)
def test_a_text_that_is_no_order_is_refused(text: str, words: str):
    with pytest.raises(ValidationError, match=words):
        entry(select_fields=["id"], order_by=text)
