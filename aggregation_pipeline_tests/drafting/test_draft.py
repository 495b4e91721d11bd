"""What is drafted of a live database, on real servers."""

import dataclasses
from pathlib import Path

import pytest

from aggregation_pipeline.config.loading import load_config
from aggregation_pipeline.config.yaml.writing import Commented, file_text
from aggregation_pipeline.drafting.draft import Draft, Refused, find_tables
from aggregation_pipeline.drafting.left_out import reasons_to_leave_out, units_of, usual_choice
from aggregation_pipeline.source.catalogue import Table
from aggregation_pipeline.source.mysql.catalogue import read_structure, some_rows
from aggregation_pipeline_tests.drafting import shop
from aggregation_pipeline_tests.support.reading import run_on
from aggregation_pipeline_tests.support.servers.handles import MySQLServer


def test_a_shop_becomes_entries_that_hide_what_is_personal(mysql: MySQLServer):
    database = mysql.fresh_database()
    run_on(mysql, database, [shop.MEMBERS, shop.ORDERS, *shop.ROWS])
    drafts = shop.drafted(shop.how(mysql, database))
    assert shop.body(drafts["orders"]) == {
        "description": "订单",
        "partition": {"column": "created_at", "every": "day", "start": "2026-03-01"},
        "group_by": ["status", "pay_channel"],
        "aggregations": [
            {"function": "COUNT", "alias": "row_count"},
            {"function": "COUNT DISTINCT", "field": "member_id", "alias": "distinct_member_id"},
            {"function": "SUM", "field": "total_amount", "alias": "sum_total_amount"},
            {"function": "SUM", "field": "item_count", "alias": "sum_item_count"},
            {"function": "AVG", "field": "unit_price", "alias": "avg_unit_price"},
        ],
        "select_fields": [
            *("order_id", "order_no", "member_id", "status", "pay_channel", "total_amount", "item_count", "unit_price"),
            *("is_deleted", "paid_at", "created_at"),
        ],
    }
    members = shop.body(drafts["members"])
    assert members["group_by"] == ["level", "vip"]
    assert [item["alias"] for item in members["aggregations"]] == ["row_count", "sum_balance"]
    assert "partition" not in members
    assert "photo" not in members["select_fields"]
    assert members["mask"] == {
        "f1": "partial",
        "contact_way": "partial",
        "xm": "partial",
        "sfz": "partial",
        "card": "partial",
        "wx": "hash",
        "password": "drop",
        "birthday": "drop",
        "addr": "partial",
        "f9": "partial",
    }
    assert shop.leaks(shop.entries_text(drafts.values())) == []


def test_statistics_are_not_believed_where_they_say_of_few_rows(mysql: MySQLServer):
    """On seekdb they say 0 right after rows were inserted; MySQL 8 keeps them for a day."""
    database = mysql.fresh_database()
    run_on(mysql, database, [shop.ORDERS, shop.ROWS[1], "CREATE TABLE nothing (id INT PRIMARY KEY)"])
    tables = {name: draft.table for name, draft in shop.drafted(shop.how(mysql, database)).items()}
    assert [(tables[name].rows, tables[name].rows_known) for name in ("orders", "nothing")] == [
        (40, "counted"),
        (0, "counted"),
    ]


HOSTILE = (
    *(
        "v1.orders",
        "a`b",
        'say "x"',
        "it's",
        "订单 表",
        "no",
        "null",
        "123",
        "2026-01-01",
        "-",
        "*",
        "&a",
        "# x",
        "a: b",
    ),
    *("select", "%s", ":name", "a/b", "..", "x" * 64, "Ünïcode", "$a"),
)


def test_tables_and_columns_of_any_name_are_drafted(mysql: MySQLServer):
    database = mysql.fresh_database()
    columns = ", ".join(f"`{name.replace('`', '``')}` INT" for name in HOSTILE)
    run_on(
        mysql,
        database,
        [f"CREATE TABLE `{name.replace('`', '``')}` (id INT PRIMARY KEY, n DECIMAL(9,2))" for name in HOSTILE]
        + [
            "CREATE TABLE `{{ x }}` (id INT)",
            f"CREATE TABLE odd_columns (id INT PRIMARY KEY, {columns}) COMMENT 'a: b # \"c\"\n*d'",
        ],
    )
    drafts = shop.drafted(shop.how(mysql, database))
    refused = {name: draft.cause for name, draft in drafts.items() if isinstance(draft, Refused)}
    assert refused.keys() == {"{{ x }}"}
    assert "this is a template" in refused["{{ x }}"]
    entries = [draft for draft in drafts.values() if isinstance(draft, Draft)]
    # Some servers keep names in small letters.
    found = {draft.parsed.source_table.name.casefold() for draft in entries}
    assert found == {name.casefold() for name in (*HOSTILE, "odd_columns")}
    assert len({draft.name.casefold() for draft in entries}) == len(HOSTILE) + 1


