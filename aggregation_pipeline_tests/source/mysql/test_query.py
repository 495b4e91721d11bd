from typing import Any

import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from aggregation_pipeline.config.sql.tokens import ExpressionError
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.source.mysql.query import DatasetQuery, build_queries


def queries(*, key: tuple[str, ...] = ("id",), **entry: Any) -> list[DatasetQuery]:
    return list(build_queries(TableEntry.model_validate({"name": "orders", **entry}), primary_key=key))


def sql(**entry: Any) -> str:
    (query,) = queries(**entry)
    return query.sql


def test_the_summary_groups_and_orders_by_ordinals_and_comes_first():
    summary, detail = queries(
        group_by=["status", {"expr": "DATE(created_at)", "alias": "day"}],
        aggregations=[{"function": "COUNT", "field": "id", "alias": "orders"}, {"expr": "SUM(price * quantity)"}],
        select_fields=["id", {"expr": "price * 2", "alias": "double"}],
        where="created_at >= NOW() - INTERVAL 7 DAY OR status = 'new'",
    )
    assert (summary.dataset, detail.dataset) == ("summary", "detail")
    assert (
        summary.sql
        == "SELECT `status`, (DATE(created_at)) AS `day`, COUNT(`id`) AS `orders`, (SUM(price * quantity)) AS"
        " `SUM(price * quantity)`\nFROM `orders` WHERE (created_at >= NOW() - INTERVAL 7 DAY OR status = 'new')"
        " GROUP BY 1, 2\nORDER BY 1, 2"
    )
    assert summary.columns == ("status", "day", "orders", "SUM(price * quantity)")
    assert (summary.count_sql, summary.limit, summary.order) == (None, None, "group keys")
    assert (
        detail.sql == "SELECT `id`, (price * 2) AS `double`\n"
        "FROM `orders` WHERE (created_at >= NOW() - INTERVAL 7 DAY OR status = 'new')\nORDER BY `orders`.`id`"
    )
    assert (
        detail.count_sql
        == "SELECT COUNT(*) FROM `orders` WHERE (created_at >= NOW() - INTERVAL 7 DAY OR status = 'new')"
    )
    assert detail.order == "primary key (id)"


def test_an_entry_that_asks_for_nothing_counts_rows():
    assert sql() == "SELECT COUNT(*) AS `row_count`\nFROM `orders`"


def test_keys_alone_are_the_distinct_keys_and_figures_alone_are_one_row():
    assert sql(group_by=["status"]) == "SELECT `status`\nFROM `orders` GROUP BY 1\nORDER BY 1"
    (query,) = queries(aggregations=[{"function": "MAX", "field": "price"}])
    assert (query.sql, query.order) == ("SELECT MAX(`price`) AS `MAX(price)`\nFROM `orders`", "one row")


def test_fields_alone_make_no_summary():
    assert [query.dataset for query in queries(select_fields=["id"])] == ["detail"]


@pytest.mark.parametrize(
    ("function", "field", "expected"),
    [
        ("COUNT", None, "COUNT(*)"),
        ("COUNT", "*", "COUNT(*)"),
        ("COUNT", "order", "COUNT(`order`)"),
        ("COUNT DISTINCT", "user_id", "COUNT(DISTINCT `user_id`)"),
        ("SUM", "price * quantity", "SUM((price * quantity))"),
        ("AVG", "`unit price`", "AVG(`unit price`)"),
        ("STDDEV", "price", "STDDEV_POP(`price`)"),
        ("VARIANCE", "price", "VAR_POP(`price`)"),
        ("GROUP_CONCAT", "note", "GROUP_CONCAT(`note` ORDER BY `note`)"),
        ("GROUP_CONCAT", "UPPER(note)", "GROUP_CONCAT((UPPER(note)) ORDER BY (UPPER(note)))"),
    ],
)
def test_each_function_becomes_the_servers_own(function: str, field: str | None, expected: str):
    assert (
        sql(aggregations=[{"function": function, "field": field, "alias": "x"}])
        == f"SELECT {expected} AS `x`\nFROM `orders`"
    )


def test_a_limit_reads_one_row_more_and_the_count_agrees():
    summary, detail = queries(group_by=["status"], select_fields=["id"], where="id > 5", limit=10)
    assert summary.sql.endswith("ORDER BY 1\nLIMIT 11")
    assert detail.sql.endswith("ORDER BY `orders`.`id`\nLIMIT 11")
    assert detail.count_sql == "SELECT COUNT(*) FROM (SELECT 1 FROM `orders` WHERE (id > 5) LIMIT 11) AS counted"
    assert (summary.limit, detail.limit) == (10, 10)


