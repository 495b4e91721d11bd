"""Masked columns that are reached through views, stored functions and generated columns."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pymysql
import pytest

from aggregation_pipeline.config.pipeline_config import PipelineConfig
from aggregation_pipeline.config.sql.references import comparable_name
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.extract import Extract
from aggregation_pipeline.source.mysql.reader import read_extract
from aggregation_pipeline.source.mysql.variables import SQL_MODE
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline_tests.support.file_contents import contents
from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, ZONE, ignore_progress, options_for, run_on
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

USERS = {"name": "users", "select_fields": ["id", "phone"], "mask": {"phone": "hash"}}
ACCOUNT = "reader_of_masks"
SHOP = [
    "CREATE TABLE users (id INT PRIMARY KEY, phone VARCHAR(20))",
    "CREATE TABLE orders (id INT PRIMARY KEY, user_id INT)",
    "INSERT INTO users VALUES (1, '13812345678')",
    "INSERT INTO orders VALUES (7, 1)",
    "CREATE VIEW v_users AS SELECT id, phone AS p FROM users",
    "CREATE VIEW v_deep AS SELECT o.id, v.p AS q FROM orders o JOIN v_users v ON v.id = o.user_id",
    "CREATE VIEW v_orders AS SELECT id, user_id FROM orders",
]


@pytest.fixture
def shop(mysql: MySQLServer) -> str:
    database = mysql.fresh_database()
    run_on(mysql, database, SHOP)
    return database


def read(
    server: MySQLServer, database: str, directory: Path, *tables: dict[str, Any], user: str | None = None
) -> Extract:
    """Read the last of the entries, as part of a file of all of them."""
    entries = PipelineConfig.model_validate({"tables": tables}).tables
    options = options_for(server, database)
    options = options if user is None else replace(options, user=user)
    return read_extract(
        ReadRequest(entries[-1], "2026-11-21", LOGICAL_TIME, ZONE), options, directory, ignore_progress, pytest.fail
    )


@pytest.mark.sample
def test_a_view_over_a_masked_table_is_read_only_where_the_table_is_listed(
    mysql: MySQLServer, shop: str, tmp_path: Path
):
    views: tuple[dict[str, Any], ...] = (
        {"name": "v_users", "select_fields": ["*"]},
        {"name": "v_deep", "select_fields": ["*"]},
        {"name": "orders", "select_fields": ["id"], "where": "user_id IN (SELECT id FROM v_users)"},
    )
    for view in views:
        with pytest.raises(
            SourceError,
            match=rf"a view leads to {shop}.users, which has masked columns.*allow: {{tables: \[{shop}.users\]}}",
        ):
            read(mysql, shop, tmp_path, USERS, view)
        assert list(tmp_path.iterdir()) == []
        assert read(mysql, shop, tmp_path, USERS, view | {"allow": {"tables": ["users"]}}).datasets[0].rows == 1
        (tmp_path / "detail.parquet").unlink()
    assert read(mysql, shop, tmp_path, USERS, {"name": "v_orders", "select_fields": ["*"]}).datasets[0].rows == 1


def test_masks_of_a_view_itself_are_enough(mysql: MySQLServer, shop: str, tmp_path: Path):
    masked = {"name": "v_users", "select_fields": ["*"], "mask": {"p": "hash"}}
    extract = read(mysql, shop, tmp_path, masked)
    assert [content for content in contents(extract.datasets[0].path) if b"13812345678" in content] == []
    with pytest.raises(SourceError, match=r"a view leads to .*v_users, which has masked columns"):
        read(mysql, shop, tmp_path, masked, {"name": "v_deep", "select_fields": ["*"]})


@pytest.mark.parametrize(
    ("view", "sub_select"),
    [
        ("v_users", "(SELECT MAX(p) FROM v_users)"),
        # To the servers ß is not ss, and in backticks DUAL is a name like any other.
        ("vß", "(WITH vss AS (SELECT 1 AS n) SELECT MAX(p) FROM vß)"),
        ("dual", "(SELECT MAX(p) FROM `dual`)"),
    ],
)
@pytest.mark.parametrize("mysql", ["mariadb", pytest.param("seekdb", marks=pytest.mark.slow)], indirect=True)
def test_no_name_of_a_view_hides_that_it_leads_to_the_masked_table_of_its_own_entry(
    mysql: MySQLServer, shop: str, tmp_path: Path, view: str, sub_select: str
):
    run_on(mysql, shop, [f"CREATE OR REPLACE VIEW `{view}` AS SELECT id, phone AS p FROM users"])
    entry = USERS | {"select_fields": ["phone", {"expr": sub_select, "alias": "x"}]}
    with pytest.raises(SourceError, match=rf"a view leads to {shop}.users, which has masked columns"):
        read(mysql, shop, tmp_path, entry)


V_USERS = {"name": "v_users", "select_fields": ["*"]}
ORDERS = {"name": "orders", "select_fields": ["id"]}


@pytest.fixture
def blind(mariadb: MySQLServer) -> Iterator[str]:
    """A database in which an account may read one view, and see neither its definition nor its tables."""
    database = mariadb.fresh_database()
    run_on(
        mariadb,
        database,
        [
            "CREATE TABLE users (id INT PRIMARY KEY, phone VARCHAR(20))",
            "CREATE VIEW v_users AS SELECT id, phone AS p FROM users",
            "CREATE VIEW v_seen AS SELECT * FROM v_users",
            f"CREATE USER {ACCOUNT}@'%'",
            f"GRANT SELECT ON v_users TO {ACCOUNT}@'%'",
            f"GRANT SELECT, SHOW VIEW ON v_seen TO {ACCOUNT}@'%'",
            "CREATE TABLE own (id INT PRIMARY KEY, phone VARCHAR(20))",
            f"GRANT SELECT ON own TO {ACCOUNT}@'%'",
        ],
    )
    yield database
    run_on(mariadb, database, [f"DROP USER {ACCOUNT}@'%'"])


@pytest.mark.parametrize("view", ["v_users", "v_seen"])
def test_a_view_that_cannot_be_looked_into_is_refused_where_another_table_is_masked(
    mariadb: MySQLServer, blind: str, tmp_path: Path, view: str
):
    entry = {"name": view, "select_fields": ["*"]}
    with pytest.raises(
        SourceError, match=r"what the view .*v_users reads cannot be seen by this account.*Grant SHOW VIEW"
    ):
        read(mariadb, blind, tmp_path, USERS, entry, user=ACCOUNT)
    allowed = {"allow": {"tables": ["v_users"]}}
    assert read(mariadb, blind, tmp_path, USERS, entry | allowed, user=ACCOUNT).datasets[0].rows == 0
    # It may lead to the masked table of its own entry.
    own = {"name": "own", "select_fields": ["phone", f"(SELECT MAX(p) FROM {view})"], "mask": {"phone": "hash"}}
    with pytest.raises(SourceError, match=r"what the view .*v_users reads cannot be seen by this account"):
        read(mariadb, blind, tmp_path, own, user=ACCOUNT)
    # Where the view alone is masked there is nothing else to be shown.
    if view == "v_users":
        assert read(mariadb, blind, tmp_path, entry | {"mask": {"p": "hash"}}, user=ACCOUNT).datasets[0].rows == 0


def test_a_stored_function_behind_a_view_is_refused_unless_it_is_listed(mariadb: MySQLServer, tmp_path: Path):
    database = mariadb.fresh_database()
    run_on(
        mariadb,
        database,
        [
            "CREATE TABLE t (id INT PRIMARY KEY)",
            "CREATE FUNCTION phone_of(i INT) RETURNS VARCHAR(20) DETERMINISTIC READS SQL DATA RETURN '13812345678'",
            "CREATE VIEW v AS SELECT id, phone_of(id) AS p FROM t",
        ],
    )
    entry = {"name": "v", "select_fields": ["*"]}
    with pytest.raises(
        SourceError, match=r"phone_of\(\) is a stored function, which can show masked columns of any table"
    ) as refusal:
        read(mariadb, database, tmp_path, USERS, entry)
    listed = str(refusal.value).split("functions: [")[1].split("]")[0]
    assert read(mariadb, database, tmp_path, USERS, entry | {"allow": {"functions": [listed]}}).datasets[0].rows == 0


@pytest.mark.parametrize(
    ("server", "names"),
    [
        ("mariadb", ["regexp_like"]),
        pytest.param(
            "mysql56", ["regexp_like", "regexp_replace", "json_extract", "json_value"], marks=pytest.mark.sample
        ),
    ],
)
def test_a_stored_function_by_the_name_of_one_that_this_server_lacks_is_refused_unless_it_is_listed(
    request: pytest.FixtureRequest, server: str, names: list[str], tmp_path: Path
):
    mysql: MySQLServer = request.getfixturevalue(server)
    database = mysql.fresh_database()
    body = "(a TEXT, b TEXT) RETURNS TEXT DETERMINISTIC READS SQL DATA RETURN (SELECT MAX(phone) FROM users)"
    run_on(
        mysql,
        database,
        ["CREATE TABLE users (id INT PRIMARY KEY, phone VARCHAR(20))", "CREATE TABLE orders (id INT PRIMARY KEY)"],
    )
    run_on(mysql, database, [f"CREATE FUNCTION {name}{body}" for name in names])
    for name in names:
        entry = {"name": "orders", "select_fields": ["id", {"expr": f"{name.upper()}(id, 'x')", "alias": "r"}]}
        allowed = {"allow": {"functions": [name.upper()]}}
        with pytest.raises(
            SourceError, match=rf"{name}\(\) is a stored function, which can show .*allow: {{functions: \[{name}\]}}"
        ):
            read(mysql, database, tmp_path, USERS, entry)
        assert list(tmp_path.iterdir()) == []
        assert read(mysql, database, tmp_path, USERS, entry | allowed).datasets[0].rows == 0
        (tmp_path / "detail.parquet").unlink()


@pytest.mark.parametrize(("mysql", "further"), [("seekdb", "phone"), ("mariadb", "area")], indirect=["mysql"])
def test_a_column_that_the_server_computes_from_a_masked_one_is_masked_too(
    mysql: MySQLServer, further: str, tmp_path: Path
):
    """On MariaDB at two steps."""
    database = mysql.fresh_database()
    run_on(
        mysql,
        database,
        [
            # seekdb warns of columns that are computed in another mode than they were made in.
            f"SET SESSION sql_mode = '{SQL_MODE}'",
            f"""CREATE TABLE users (id INT PRIMARY KEY, phone VARCHAR(20), area VARCHAR(3) AS (LEFT(phone, 3)) VIRTUAL,
                label VARCHAR(30) AS (CONCAT({further}, ' ', id)), twice INT AS (id * 2) STORED)""",
            "CREATE TABLE orders (id INT PRIMARY KEY)",
        ],
    )
    for fields in (["*"], ["phone", "area"], ["phone", "label"], ["phone", "UPPER(label)"]):
        entry = {"name": "other", "table": "users", "select_fields": fields, "mask": {"phone": "drop"}}
        with pytest.raises(SourceError, match=r"the server computes area, label from masked columns\. .*: keep\}"):
            read(mysql, database, tmp_path, USERS, entry)
    sub_select = {
        "name": "orders",
        "select_fields": ["(SELECT MAX(u.label) FROM users u)"],
        "allow": {"tables": ["users"]},
    }
    with pytest.raises(SourceError, match="the server computes area, label"):
        read(mysql, database, tmp_path, USERS, sub_select)
    masked = {
        "name": "all",
        "table": "users",
        "select_fields": ["*"],
        "mask": {"phone": "hash", "area": "drop", "label": "keep"},
    }
    assert read(mysql, database, tmp_path, USERS, masked).datasets[0].schema.names == ["id", "phone", "label", "twice"]


def test_a_default_that_is_computed_and_a_name_with_a_backtick_hide_no_masked_column(
    mariadb: MySQLServer, tmp_path: Path
):
    database = mariadb.fresh_database()
    run_on(
        mariadb,
        database,
        [
            """CREATE TABLE users (id INT PRIMARY KEY, phone VARCHAR(20), contact VARCHAR(20) DEFAULT (LEFT(phone, 11)),
                `te``l` VARCHAR(20), caps VARCHAR(20) AS (UPPER(`te``l`)), kind VARCHAR(9) DEFAULT 'phone')""",
        ],
    )
    for shown, masked, computed in (
        ("contact", "phone", "contact"),
        ("DEFAULT(contact)", "phone", "contact"),
        ("caps", "`te``l`", "caps"),
    ):
        fields = ["kind", {"expr": masked, "alias": "a"}, {"expr": shown, "alias": "b"}]
        with pytest.raises(SourceError, match=rf"the server computes {computed} from masked columns\. the output b"):
            read(mariadb, database, tmp_path, {"name": "users", "select_fields": fields, "mask": {"a": "hash"}})
    kept = {
        "name": "users",
        "select_fields": ["phone", "contact", "kind"],
        "mask": {"phone": "hash", "contact": "keep"},
    }
    assert read(mariadb, database, tmp_path, kept).datasets[0].rows == 0


@pytest.mark.slow
@pytest.mark.parametrize("mysql", ["seekdb", "mariadb"], indirect=True)
def test_whatever_spelling_a_server_takes_for_a_column_is_known_for_it(mysql: MySQLServer):
    """Some compare names without accents."""
    columns = [f"x{letter}y" for letter in "abcdefghijklmnopqrstuvwxyz0123456789_"]
    wide = [f"w{number}" for number in range(40)]
    taken = {}
    with mysql.connect(database=mysql.fresh_database()) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE t ({', '.join(f'`{name}` INT' for name in [*columns, *wide])})")
        # The letters of alphabets; of Chinese and Korean ones no two are the same.
        for letter in map(chr, (*range(0x80, 0x2E80), *range(0xFB00, 0xFE00), *range(0xFF00, 0xFFF0))):
            with contextlib.suppress(pymysql.MySQLError):
                cursor.execute(f"SELECT `x{letter}y` FROM t")
                taken[letter] = comparable_name(f"x{letter}y")
    assert {letter: folded for letter, folded in taken.items() if folded not in columns} == {}
    assert (mysql.name != "seekdb") or taken["é"] == "xey"