def test_what_this_account_may_not_read_is_left_out_with_the_reason(mariadb: MySQLServer):
    database = mariadb.fresh_database()
    user = f"{database}_u"
    run_on(
        mariadb,
        database,
        [
            "CREATE TABLE seen (id INT PRIMARY KEY)",
            "CREATE TABLE unseen (id INT PRIMARY KEY)",
            "CREATE TABLE half (id INT PRIMARY KEY, hidden INT)",
            "CREATE TABLE gone (id INT)",
            "CREATE VIEW broken AS SELECT id FROM gone",
            "DROP TABLE gone",
            f"CREATE USER {user}@localhost",
            f"GRANT SELECT ON {database}.seen TO {user}@localhost",
            f"GRANT SELECT, SHOW VIEW ON {database}.broken TO {user}@localhost",
            f"GRANT INSERT ON {database}.unseen TO {user}@localhost",
            f"GRANT SELECT (id), INSERT (hidden) ON {database}.half TO {user}@localhost",
        ],
    )
    at = shop.how(dataclasses.replace(mariadb, user=user), database)
    drafts = shop.drafted(at)
    assert {name: type(draft).__name__ for name, draft in drafts.items()} == {
        "seen": "Draft",
        **dict.fromkeys(("unseen", "half", "broken"), "Refused"),
    }
    causes = {name: draft.cause for name, draft in drafts.items() if isinstance(draft, Refused)}
    assert "SELECT is denied on table" in causes["unseen"]
    run_on(mariadb, database, [f"DROP USER {user}@localhost"])


def test_a_sample_that_takes_too_long_leaves_names_to_decide(mysql: MySQLServer):
    """A view that sleeps for each row: the server ends it where it can, and else it is not asked."""
    database = mysql.fresh_database()
    run_on(
        mysql,
        database,
        [
            "CREATE TABLE t (id INT PRIMARY KEY, phone VARCHAR(20), f1 VARCHAR(20))",
            f"INSERT INTO t VALUES {', '.join(f'({n}, 1, {shop.PHONES[0]})' for n in range(20))}",
            "CREATE VIEW slow_people AS SELECT id, phone, f1, SLEEP(0.5) AS s FROM t",
        ],
    )
    at = shop.how(mysql, database, limits=shop.how(mysql, database).limits.model_copy(update={"timeout_seconds": 1}))
    draft = shop.drafted(at, ["slow_people"])["slow_people"]
    assert shop.body(draft)["mask"] == {"phone": "partial"}
    assert isinstance(draft, Draft)
    assert "names alone" in "\n".join(draft.entry.above)


def test_engines_without_snapshots_are_said_to_have_none(mariadb: MySQLServer):
    database = mariadb.fresh_database()
    run_on(mariadb, database, ["CREATE TABLE hits (id INT PRIMARY KEY, at DATETIME) ENGINE=MyISAM"])
    assert shop.body(shop.drafted(shop.how(mariadb, database))["hits"])["consistency"] == "none"


def test_both_ends_of_a_table_are_looked_at_and_what_said_so_is_said(mysql: MySQLServer):
    """Old rows leave empty what new ones fill; and nobody's name becomes a key."""
    database = mysql.fresh_database()
    rows = (
        f"({n}, '{shop.PHONES[n % 40] if n > 50 else ''}', ELT(1+{n % 3},'张三','李四','王五'))" for n in range(100)
    )
    run_on(
        mysql,
        database,
        [
            "CREATE TABLE late (id INT PRIMARY KEY, f1 VARCHAR(20), region CHAR(9), f2 CHAR(20), cust VARCHAR(9))",
            f"INSERT INTO late (id, f1, region) VALUES {', '.join(rows)}",
            f"UPDATE late SET f2 = IF(id % 2, 'call {shop.PHONES[0]}', 'x'), cust = id % 3",
        ],
    )
    draft = shop.drafted(shop.how(mysql, database, sample_rows=20))["late"]
    assert "group_by" not in shop.body(draft)
    assert isinstance(draft, Draft)
    detail = draft.entry.value
    assert isinstance(detail, dict)
    masks = detail["mask"]
    assert isinstance(masks, Commented)
    assert isinstance(masks.value, dict)
    assert {name: rule.beside for name, rule in masks.value.items() if isinstance(rule, Commented)} == {
        "f1": "phone number, by its values",
        "region": "name of a person, by its values",
        "f2": "text in which people write such data, by what stands in some values",
        "cust": "name of a person, by its name or comment",
    }


