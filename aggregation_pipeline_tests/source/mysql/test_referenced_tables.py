"""Every table and function that an entry reads is found in its expressions."""

import pymysql
import pytest

from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.source.mysql.referenced_tables import references_of_entry, references_of_view
from aggregation_pipeline_tests.support.servers.handles import MySQLServer


def tables(**keys: object) -> set[str]:
    return {str(name) for name in references_of_entry(TableEntry.model_validate({"name": "t", **keys})).tables}


def test_sub_selects_of_every_key_are_found():
    found = tables(
        table="shop.orders",
        group_by=[{"expr": "(SELECT MAX(a) FROM `by key`)", "alias": "k"}],
        aggregations=[
            {"function": "SUM", "field": "(SELECT 1 FROM by_field)", "alias": "f"},
            {"expr": "MAX((SELECT 1 FROM x.by_expr))", "alias": "e"},
        ],
        select_fields=["id", {"expr": "(select 1 from by_select limit 1)", "alias": "s"}],
        where=(
            "id IN (SELECT id FROM a JOIN `库`.`表` AS b ON a.id = b.id, c) AND EXISTS (SELECT 1 FROM (SELECT * FROM"
            " deep) AS d)"
        ),
        order_by=["(SELECT 1 FROM by_order)"],
    )
    names = {"by key", "by_field", "x.by_expr", "by_select", "a", "库.表", "c", "deep", "by_order"}
    assert found == {"shop.orders"} | names


def test_a_table_without_select_is_found():
    for where in ("id IN (TABLE `v 1`)", "EXISTS(table `v 1`)", "id = ANY (TABLE `v 1` ORDER BY 1 LIMIT 1)"):
        assert tables(where=where) == {"t", "v 1"}
    assert tables(select_fields=["`table`", "`table 1`"]) == {"t"}


def test_a_union_and_a_with_are_looked_into_and_their_own_names_are_no_tables():
    where = (
        "id IN (WITH c AS (SELECT id FROM real_one) SELECT id FROM c UNION SELECT id FROM other_one) AND 1 IN (SELECT 1"
        " FROM DUAL)"
    )
    assert tables(where=where) == {"t", "real_one", "other_one"}


def test_a_with_whose_name_is_that_of_the_table_that_it_reads_hides_no_table():
    assert tables(where="1 IN (WITH q AS (SELECT id FROM q) SELECT id FROM q)") == {"t", "q"}
    assert tables(where="1 IN (WITH a AS (SELECT id FROM b), b AS (SELECT id FROM a) SELECT id FROM b)") == {"t", "b"}
    assert tables(
        where="1 IN (WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT n FROM r)"
    ) == {"t"}
    assert tables(where="1 IN (SELECT id FROM (WITH w AS (SELECT id FROM x) SELECT id FROM w) d, w)") == {"t", "x", "w"}


@pytest.mark.parametrize("where", ["note = 'SELECT 1 FROM x'", "`select` = 1 AND `from` > 2", "selected_from_x = 1"])
def test_the_word_select_in_a_text_or_a_name_is_no_table(where: str):
    assert tables(where=where) == {"t"}


def test_functions_are_named_for_the_server_to_tell_which_are_stored():
    entry = TableEntry(
        name="t", where="f(id) = 1 AND shop.g (id) = 2 AND note <> 'h(1)' AND `k`(1) = 3 AND id IN (1, 2)"
    )
    touched = references_of_entry(entry)
    assert {"f", "k"} <= touched.called
    assert touched.stored == {TableName("shop", "g")}
    assert not {"g", "h"} & touched.called


def test_a_view_is_read_as_servers_print_it():
    touched = references_of_view(
        "select `tr`.`a`.`id` AS `id`,count(0) AS `n`,`f`(`tr`.`a`.`id`) AS `x`,`shop`.`g`() AS `y`"
        " from (`tr`.`a` join `b` on((`a`.`id` = `b`.`id`)))"
    )
    assert touched is not None
    assert touched.tables == {TableName("tr", "a"), TableName(None, "b")}
    assert touched.stored == {TableName(None, "f"), TableName("shop", "g")}
    assert references_of_view("select from where ((") is None