@pytest.mark.parametrize(
    ("entry", "key", "clause", "words"),
    [
        ({}, ("id", "part"), "\nORDER BY `orders`.`id`, `orders`.`part`", "primary key (id, part)"),
        ({}, (), "", "none"),
        ({"order": "none"}, ("id",), "", "none"),
        ({"order_by": []}, ("id",), "\nORDER BY `orders`.`id`", "primary key (id)"),
        (
            {"order_by": ["at desc"]},
            ("id",),
            "\nORDER BY `orders`.`at` DESC, `orders`.`id`",
            "at DESC, then primary key (id)",
        ),
        (
            {"order_by": ["at", "DATE(b) DESC"]},
            (),
            "\nORDER BY `orders`.`at`, (DATE(b)) DESC",
            "at, DATE(b) DESC, equal rows as the server gives them",
        ),
        ({"order_by": ["Day"]}, (), "\nORDER BY 2", "Day, equal rows as the server gives them"),
        ({"order_by": ["`day`"]}, (), "\nORDER BY 2", "`day`, equal rows as the server gives them"),
    ],
)
def test_detail_rows_have_one_order_or_say_that_they_have_none(
    entry: dict[str, Any], key: tuple[str, ...], clause: str, words: str
):
    (query,) = queries(key=key, select_fields=["a", {"expr": "DATE(at)", "alias": "day"}], **entry)
    assert query.sql == f"SELECT `a`, (DATE(at)) AS `day`\nFROM `orders`{clause}"
    assert query.order == words


def test_a_star_leaves_the_names_to_the_server():
    (query,) = queries(select_fields=["*"])
    assert (query.sql, query.columns) == ("SELECT `orders`.*\nFROM `orders`\nORDER BY `orders`.`id`", ())


@pytest.mark.parametrize(
    ("name", "table", "expected"),
    [
        ("orders", "shop.orders", "`shop`.`orders`"),
        ("order items", "order items", "`order items`"),
        ("订单", "订单", "`订单`"),
        ("v1.orders", "`v1.orders`", "`v1.orders`"),
        ("odd", "`a``b`", "`a``b`"),
        ("group", "group", "`group`"),
    ],
)
def test_any_table_name_is_quoted(name: str, table: str, expected: str):
    assert sql(name=name, table=table) == f"SELECT COUNT(*) AS `row_count`\nFROM {expected}"


WORDS = (
    "'x'",
    "--",
    "-- ",
    "/*",
    "*/",
    "/*!",
    "SUM(",
    "DATE(",
    " = ",
    " AND ",
    " UNION SELECT ",
    " FROM t ",
    " GROUP BY ",
    " LIMIT 1",
    " AS x",
)
PIECES = st.sampled_from([*"ab1'\"`\\#();,@+中 \n", *WORDS])
FRAGMENT = st.lists(PIECES, min_size=1, max_size=8).map("".join)
NAME = st.text(min_size=1, max_size=30)


@given(FRAGMENT, FRAGMENT, FRAGMENT, NAME)
def test_no_fragment_and_no_name_changes_the_shape_of_a_statement(key: str, field: str, where: str, alias: str):
    try:
        summary, detail = queries(
            group_by=[key], select_fields=[{"expr": field, "alias": alias}, "z"], where=where, limit=3
        )
    except (ValueError, ExpressionError):
        return
    for query, width in ((summary, 1), (detail, 2)):
        (tree,) = sqlglot.parse(query.sql, read="mysql")
        assert isinstance(tree, exp.Select)
        assert len(tree.expressions) == width
        assert isinstance(tree.args["where"].this, (exp.Paren, exp.Subquery))
        assert tree.args["limit"].expression.this == "4"
        assert len(tree.args["order"].expressions) == 1


@given(NAME, NAME)
def test_any_alias_and_column_stay_names(column: str, alias: str):
    quoted = "`" + column.replace("`", "``") + "`"
    try:
        (query,) = queries(select_fields=[{"expr": quoted, "alias": alias}, "z"])
    except ValueError:
        return
    assert query.columns == (alias, "z")
    (tree,) = sqlglot.parse(query.sql, read="mysql")
    assert tree is not None
    # What some server would garble is not said to it; `columns` keeps the true name.
    assert [item.alias_or_name for item in tree.expressions] in ([alias, "z"], ["output 1", "z"])
