"""Which tables are parts of one, by their names; what is drafted of them; and what a second `init` does."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from aggregation_pipeline.cli.main import main
from aggregation_pipeline.config.loading import load_config
from aggregation_pipeline.config.sql.shards import split_tables
from aggregation_pipeline.drafting.draft import Draft, draft_tables
from aggregation_pipeline.drafting.families import Family, groups_of, ranges_of
from aggregation_pipeline.drafting.left_out import tables_named, units_of
from aggregation_pipeline.source.catalogue import Table
from aggregation_pipeline_tests.drafting import shop
from aggregation_pipeline_tests.support.reading import run_on
from aggregation_pipeline_tests.support.servers.handles import MySQLServer


def families(*names: str, known: tuple[str, ...] = ()) -> dict[str, str]:
    """By the name of the entry, the tables that are read as one."""
    units = units_of([Table(name, is_view=False) for name in names], known.__contains__)
    return {unit.title: unit.name for unit in units.tables if isinstance(unit, Family)}


def numbered(pattern: str, *numbers: int) -> list[str]:
    return [pattern.format(number) for number in numbers]


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (numbered("orders_{:02}", *range(16)), {"orders": "orders_{00..15}"}),
        (numbered("t{}", *range(8, 12)), {"t": "t{8..11}"}),
        (["orders_1", "orders_0"], {"orders": "orders_{0..1}"}),
        (numbered("s{}_orders", *range(3)), {"s_orders": "s{0..2}_orders"}),
        (numbered("订单_{}", 1, 2), {"订单": "订单_{1..2}"}),
        (numbered("o_{:02}", *range(98, 103)), {"o": "o_{98..102}"}),
        (numbered("o_{:02}", *range(103)), {"o": "o_{00..99}, o_{100..102}"}),
        (numbered("o_{}", 0, 1, 3, 4), {"o": "o_{0..1}, o_{3..4}"}),
        # The name is that of a table.
        (["orders", *numbered("orders_{}", 0, 1)], {"orders_shards": "orders_{0..1}"}),
        # Two numbers: each family differs in one.
        (
            [name for n in range(2) for name in numbered(f"a{n}_t_{{}}", 0, 1, 2)],
            {"a0_t": "a0_t_{0..2}", "a1_t": "a1_t_{0..2}"},
        ),
        (numbered("orders_2024_{:02}", *range(16)), {"orders_2024": "orders_2024_{00..15}"}),
        # By year, quarter, month, day: a new one comes each time.
        (numbered("orders_{}", 2023, 2024, 2025), {}),
        (numbered("orders_2024_{:02}", *range(1, 13)), {}),
        (numbered("orders_2024q{}", 1, 2, 3, 4), {}),
        (numbered("orders_2024{:02}", *range(1, 13)), {}),
        (numbered("orders_202411{:02}", *range(1, 31)), {}),
        (numbered("orders_24{:02}", *range(1, 13)), {}),
        (numbered("orders_2024_01_{:02}", *range(1, 32)), {}),
        # Versions of one table, far apart, the same number twice, two numbers that differ, another case.
        (numbered("users_v{}", 1, 2), {}),
        (numbered("o_{}", 0, 50, 99), {}),
        (["o_1", "o_01"], {}),
        (["a_1_b_1", "a_2_b_2"], {}),
        (numbered("operation_log_{}", *range(4)), {}),
        (numbered("o`{}", 0, 1), {}),
    ],
)
def test_names_that_differ_in_one_number_are_one_table(names: list[str], found: dict[str, str]):
    assert families(*names) == found
    for text in found.values():
        assert {str(table) for table in split_tables(text)} <= set(names)


def test_ranges_are_written_as_the_tables_are_called():
    assert ranges_of("o_", ["00", "01", "03", "10", "11"], "x") == ["o_{00..01}x", "o_03x", "o_{10..11}x"]
    assert [group.names for group in groups_of(["b_2", "b_10", "b_1", "c"])] == [("b_1", "b_2", "b_10")]


def test_what_comes_later_is_left_to_the_entry_that_reads_the_rest():
    names = numbered("o_{}", *range(5))
    units = units_of([Table(name, is_view=False) for name in names], lambda name: name != "o_4")
    assert units.reasons["o_4"] == "more parts"
    assert families(*names, known=("o_0", "o_1")) == {}
    by_time = numbered("m_2024{:02}", *range(1, 7))
    assert set(units_of([Table(n, is_view=False) for n in by_time], lambda _: False).reasons.values()) == {"by time"}


CREATE = (
    "CREATE TABLE {} (id BIGINT PRIMARY KEY, member_id BIGINT, status VARCHAR(16), amount DECIMAL(12,2), f1"
    " VARCHAR(30), created_at DATETIME NOT NULL, KEY (created_at)) COMMENT '订单'"
)


def test_parts_of_one_table_are_one_entry_that_says_so(mysql: MySQLServer):
    database = mysql.fresh_database()
    rows = ", ".join(f"({n}, {n}, {n % 3}, {n}.5, '{shop.PHONES[n]}', '2026-03-15')" for n in range(40))
    tables = [f"orders_{n:02}" for n in (0, 1, 2, 4, 5)]
    run_on(
        mysql,
        database,
        [
            *map(CREATE.format, tables),
            f"INSERT INTO orders_02 VALUES {rows}",
            "INSERT INTO orders_05 VALUES (1, 1, 1, 1, NULL, '2026-02-03')",
            "ALTER TABLE orders_04 MODIFY amount DECIMAL(12,3)",
        ],
    )
    at = shop.how(mysql, database)
    results = {each.table.name: each for each in draft_tables(at, units_of(shop.tables_of(at), lambda _: False).tables)}
    draft = results["orders_{00..02}, orders_05"]
    assert isinstance(draft, Draft)
    assert shop.body(draft) == {
        "table": ["orders_{00..02}", "orders_05"],
        "description": "订单",
        "partition": {"column": "created_at", "every": "day", "start": "2026-02-01"},
        "group_by": ["status"],
        "aggregations": [
            {"function": "COUNT", "alias": "row_count"},
            {"function": "SUM", "field": "amount", "alias": "sum_amount"},
        ],
        "select_fields": ["id", "member_id", "status", "amount", "f1", "created_at"],
        "mask": {"f1": "partial"},
    }
    assert (draft.name, draft.table.rows, draft.table.rows_known) == ("orders", 41, "counted")
    assert draft.entry.above[1:] == (
        "4 tables with the same columns, whose names differ in one number: read as one.",
        "Not there, so not read: orders_03",
        "Left out, because their columns differ: orders_04",
        "Left out, because several tables cannot tell it together: COUNT DISTINCT of member_id",
    )
    assert "its columns are not those of orders_{00..02}, orders_05" in str(results["orders_04"])
    assert shop.leaks(shop.entries_text(results.values())) == []


def test_numbered_tables_of_which_no_two_are_alike_are_drafted_one_by_one(mariadb: MySQLServer):
    database = mariadb.fresh_database()
    run_on(mariadb, database, [f"CREATE TABLE t_{n} (id INT PRIMARY KEY, c{n} INT)" for n in range(2)])
    at = shop.how(mariadb, database)
    (unit,) = units_of(shop.tables_of(at), lambda _: False).tables
    assert sorted(each.table.name for each in draft_tables(at, [unit])) == ["t_0", "t_1"]
    assert [each.name for each in tables_named(["t_{0..1}", "T_1"], shop.tables_of(at))] == ["t_{0..1}", "t_1"]


def init(folder: Path, server: MySQLServer, database: str, *more: str) -> str:
    env = {"DB_SOCKET": server.unix_socket, "DB_USER": server.user, "DB_NAME": database, "DB_HOST": ""}
    done = CliRunner().invoke(main, ["init", "--output", str(folder), "--yes", *more], env=env)
    assert done.exit_code == 0, done.output
    return done.output


def test_coming_again_changes_nothing_that_a_person_changed(mariadb: MySQLServer, tmp_path: Path):
    database = mariadb.fresh_database()
    run_on(mariadb, database, [CREATE.format(f"orders_{n:02}") for n in range(4)])
    said = init(tmp_path, mariadb, database)
    assert "orders: 4 tables read as one; rows: 0; a window a day by created_at" in said
    path = tmp_path / "aggregation.yaml"
    (entry,) = load_config(path).tables
    assert (entry.name, entry.table) == ("orders", "orders_{00..03}")
    # Somebody takes a part out and calls it otherwise.
    text = path.read_text("utf-8").replace("  orders:", "  sales:").replace("{00..03}", "{00..02}", 1)
    path.write_text(text, "utf-8")
    before = path.read_bytes()
    assert "Nothing is new" in init(tmp_path, mariadb, database)
    assert path.read_bytes() == before
    run_on(mariadb, database, [CREATE.format("orders_04"), CREATE.format("users")])
    said = init(tmp_path, mariadb, database)
    assert "orders_04 seems to be a further part of a table that an entry reads: add it to its `table`." in said
    after = path.read_bytes()
    assert [(each.name, each.table) for each in load_config(path).tables] == [
        ("sales", "orders_{00..02}"),
        ("users", "users"),
    ]
    assert "Nothing is new" in init(tmp_path, mariadb, database)
    assert path.read_bytes() == after
    said = init(tmp_path, mariadb, database, "--tables", "orders_{00..03},orders_04")
    assert "orders_{00..03} has an entry already, which stays as it is." in said
    assert load_config(path).tables[-1].table == "orders_04"
