"""The servers that all other tests use behave as those tests expect."""

import datetime as dt
import zoneinfo

import psycopg2
import pytest
import sqlalchemy

from aggregation_pipeline_tests.support.servers.handles import MySQLServer, PostgresServer


@pytest.mark.sample
def test_a_mysql_server_keeps_chinese_and_emoji_and_reads_committed_by_default(mysql: MySQLServer):
    name = mysql.fresh_database()
    with mysql.connect(database=name) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id INT PRIMARY KEY, s VARCHAR(20)) DEFAULT CHARSET utf8mb4")
        cursor.execute("INSERT INTO t VALUES (1, '汇总🎉')")
        cursor.execute("SELECT s FROM t")
        assert cursor.fetchall() == (("汇总🎉",),)
        cursor.execute("SELECT @@tx_isolation")
        assert cursor.fetchall() == (("READ-COMMITTED",),)


def test_mariadb_listens_on_loopback_too(mariadb: MySQLServer):
    with mariadb.connect(unix_socket=None, host=mariadb.host, port=mariadb.port) as connection:
        assert "127.0.0.1" in connection.host_info


def test_the_postgres_server_is_in_shanghai_and_every_url_speaks_utc(postgres: PostgresServer):
    with sqlalchemy.create_engine(postgres.fresh_database()).connect() as connection:
        assert connection.exec_driver_sql("SHOW timezone").scalar() == "UTC"
        connection.exec_driver_sql("RESET ALL")
    plain = psycopg2.connect(host=str(postgres.server.socket_folder), user="postgres")
    with plain.cursor() as cursor:
        cursor.execute("SHOW timezone")
        assert cursor.fetchone() == ("Asia/Shanghai",)
    plain.close()


@pytest.mark.sample
def test_a_mysql_server_says_itself_what_it_has(mysql: MySQLServer):
    everything = {
        "json",
        "window functions",
        "common table expressions",
        "statement timeout",
        "named zones",
        "legacy character sets",
    }
    lacking = {
        "seekdb": {"named zones", "legacy character sets"},
        "mariadb": set(),
        "mysql56": {"json", "window functions", "common table expressions", "statement timeout"},
    }
    assert mysql.capabilities == everything - lacking[mysql.name]


def test_oracles_mysql_lets_nobody_in_without_a_name(mysql56: MySQLServer):
    with mysql56.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*), SUM(user = '') FROM mysql.user")
        assert cursor.fetchall() == ((4, 0),)
        cursor.execute("SELECT @@version, @@version_comment")
        assert cursor.fetchall() == (("5.6.24", "MySQL Community Server (GPL)"),)


@pytest.mark.parametrize("server", ["mariadb", "mysql56"])
def test_zone_tables_turn_instants_into_the_clock_that_python_shows(server: str, request: pytest.FixtureRequest):
    """A server that lacks one refuses its name."""
    handle: MySQLServer = request.getfixturevalue(server)
    moments = [0, 577_000_000, 1_000_000_000, 1_753_000_000, 1_763_000_000, 2_130_000_000]
    with handle.connect() as connection, connection.cursor() as cursor:
        for name in sorted(zoneinfo.available_timezones() - {"localtime", "Factory"}):
            cursor.execute(f"SET time_zone = '{name}'")
            cursor.execute("SELECT " + ", ".join(f"CAST(FROM_UNIXTIME({moment}) AS CHAR)" for moment in moments))
            zone = zoneinfo.ZoneInfo(name)
            expected = tuple(f"{dt.datetime.fromtimestamp(moment, zone):%Y-%m-%d %H:%M:%S}" for moment in moments)
            assert cursor.fetchone() == expected, name
