"""The servers that all other tests rely on are what they claim to be."""

import psycopg2
import sqlalchemy

from aggregation_pipeline_tests.servers.handles import MySQLServer, PostgresServer


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