@pytest.mark.parametrize("limit", [1, 2, 19, 20, 21, 30, 39, 40, 41, 100])
def test_rows_of_both_ends_are_read_once(mariadb: MySQLServer, limit: int):
    database = mariadb.fresh_database()
    numbers = ", ".join(f"({n}, {n})" for n in range(40))
    run_on(mariadb, database, ["CREATE TABLE t (`a b` INT PRIMARY KEY, n INT)", f"INSERT INTO t VALUES {numbers}"])
    with shop.opened(shop.how(mariadb, database)) as session:
        cells = some_rows(session, "t", read_structure(session, "t"), limit)["n"]
    half = limit // 2
    assert sorted(map(int, filter(None, cells))) == sorted(
        {*range(40)[: limit - half], *range(40)[40 - min(half, 40) :]}
    )


def test_without_a_sample_no_row_is_read(mariadb: MySQLServer):
    database = mariadb.fresh_database()
    run_on(mariadb, database, [shop.MEMBERS, *shop.ROWS[:1]])
    draft = shop.drafted(shop.how(mariadb, database, sample_rows=0))["members"]
    assert shop.body(draft)["mask"].keys() == {"xm", "sfz", "wx", "password", "birthday", "addr"}


def test_tables_of_the_machinery_are_left_out_and_the_rest_is_bounded():
    names = [
        "orders",
        "users",
        "v_orders",
        "sys_log",
        "operation_logs",
        "failed_jobs",
        "queue",
        "flyway_schema_history",
        "django_migrations",
        "sessions",
        "orders_bak",
        "tmp_x",
        "orders_20240101",
        "qrtz_triggers",
        "act_ru_task",
        "undo_log",
        "_meta",
        "日志",
        "blog",
        "catalog",
        "logistics",
        "jobs_board",
    ]
    shards = [f"events_{n * n}" for n in range(8)]
    tables = [Table(name, is_view=name.startswith("v_"), rows=1) for name in (*names, *shards)]
    reasons = reasons_to_leave_out(tables)
    kept = ["orders", "users", "blog", "catalog", "logistics", "jobs_board"]
    assert [name for name in names if name not in reasons] == kept
    assert {reasons[name] for name in shards} == {"numbered"}
    choice = usual_choice(units_of(tables, lambda name: name == "blog"), lambda name: name == "blog", 3)
    assert [table.name for table in choice.taken] == ["orders", "users", "catalog"]
    assert choice.left_out["smaller"] == ["logistics", "jobs_board"]


def test_names_that_differ_in_their_case_alone_are_told_apart(mariadb: MySQLServer, tmp_path: Path):
    """So are the outputs of an entry, where a column is called like one of ours, or two differ in no letter."""
    database = mariadb.fresh_database()
    columns = "id INT PRIMARY KEY, row_count ENUM('a', 'b'), `a b` DECIMAL(9,2), `a-b` DECIMAL(9,2)"
    names = ("Orders", "orders", "ORDERS", "kept", "a,b")
    run_on(mariadb, database, [f"CREATE TABLE `{name}` ({columns})" for name in names])
    drafts = shop.drafted(shop.how(mariadb, database, taken=frozenset(["kept"])))
    path = tmp_path / "aggregation.yaml"
    entries = {draft.name: draft.entry for draft in drafts.values() if isinstance(draft, Draft)}
    path.write_text(file_text([], entries), encoding="utf-8")
    loaded = load_config(path).tables
    assert sorted(table.name for entry in loaded for table in entry.shards) == sorted(names)
    assert len({entry.name.casefold() for entry in loaded} | {"kept"}) == len(names) + 1
    assert {tuple(item.alias for item in entry.aggregations) for entry in loaded} == {
        ("row_count_2", "sum_a_b", "sum_a_b_2")
    }


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_of_thousands_of_tables_only_the_taken_ones_are_asked_about(mariadb: MySQLServer):
    database = mariadb.fresh_database()
    run_on(
        mariadb,
        database,
        [f"CREATE TABLE part_{chr(97 + n % 26)}{n}x (id INT PRIMARY KEY) ENGINE=MEMORY" for n in range(5_000)],
    )
    at = shop.how(mariadb, database)
    with mariadb.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Questions'")
        before = int(cursor.fetchone()[1])
        tables = find_tables(at)
        shop.drafted(
            at, [table.name for table in usual_choice(units_of(tables, lambda _: False), lambda _: False, 30).taken]
        )
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Questions'")
        asked = int(cursor.fetchone()[1]) - before
    assert len(tables) == 5_000
    assert asked < 30 * 60
