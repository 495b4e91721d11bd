"""The generated queries mean on real servers what they should."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymysql import Connection, MySQLError

from aggregation_pipeline.config.sql.expressions import read_expression
from aggregation_pipeline.config.sql.tokens import ExpressionError
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.source.mysql.query import build_queries
from aggregation_pipeline.source.mysql.variables import SQL_MODE
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

pytestmark = pytest.mark.sample
TABLE = """
CREATE TABLE `订单 v1.2` (
  id INT PRIMARY KEY, `order` INT, `group` VARCHAR(20), `unit price` DECIMAL(10, 2), `状态` VARCHAR(20),
  created_at DATETIME,
  note VARCHAR(50)
) DEFAULT CHARSET utf8mb4
"""
ROWS = """
INSERT INTO `订单 v1.2` VALUES
  (1, 10, 'a', 1.50, '新', '2026-11-20 10:00:00', '100% :x'),
  (2, 20, 'a', 2.50, '新', '2026-11-20 11:00:00', NULL),
  (3, 30, 'b', 4.00, '旧', '2026-11-21 10:00:00', 'b''s \\\\ "q" -- # /* 🎉'),
  (4, 30, 'b', NULL, NULL, '2026-11-21 11:00:00', '')
"""
Run = Any


@pytest.fixture(scope="module")
def connection(mysql: MySQLServer) -> "Iterator[Connection[Any]]":
    with mysql.connect(database=mysql.fresh_database()) as connection, connection.cursor() as cursor:
        cursor.execute(f"SET SESSION sql_mode = '{SQL_MODE}'")
        cursor.execute(TABLE)
        cursor.execute(ROWS)
        yield connection


@pytest.fixture
def run(connection: "Connection[Any]") -> Run:
    def rows(**entry: Any) -> list[list[tuple[Any, ...]]]:
        """The rows of each dataset, checked for their count, their names and the absence of warnings."""
        model = TableEntry.model_validate({"name": "odd", "table": "`订单 v1.2`", **entry})
        found = []
        for query in build_queries(model, primary_key=("id",)):
            with connection.cursor() as cursor:
                cursor.execute(query.sql)
                rows = list(cursor.fetchall())
                names = tuple(column[0] for column in cursor.description)
                cursor.execute("SHOW WARNINGS")
                assert cursor.fetchall() == ()
                if query.columns and all(max(name) <= "\uffff" and len(name) <= 64 for name in query.columns):
                    assert names == query.columns
                if query.count_sql:
                    cursor.execute(query.count_sql)
                    assert cursor.fetchone() == (len(rows),)
            found.append(rows)
        return found

    return rows


def test_reserved_and_chinese_names_with_every_function(run: Run):
    ((first, last),) = run(
        group_by=["group"],
        aggregations=[
            {"function": "COUNT"},
            {"function": "COUNT", "field": "`unit price`", "alias": "priced"},
            {"function": "COUNT DISTINCT", "field": "order", "alias": "different"},
            {"function": "SUM", "field": "`unit price` * `order`", "alias": "sum"},
            {"function": "AVG", "field": "`unit price`", "alias": "avg"},
            {"function": "MIN", "field": "order", "alias": "min"},
            {"function": "MAX", "field": "状态", "alias": "max"},
            {"function": "STDDEV", "field": "order", "alias": "stddev"},
            {"function": "VARIANCE", "field": "order", "alias": "variance"},
            {"function": "GROUP_CONCAT", "field": "CONCAT(id, 'x')", "alias": "ids"},
        ],
    )
    assert first[:6] == ("a", 2, 2, 2, Decimal("65.00"), Decimal("2.000000"))
    assert (first[6], first[7], float(first[8]), float(first[9]), first[10]) == (10, "新", 5.0, 25.0, "1x,2x")
    assert last[:5] == ("b", 2, 1, 1, Decimal("120.00"))


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("CASE WHEN id > 3 THEN 'late' ELSE 'early' END", [("early", 3), ("late", 1)]),
        ("IF(id > 3, 'late', 'early')", [("early", 3), ("late", 1)]),
        ("DATE_FORMAT(created_at, '%Y-%m-%d')", [("2026-11-20", 2), ("2026-11-21", 2)]),
        ("状态", [(None, 1), ("新", 2), ("旧", 1)]),
        ("note LIKE '%:x'", [(None, 1), (0, 2), (1, 1)]),
        ("'x'", [("x", 4)]),
        ("1", [(1, 4)]),
        ("'🎉'", [("🎉", 4)]),
        ({"expr": "DATE(created_at) > '2026-11-20'", "alias": "group"}, [(0, 2), (1, 2)]),
        ({"expr": "`order` DIV 20", "alias": "order"}, [(0, 1), (1, 3)]),
        ("(SELECT MAX(id) FROM `订单 v1.2`)", [(4, 4)]),
    ],
    ids=str,
)
def test_any_expression_can_be_a_key_even_under_the_name_of_a_column(
    run: Run, key: Any, expected: list[tuple[Any, ...]]
):
    (rows,) = run(group_by=[key], aggregations=[{"function": "COUNT", "alias": "n"}])
    # Whether 新 or 旧 comes first is the collation's affair.
    assert sorted(rows, key=repr) == sorted(expected, key=repr)


def test_an_alias_that_equals_a_column_changes_neither_the_sum_nor_the_order(run: Run):
    (rows,) = run(
        aggregations=[
            {"function": "SUM", "field": "`unit price`", "alias": "order"},
            {"function": "SUM", "field": "order", "alias": "s"},
        ]
    )
    assert rows == [(Decimal("8.00"), 90)]
    (rows,) = run(select_fields=[{"expr": "10 - id", "alias": "id"}])
    assert [row[0] for row in rows] == [9, 8, 7, 6]
    (rows,) = run(select_fields=[{"expr": "10 - id", "alias": "id"}], order_by=["id"])
    assert [row[0] for row in rows] == [6, 7, 8, 9]


def test_percent_colon_quotes_and_emoji_in_text_reach_the_server_unharmed(run: Run):
    for where, ids in (
        ("note = '100% :x'", [1]),
        ("note LIKE '%:x%'", [1]),
        ("note = 'b''s \\\\ \"q\" -- # /* 🎉' -- remark ' here", [3]),
        ('note = "b\'s \\\\ ""q"" -- # /* 🎉" # remark', [3]),
        ("状态 = '新' AND /* both */ id IN (1, 2)", [1, 2]),
        ("created_at >= TIMESTAMP '2026-11-21 00:00:00'", [3, 4]),
        ("id = 5 - -1 - 3", [3]),
        ("note IS NULL OR `unit price` IS NULL", [2, 4]),
    ):
        (rows,) = run(select_fields=["id"], where=where)
        assert [row[0] for row in rows] == ids, where


def test_a_long_name_of_an_expression_fits(run: Run):
    expr = "CONCAT(" + ", ".join(["note"] * 40) + ")"
    assert len(expr) <= 256
    assert len(run(select_fields=[expr])[0]) == 4


def test_a_limit_brings_one_row_more_where_there_is_one(run: Run):
    for limit, rows in ((1, 2), (3, 4), (4, 4), (9, 4)):
        (found,) = run(select_fields=["id"], limit=limit)
        assert [row[0] for row in found] == [1, 2, 3, 4][:rows]
    assert len(run(group_by=["id"], limit=2)[0]) == 3


def test_a_star_gives_all_columns_in_the_order_of_the_key(run: Run):
    (rows,) = run(select_fields=["*"])
    assert [(row[0], len(row)) for row in rows] == [(1, 7), (2, 7), (3, 7), (4, 7)]


WORDS = (
    "''",
    "--",
    "-- ",
    "/*",
    "*/",
    "/*!",
    "/**/",
    "0x41",
    "OR",
    "UNION",
    "SELECT",
    "NULL",
    "LIKE",
    "id",
    "_utf8mb4",
    "\u3000",
    "1 ",
    " OR ",
)
PIECES = st.sampled_from([*"'\"`\\-#();,=+1.*N中%|&!<>~ \n", *WORDS])


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PIECES, min_size=1, max_size=9).map("".join))
def test_the_server_reads_an_accepted_fragment_as_one_value_too(connection: "Connection[Any]", text: str):
    """By the server's own lexer: the text around an expression is still there, or the server refuses the statement."""
    try:
        clean = read_expression(text, "field")
    except ExpressionError:
        return
    with connection.cursor() as cursor:
        try:
            cursor.execute(f"SELECT 'before', ({clean}), 'after' FROM `订单 v1.2` WHERE id = 1")
        except MySQLError:
            return
        rows = cursor.fetchall()
    assert [(row[0], row[-1], len(row)) for row in rows] == [("before", "after", 3)]
