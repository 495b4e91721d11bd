"""ONLY_FULL_GROUP_BY refuses entries that select any row's value, and accepts such views."""

import pytest

from aggregation_pipeline.errors import SourceError
from aggregation_pipeline_tests.support.reading import Execute, Read, rows_of
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

pytestmark = pytest.mark.sample

# What depends on a key is selected beside it: valid SQL, and any server's default lets it pass.
BY_CUSTOMER = (
    "SELECT c.id, c.name, c.born, COUNT(o.id) AS orders, SUM(o.amount) AS total"
    " FROM customers c JOIN orders o ON o.customer = c.id GROUP BY c.id"
)
SUM = {"function": "SUM", "field": "orders", "alias": "n"}


@pytest.fixture
def shop(execute: Execute) -> None:
    execute(
        [
            "CREATE TABLE customers (id INT PRIMARY KEY, name VARCHAR(20), born DATE)",
            "CREATE TABLE orders (id INT PRIMARY KEY, customer INT, amount DECIMAL(10,2))",
            "INSERT INTO customers VALUES (1, '张', '1990-01-01'), (2, 'Li', NULL)",
            "INSERT INTO orders VALUES (1, 1, 1.50), (2, 1, 2.50), (3, 2, 4)",
            f"CREATE VIEW by_customer AS {BY_CUSTOMER}",
            "CREATE VIEW `view of views` AS SELECT * FROM by_customer",
        ]
    )


@pytest.mark.usefixtures("shop")
def test_a_view_that_groups_by_a_key_and_selects_what_depends_on_it_is_read(read: Read):
    expected = [(1, "张", 2), (2, "Li", 1)]
    for view in ("by_customer", "view of views"):
        extract = read(name="x", table=f"`{view}`", select_fields=["*"], order_by=["id"], aggregations=[SUM])
        assert [(row["id"], row["name"], row["orders"]) for row in rows_of(extract)] == expected
        assert [int(row["n"]) for row in rows_of(extract, "summary")] == [3]
    grouped = read(name="by_customer", group_by=["name"], aggregations=[SUM], where="born IS NOT NULL")
    assert [(row["name"], int(row["n"])) for row in rows_of(grouped, "summary")] == [("张", 2)]


@pytest.mark.usefixtures("shop")
def test_such_a_view_in_a_sub_select_is_read_too(read: Read, database: str):
    most = {"expr": f"(SELECT MAX(v.orders) FROM `{database}`.`by_customer` AS v)", "alias": "数量"}
    extract = read(
        name="customers",
        select_fields=["id", most],
        where="id IN (SELECT id FROM `view of views` WHERE name <> '（a）')",
    )
    assert [(row["id"], int(row["数量"])) for row in rows_of(extract)] == [(1, 2), (2, 2)]


WRONG = [
    {"aggregations": [{"expr": "SUM(orders) + id", "alias": "n"}]},
    {"group_by": ["name"], "aggregations": [{"expr": "SUM(orders) + id", "alias": "n"}]},
    {"aggregations": [{"expr": "SUM(orders) + (SELECT MAX(v.id) + v.orders FROM by_customer v)", "alias": "n"}]},
]


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("keys", WRONG)
def test_an_entry_that_asks_for_any_rows_value_is_refused_over_a_view_as_over_a_table(
    read: Read, keys: dict[str, object]
):
    for view in ("by_customer", "view of views"):
        with pytest.raises(SourceError, match=r"error (1055|1140)"):
            read(name="x", table=f"`{view}`", **keys)


@pytest.mark.usefixtures("shop")
def test_a_detail_is_judged_too_where_the_summary_has_found_the_view_to_be_the_offender(read: Read):
    any_value = {"expr": "(SELECT MAX(o.id) + o.amount FROM orders o)", "alias": "x"}
    with pytest.raises(SourceError, match=r"error (1055|1140)"):
        read(name="by_customer", aggregations=[SUM], select_fields=["id", any_value])


def test_a_table_is_judged_as_before(read: Read, execute: Execute):
    execute("CREATE TABLE t (id INT PRIMARY KEY, g INT)")
    with pytest.raises(SourceError, match=r"error 1140"):
        read(name="t", aggregations=[{"expr": "SUM(id) + id", "alias": "n"}])


def test_the_mode_under_which_a_view_was_made_does_not_matter(
    read: Read, mysql: MySQLServer, database: str, execute: Execute
):
    execute("CREATE TABLE t (id INT PRIMARY KEY, g INT, v INT)")
    execute("INSERT INTO t VALUES (1, 1, 5), (2, 1, 5)")
    with mysql.connect(database=database) as connection, connection.cursor() as cursor:
        cursor.execute("SET sql_mode = ''")
        cursor.execute("CREATE VIEW made_without AS SELECT g, v, COUNT(*) AS n FROM t GROUP BY g")
        cursor.execute("SET sql_mode = 'ONLY_FULL_GROUP_BY'")
        cursor.execute("CREATE VIEW made_with AS SELECT id, COUNT(*) AS n FROM t GROUP BY id")
    assert rows_of(read(name="made_without", select_fields=["*"])) == [{"g": 1, "v": 5, "n": 2}]
    assert len(rows_of(read(name="made_with", select_fields=["*"]))) == 2
