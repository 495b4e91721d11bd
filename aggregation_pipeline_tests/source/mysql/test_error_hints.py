"""A wrong name is answered with the key that holds it and the right name that is nearest."""

from dataclasses import replace
from pathlib import Path

import pytest

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.mysql.reader import read_extract
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, ZONE, Execute, Read, ignore_progress, options_for
from aggregation_pipeline_tests.support.servers.chosen import on
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

TABLES = (
    (
        "CREATE TABLE orders (id BIGINT PRIMARY KEY, user_id INT, price DECIMAL(10,2), big BIGINT, more BIGINT,"
        " created_at DATETIME)"
    ),
    "INSERT INTO orders VALUES (1, 1, 1.5, 9223372036854775807, 9223372036854775807, '2026-11-01')",
    "CREATE TABLE users (id INT PRIMARY KEY, signed_up DATETIME)",
)


def refusal(read: Read, **keys: object) -> str:
    with pytest.raises(SourceError) as error:
        read(**{"name": "orders", **keys})
    return str(error.value)


def test_a_wrong_column_brings_its_key_and_the_nearest_right_one(execute: Execute, read: Read):
    execute(TABLES)
    for keys, place in (
        ({"group_by": ["creatd_at"]}, "group_by[0]"),
        ({"group_by": ["id", "DATE(creatd_at)"]}, "group_by[1]"),
        ({"aggregations": [{"function": "COUNT"}, {"function": "MAX", "field": "creatd_at"}]}, "aggregations[1]"),
        ({"aggregations": [{"expr": "MAX(`creatd_at`)"}]}, "aggregations[0]"),
        ({"select_fields": ["id", "creatd_at"]}, "select_fields[1]"),
        ({"select_fields": ["id", "createdAt"]}, "select_fields[1]"),
        ({"where": "creatd_at > NOW()"}, "where"),
        ({"where": "orders.creatd_at > NOW()"}, "where"),
        ({"select_fields": ["id"], "order_by": ["creatd_at DESC"]}, "order_by[0]"),
        ({"select_fields": ["creatd_at"], "where": "creatd_at > NOW()"}, "select_fields[0], where"),
    ):
        words = refusal(read, **keys)
        assert f"It is used in {place}." in words
        assert "Was created_at meant?" in words


def test_a_column_that_is_near_none_or_that_another_table_lacks_brings_no_name(execute: Execute, read: Read):
    execute(TABLES)
    assert "meant" not in refusal(read, select_fields=["zzz"])
    words = refusal(read, where="id IN (SELECT users.price FROM users)")
    assert "meant" not in words
    assert "It is used in where." in words


def test_a_wrong_table_brings_the_nearest_and_one_of_another_case_says_so(execute: Execute, read: Read):
    execute(TABLES)
    assert "Was orders meant?" in refusal(read, table="ordrs")
    assert "Was orders meant?" in refusal(read, table="order")
    assert "meant" not in refusal(read, table="zzz")


# seekdb takes names in any case.
@on("mariadb", "mysql56")
def test_case_alone_is_named_where_the_server_tells_names_apart_by_it(execute: Execute, read: Read):
    execute(TABLES)
    assert "There is orders, which differs in case only" in refusal(read, table="Orders")


def test_a_mask_of_a_wrong_column_brings_the_nearest(execute: Execute, read: Read):
    execute(TABLES)
    words = refusal(read, select_fields=["*"], mask={"user_ids": "drop"})
    assert "mask: user_ids: no such column. Was user_id meant?" in words


def test_an_overflow_names_the_output_and_no_value(execute: Execute, read: Read):
    execute(TABLES)
    words = refusal(read, select_fields=["id", {"expr": "big + 1", "alias": "next"}])
    assert "It comes from the output next." in words
    assert "9223372036854775807" not in words
    assert "CAST(... AS DECIMAL(65))" in words
    words = refusal(
        read, select_fields=["id", {"expr": "price + 1", "alias": "dearer"}, {"expr": "more * big", "alias": "product"}]
    )
    assert "product" in words
    assert "9223372036854775807" not in words


def test_a_broken_view_is_named_with_its_remedy_behind_others_too(execute: Execute, read: Read):
    views = ("CREATE VIEW broken AS SELECT id, signed_up FROM users", "CREATE VIEW upon AS SELECT id FROM broken")
    execute([*TABLES, *views, "DROP TABLE users"])
    assert "broken" in refusal(read, name="broken")
    words = refusal(read, name="upon")
    assert "broken' references invalid" in words or "upon' references invalid" in words


def test_an_account_that_may_not_know_what_there_is_gets_the_nearest_that_it_may_read(
    mariadb: MySQLServer, tmp_path: Path
):
    """Where SELECT was granted on tables alone, a wrong name is a forbidden one to the server."""
    database = mariadb.fresh_database()
    with mariadb.connect(database=database) as connection, connection.cursor() as cursor:
        for statement in (
            *TABLES,
            "CREATE USER reader@localhost",
            f"GRANT SELECT ON {database}.orders TO reader@localhost",
        ):
            cursor.execute(statement)
    request = ReadRequest(TableEntry.model_validate({"name": "order"}), "w", LOGICAL_TIME, ZONE)
    options = replace(options_for(mariadb, database), user="reader")
    try:
        with pytest.raises(SourceError, match=r"error 1142.*Grant SELECT on the table to DB_USER\. Was orders meant\?"):
            read_extract(request, options, tmp_path, ignore_progress)
    finally:
        with mariadb.connect() as connection, connection.cursor() as cursor:
            cursor.execute("DROP USER reader@localhost")


def test_a_wrong_chinese_name_brings_the_nearest_too(execute: Execute, read: Read):
    execute(("CREATE TABLE 订单 (编号 INT PRIMARY KEY, 金额 INT)", "CREATE TABLE 用户 (id INT PRIMARY KEY)"))
    assert "Was 订单 meant?" in refusal(read, name="x", table="订弹")
    assert "Was 编号 meant?" in refusal(read, name="x", table="订单", select_fields=["编码"])
    assert "meant" not in refusal(read, name="x", table="订单", select_fields=["名称"])


def test_a_wrong_function_brings_the_nearest(execute: Execute, read: Read):
    execute(TABLES)
    words = refusal(read, select_fields=["id", {"expr": "DATEFORMAT(created_at, '%Y')", "alias": "y"}])
    assert "Was DATE_FORMAT meant?" in words
    assert "Grant EXECUTE" not in words


def test_a_text_without_quotes_is_told(execute: Execute, read: Read):
    execute(TABLES)
    assert "It is used in where. If it is a text, it has to be in quotes: '已付'." in refusal(read, where="more = 已付")
    assert "in quotes" not in refusal(read, where="creatd_at > NOW()")


def test_a_wrong_database_is_told_and_not_the_table_in_it(execute: Execute, read: Read, database: str):
    execute(TABLES)
    words = refusal(read, name="x", table=f"{database}x.orders")
    assert f"Was {database} meant?" in words or "1049" in words
    assert f"DB_USER sees no database {database}x." in words or "1049" in words