# Valid on some server at least: each prints a view in its own way.
VIEWS: dict[str, set[str]] = {
    "SELECT a.id, CASE WHEN a.id > 1 THEN 'x' END AS c, IF(a.id, 1, 2) AS i FROM a": {"a"},
    "SELECT a.id FROM a LEFT JOIN (b JOIN c ON b.id = c.id) ON a.id = b.id": {"a", "b", "c"},
    "SELECT a.id FROM a STRAIGHT_JOIN b": {"a", "b"},
    "SELECT a.id FROM a CROSS JOIN b USING (id)": {"a", "b"},
    "SELECT id FROM a WHERE (id, v) IN (SELECT id, v FROM b) AND EXISTS (SELECT 1 FROM c WHERE c.id = a.id)": {
        *("a", "b", "c")
    },
    "SELECT id FROM a UNION ALL SELECT id FROM b ORDER BY 1 LIMIT 3": {"a", "b"},
    "SELECT id FROM a INTERSECT SELECT id FROM b": {"a", "b"},
    "SELECT id, (SELECT MAX(b.v) FROM b) AS m FROM a GROUP BY id WITH ROLLUP": {"a", "b"},
    "WITH w AS (SELECT id FROM b) SELECT w.id FROM w": {"b"},
    "SELECT d.id FROM (SELECT id FROM b) AS d": {"b"},
    "SELECT id, ROW_NUMBER() OVER (PARTITION BY v ORDER BY id) AS n FROM a": {"a"},
    "SELECT MAX(id) OVER w AS m FROM a WINDOW w AS (PARTITION BY v)": {"a"},
    "SELECT a.id FROM a USE INDEX (PRIMARY)": {"a"},
    "SELECT GROUP_CONCAT(DISTINCT v ORDER BY id DESC SEPARATOR '|') AS g FROM a": {"a"},
    "SELECT CONVERT('x' USING utf8mb4) AS c, id MOD 2 AS m, id DIV 2 AS d, ~id AS t, id <=> 1 AS n FROM a": {"a"},
    "SELECT DATE_ADD(NOW(), INTERVAL '1:2' MINUTE_SECOND) AS d, EXTRACT(YEAR FROM NOW()) AS y FROM a": {"a"},
    "SELECT TRIM(LEADING 'x' FROM s.v) AS t, SUBSTRING(s.v FROM 1 FOR 2) AS u FROM a AS s": {"a"},
    "SELECT 'from `b` (' AS `select (`, 'it''s' AS `x``y` FROM a": {"a"},
    "SELECT JSON_EXTRACT('{}', '$.a') AS j, MD5(id) AS m, INET_ATON('1.2.3.4') AS i FROM a": {"a"},
    "SELECT 表.id FROM a AS 表 JOIN `名 称` AS n ON n.id = 表.id": {"a", "名 称"},
}  # fmt: skip


@pytest.mark.sample
def test_views_are_followed_however_a_server_prints_them(mysql: MySQLServer, database: str):
    made = followed = 0
    with mysql.connect(database=database) as connection, connection.cursor() as cursor:
        for table in ("a", "b", "c", "`名 称`"):
            cursor.execute(f"CREATE TABLE {table} (id INT PRIMARY KEY, v INT)")
        for sql, expected in VIEWS.items():
            try:
                cursor.execute(f"CREATE OR REPLACE VIEW shown AS {sql}")
            except pymysql.MySQLError:  # not of this server's version
                continue
            made += 1
            cursor.execute(
                "SELECT view_definition FROM information_schema.views WHERE table_schema = DATABASE() AND table_name ="
                " 'shown'"
            )
            ((definition,),) = cursor.fetchall()
            touched = references_of_view(definition)
            if touched is None:
                assert mysql.name == "seekdb", (
                    definition
                )  # `USING 'utf8mb4'` is no SQL; the view is called unknown then
                continue
            followed += 1
            assert {name.name for name in touched.tables} == expected, definition
            assert touched.stored == set(), definition
    assert made >= 13
    assert followed >= made - 1, "views that are called unknown would please this test"
