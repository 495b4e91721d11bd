"""What the doctor says of a real replica: that it follows, that it is behind, that it has stopped."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aggregation_pipeline.doctor.source import examine_source
from aggregation_pipeline.source.findings import Finding
from aggregation_pipeline_tests.doctor.conftest import found_by, new_shop
from aggregation_pipeline_tests.support.servers.handles import MySQLServer
from aggregation_pipeline_tests.support.servers.mariadb import start_mariadb
from aggregation_pipeline_tests.support.servers.missing import missing
from aggregation_pipeline_tests.support.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@contextmanager
def server(home: Path, number: int) -> Iterator[MySQLServer]:
    options = [f"--server-id={number}", "--log-bin=changes", "--binlog-format=ROW"]
    try:
        started = start_mariadb(home, options=options)
    except FileNotFoundError as error:
        missing(str(error))
    pid = started.child.pid
    try:
        yield MySQLServer("mariadb", str(started.socket), "127.0.0.1", started.port, "root", "", "mysql", pid)
    finally:
        started.child.popen.kill()
        started.stop()


def execute(where: MySQLServer, *statements: str) -> None:
    with where.connect() as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def tables(where: MySQLServer, name: str) -> int:
    with where.connect() as connection, connection.cursor() as cursor:
        return int(cursor.execute("SELECT 1 FROM information_schema.tables WHERE table_schema = %s", (name,)))


def test_a_replica_that_follows_falls_behind_and_stops(
    server_folder: Path, dagster_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with server(server_folder / "primary", 1) as primary, server(server_folder / "replica", 2) as replica:
        execute(primary, "CREATE USER follower IDENTIFIED BY 'follows'", "GRANT REPLICATION SLAVE ON *.* TO follower")
        execute(
            replica,
            f"CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {primary.port}, MASTER_USER = 'follower',"
            " MASTER_PASSWORD = 'follows', MASTER_USE_GTID = slave_pos",
            "START SLAVE",
        )
        shop = new_shop(primary, dagster_database, tmp_path, monkeypatch)
        until("its tables at the replica", lambda: tables(replica, shop.database))
        shop.enter(monkeypatch, DB_SOCKET=replica.unix_socket)

        def said(words: str) -> Finding | None:
            found = found_by(examine_source).get("replica")
            return found if found is not None and words in found.text else None

        followed = until("the replica to follow", lambda: said("is a replica, 0 s behind"))
        assert followed.status == "ok"
        with replica.connect(database=shop.database) as reader, reader.cursor() as cursor:
            cursor.execute("LOCK TABLES users READ")
            shop.execute("SET timestamp = UNIX_TIMESTAMP() - 5000", "INSERT INTO users VALUES (1)")
            behind = until("the replica to be behind", lambda: said("files would show old data"))
            assert behind.status == "warning"
            assert "s behind: files would show old data" in behind.text
            assert behind.remedy == "Let it catch up, or read from the primary"
        until("the replica to catch up", lambda: said("is a replica, 0 s behind"))
        execute(replica, "STOP SLAVE SQL_THREAD")
        assert said("is stopped: files would show old data") is not None
