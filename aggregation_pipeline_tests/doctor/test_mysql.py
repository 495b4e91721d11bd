"""What the doctor says of a MySQL: on every server, of accounts, tables, replicas and the way to it."""

from pathlib import Path

import pytest

from aggregation_pipeline.doctor.source import examine_source
from aggregation_pipeline_tests.doctor.conftest import found_by, new_shop
from aggregation_pipeline_tests.support.deployment import Deployment
from aggregation_pipeline_tests.support.servers.handles import MySQLServer


@pytest.mark.sample
def test_every_server_is_named_and_its_tables_are_looked_at(
    mysql: MySQLServer, dagster_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    shop = new_shop(mysql, dagster_database, tmp_path, monkeypatch)
    shop.enter(monkeypatch)
    found = found_by(examine_source)
    kind = {"seekdb": "seekdb", "mariadb": "MariaDB", "mysql56": "MySQL"}[mysql.name]
    assert f"answers: {kind}, version " in found["reach"].text
    assert found["snapshot"].status == "ok"
    assert found["grants"].status == "warning"
    assert found["time zone"].status == ("ok" if "named zones" in mysql.capabilities else "warning")
    assert found["tables.users"].status == "ok"
    assert found["tables.orders"].remedy == "CREATE INDEX ... ON orders (created_at)"
    assert found["tables.gone"].status == "failure"
    shop.execute("CREATE INDEX by_day ON orders (created_at)", "CREATE VIEW gone AS SELECT * FROM orders")
    found = found_by(examine_source)
    assert found["tables.orders"].text == "orders can be read, and an index begins with created_at"
    assert found["tables.gone"].status == "ok"


def test_an_index_that_begins_with_another_column_does_not_count_and_a_view_has_none(
    shop: Deployment, monkeypatch: pytest.MonkeyPatch
):
    shop.configure("""
        tables:
          orders: {partition: {column: created_at, every: day, start: 2026-01-01}}
          seen: {partition: {column: created_at, every: day, start: 2026-01-01}}
        """)
    shop.execute("CREATE INDEX other ON orders (id, created_at)", "CREATE VIEW seen AS SELECT * FROM orders")
    shop.enter(monkeypatch)
    found = found_by(examine_source)
    assert found["tables.orders"].status == "warning"
    assert "it is a view" in found["tables.seen"].text


def test_shards_are_looked_at_one_by_one(shop: Deployment, monkeypatch: pytest.MonkeyPatch):
    shop.configure("""
        tables:
          parts:
            table: part_{1..4}
            select_fields: [id]
            partition: {column: day, every: day, start: 2026-01-01}
          listed: {table: [part_2, part_3], select_fields: [id]}
          gone: {table: "part_{2..9}", select_fields: [id]}
        """)
    shop.execute(*(f"CREATE TABLE part_{n} (id INT PRIMARY KEY, day DATE, KEY (day))" for n in range(1, 5)))
    shop.enter(monkeypatch)
    found = found_by(examine_source)
    assert found["tables.parts"].text == (
        "part_{1..4} can be read: 4 shards, 2 columns, and an index of each begins with day"
    )
    assert found["tables.listed"].text == "part_2, part_3 leaves out part_1, part_4, which are there too"
    assert "there is no part_5, part_6, part_7, part_8, part_9, or DB_USER" in found["tables.gone"].text
    shop.execute("ALTER TABLE part_2 DROP KEY day", "ALTER TABLE part_4 DROP KEY day", "CREATE TABLE part_0 (id INT)")
    parts = found_by(examine_source)["tables.parts"]
    assert parts.text == (
        "no index of part_2, part_4 begins with day: each window reads all of that; part_{1..4} leaves out part_0,"
        " which is there too"
    )
    assert parts.remedy.startswith("CREATE INDEX ... ON part_2 (day) and so on; If they belong to it")


def test_rights_are_told_by_their_words_alone(shop: Deployment, monkeypatch: pytest.MonkeyPatch):
    shop.execute("CREATE OR REPLACE USER exporter IDENTIFIED BY 'canary'", "GRANT SELECT, SHOW VIEW ON *.* TO exporter")
    shop.enter(monkeypatch, DB_USER="exporter", DB_PASSWORD="canary")
    assert found_by(examine_source)["grants"].status == "ok"
    shop.execute(
        f"GRANT SELECT (id), UPDATE (id), DELETE ON {shop.database}.users TO exporter",
        f"GRANT INSERT ON {shop.database}.orders TO exporter WITH GRANT OPTION",
    )
    grants = found_by(examine_source)["grants"]
    assert grants.text == "the account can do more than read: DELETE, GRANT OPTION, INSERT, UPDATE"
    assert "GRANT SELECT ON" in grants.remedy


def test_a_replica_that_is_stopped_is_a_warning(shop: Deployment, monkeypatch: pytest.MonkeyPatch):
    shop.enter(monkeypatch)
    assert found_by(examine_source)["replica"].text == "the server is no replica"
    shop.execute("CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_USER = 'nobody'")
    try:
        assert "is a replica that is stopped" in found_by(examine_source)["replica"].text
    finally:
        shop.execute("RESET SLAVE ALL")
    shop.execute("CREATE OR REPLACE USER exporter", "GRANT SELECT ON *.* TO exporter")
    shop.enter(monkeypatch, DB_USER="exporter")
    assert found_by(examine_source)["replica"].text == "not known: the account may not ask (REPLICATION CLIENT)"


def test_encryption_is_told(shop: Deployment, monkeypatch: pytest.MonkeyPatch):
    address = {"DB_SOCKET": "", "DB_HOST": "127.0.0.1", "DB_PORT": str(shop.source.port)}
    shop.enter(monkeypatch, **address)
    assert found_by(examine_source)["TLS"].text.startswith("the connection is encrypted (")
    shop.enter(monkeypatch, **address, DB_SSL_MODE="DISABLED")
    assert "the server is on this machine" in found_by(examine_source)["TLS"].text


def test_a_login_that_is_refused_is_the_line_of_the_connection(shop: Deployment, monkeypatch: pytest.MonkeyPatch):
    shop.enter(monkeypatch, DB_SOCKET="", DB_HOST="127.0.0.1", DB_PORT=str(shop.source.port), DB_USER=shop.database)
    told = {
        "SELECT 1": "refused the login (error 1045): Access denied for user 'USER'. Check DB_USER and DB_PASSWORD, and",
        "CREATE USER {}@'127.0.0.1' ACCOUNT LOCK": "(error 4151): The account of user 'USER' is locked. Unlock it",
        "GRANT SELECT ON *.* TO {}@'127.0.0.1'": "(error 4151)",
        "ALTER USER {}@'127.0.0.1' ACCOUNT UNLOCK PASSWORD EXPIRE": "The password of user 'USER' has expired.",
    }
    for statement, words in told.items():
        shop.execute(statement.format(shop.database))
        found = found_by(examine_source)
        assert found.keys() == {"connection"}
        assert words.replace("USER", shop.database, 1) in found["connection"].text
    shop.execute(f"DROP USER {shop.database}@'127.0.0.1'")


def test_without_a_source_the_variables_are_named(shop: Deployment, monkeypatch: pytest.MonkeyPatch):
    shop.enter(monkeypatch, DB_SOCKET="", DB_USER="", DB_NAME="")
    assert found_by(examine_source)["DB_HOST"].remedy == "Set DB_HOST, DB_USER, DB_PASSWORD and DB_NAME"
