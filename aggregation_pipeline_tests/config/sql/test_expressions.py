"""Expressions of SQL in the config: what is taken, and stays as it was written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregation_pipeline.config.columns import Aggregation
from aggregation_pipeline.config.masked_columns import source_columns
from aggregation_pipeline.config.partitions import Partition
from aggregation_pipeline.config.sql.expressions import (
    is_plain_word,
    output_name,
    read_column,
    read_expression,
    read_order,
    to_sql,
)
from aggregation_pipeline.config.sql.mysql import MYSQL
from aggregation_pipeline.config.sql.roles import Role
from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.config.sql.tokens import ExpressionError, Token, tokenize
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.source.lineage import columns_of

TAKEN = (
    "DATE(created_at)",
    "price * quantity",
    "5 - -1",
    "CASE WHEN paid_at IS NULL THEN 'no' ELSE 'yes' END",
    "IF(a > 1, b, c)",
    "created_at >= DATE_SUB(NOW(), INTERVAL 7 DAY)",
    "a REGEXP '^x'",
    "0xFF + 1",
    "INTERVAL(n, 1, 2)",
    "CAST(a AS UNSIGNED)",
    "CONVERT(a USING utf8mb4)",
    "a COLLATE utf8mb4_bin",
    "_utf8mb4'中'",
    "data->>'$.a.b'",
    "note = 'a -- b; /*! c */ # SLEEP(1) 50% :x ?'",
    'note = "it\'s"',
    "note = 'it''s \\' fine'",
    "a SOUNDS LIKE 'b'",
    "SUBSTRING(a FROM 1 FOR 2)",
    "TRIM(BOTH 'x' FROM a)",
    "(a, b) = (1, 2)",
    "id IN (SELECT user_id FROM orders)",
    "EXISTS (SELECT * FROM orders WHERE orders.user_id = users.id)",
    "(WITH a AS (SELECT MAX(id) AS m FROM users) SELECT m FROM a)",
    "@@sql_mode",
    "@@global.max_allowed_packet > a",
    "`order` + `a``b`",
    "订单 + 1",
    "shop.tax(price)",
    "REPLACE(a, 'x', 'y')",
)


@pytest.mark.parametrize("text", TAKEN)
def test_an_expression_runs_as_the_user_wrote_it(text: str):
    assert read_expression(text, "condition") == text


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("a -- remark\n + b", "a + b"),
        ("a # remark\n+ b", "a + b"),
        ("a/* remark */+ b", "a + b"),
        ("  a\n   +\tb ", "a + b"),
        ("'a  -- b' # x", "'a  -- b'"),
        ("'/* a */'/* b */", "'/* a */'"),
        ("a --", "a"),
    ],
)
def test_comments_and_line_ends_go_and_text_in_quotes_stays(text: str, clean: str):
    assert read_expression(text, "condition") == clean


@pytest.mark.parametrize(
    ("text", "role", "words"),
    [
        ("price", "aggregate", "aggregates nothing"),
        ("SUM(price) OVER ()", "aggregate", "aggregates nothing"),
        ("SUM(price) + SUM(price) OVER ()", "aggregate", "no meaning as aggregate"),
        ("SUM(price)", "group key", "belongs in aggregations"),
        ("MAX(price)", "field", "belongs in aggregations"),
        ("COUNT(*) > 1", "condition", "belongs in aggregations"),
        ("RANK() OVER (ORDER BY id)", "condition", "no meaning as condition"),
    ],
)
def test_aggregates_and_windows_are_refused_where_they_have_no_meaning(text: str, role: Role, words: str):
    with pytest.raises(ExpressionError, match=words):
        read_expression(text, role)


@pytest.mark.parametrize(
    ("text", "role"),
    [
        ("SUM(price * quantity)", "aggregate"),
        ("SUM(a) / COUNT(DISTINCT b, c)", "aggregate"),
        ("GROUP_CONCAT(DISTINCT a ORDER BY b SEPARATOR ';')", "aggregate"),
        ("JSON_ARRAYAGG(a)", "aggregate"),
        ("ROW_NUMBER() OVER (PARTITION BY a ORDER BY b)", "field"),
        ("price / SUM(price) OVER ()", "field"),
        ("price > (SELECT AVG(price) FROM orders)", "condition"),
    ],
)
def test_aggregates_and_windows_are_taken_where_they_belong(text: str, role: Role):
    assert read_expression(text, role) == text


@pytest.mark.parametrize("word", ["status", "order", "group", "状态", "naïve_2", "कीमत", "2024年", "_"])
def test_a_plain_word_is_a_column_reserved_or_not(word: str):
    assert is_plain_word(word)
    assert to_sql(read_column(f" {word} ", "group key")) == f"`{word}`"


@pytest.mark.parametrize("word", ["null", "CURRENT_DATE", "True", "utc_timestamp"])
def test_a_word_that_mysql_has_a_value_for_is_a_column_as_an_item_and_the_value_as_an_expr(word: str):
    for written, sql in ((word, f"`{word}`"), ({"expr": word}, f"({word})"), ({"expr": f"`{word}`"}, f"`{word}`")):
        entry = TableEntry.model_validate({"name": "t", "groupBy": [written], "selectFields": [written]})
        for column in (*entry.group_by, *entry.select_fields):
            assert (to_sql(column.expr), column.name) == (sql, word)
    figure = Aggregation.model_validate({"function": "COUNT", "field": word})
    assert (to_sql(str(figure.field)), figure.name) == (f"`{word}`", f"COUNT({word})")
    assert read_order(f"{word} desc") == f"`{word}` DESC"
    assert Partition.model_validate({"column": word, "every": "day", "start": "2026-01-01"}).column == word
    # No column of the table is behind the value: no lineage, and nothing for a mask to hide.
    table = TableName(None, "t")
    assert (columns_of(word), source_columns(word, table, "t", MYSQL)) == ((), {})
    assert (columns_of(f"`{word}`"), [*source_columns(f"`{word}`", table, "t", MYSQL)[table]]) == (
        (word,),
        [word.lower()],
    )


@pytest.mark.parametrize("number", ["1", "20", "1e5", "0x1F", "0b1"])
def test_a_number_is_a_constant_and_not_a_column(number: str):
    assert to_sql(read_column(number, "group key")) == f"({number})"


def test_a_column_in_backticks_is_called_by_its_name():
    assert output_name("`order date`") == "order date"
    assert output_name("`a``b`") == "a`b"
    assert to_sql("`order date`") == "`order date`"
    assert output_name("`a` + `b`") == "`a` + `b`"


def test_an_order_is_a_column_or_expression_and_a_direction_but_no_position():
    assert read_order("created_at desc") == "created_at DESC"
    assert read_order("DATE(created_at) /* day */ asc") == "DATE(created_at) ASC"
    assert read_order("desc") == "desc"
    for position in ("1", "2 DESC"):
        with pytest.raises(ExpressionError, match="name the column"):
            read_order(position)
    with pytest.raises(ExpressionError, match="comma"):
        read_order("a, b")


# Parts of SQL that could end an expression, begin a comment, or call something.
PIECES = (
    *(
        "'",
        '"',
        "`",
        "\\",
        "''",
        '""',
        "``",
        "--",
        "-- ",
        "#",
        "/*",
        "*/",
        "/*!",
        "/**/",
        "(",
        ")",
        ";",
        ",",
        "\n",
        " ",
    ),
    *("@", ":=", "=", "a", "1", "1e0", "INTO", "UNION", "SELECT", "OR", "SLEEP", "x'41'", ".", "*", "中"),
)


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_whatever_is_taken_is_balanced_and_stays_what_it_is_when_read_again(text: str):
    try:
        clean = read_expression(text, "condition")
    except ExpressionError:
        return
    tokens, again = tokenize(clean)
    assert again == clean
    depth = 0
    for token, following in zip(tokens, [*tokens[1:], Token("symbol", "")], strict=True):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        assert depth >= 0
        assert token.text not in (";", "@")
        assert token.name != "into" or token.kind == "quoted"
        # A column may have that name; called, it is the function.
        assert token.name != "sleep" or following.text != "("
    assert depth == 0
