"""An entry is read completely into the extract, or not at all."""

import dataclasses
import datetime as dt
import re
import socket
import threading
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError, SourceLostError
from aggregation_pipeline.extract import Extract
from aggregation_pipeline.source.mysql.reader import read_extract
from aggregation_pipeline.source.mysql.session import open_session
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline_tests.support.reading import (
    LOGICAL_TIME,
    ZONE,
    Execute,
    Read,
    ignore_progress,
    options_for,
    rows_of,
)
from aggregation_pipeline_tests.support.servers.handles import MySQLServer


def test_zero_dates_become_null_and_are_counted_or_stay_text_or_stop_the_table(mariadb: MySQLServer, tmp_path: Path):
    database = mariadb.fresh_database()
    with mariadb.connect(database=database) as connection, connection.cursor() as cursor:
        cursor.execute("SET sql_mode = ''")
        cursor.execute("CREATE TABLE t (id INT PRIMARY KEY, d DATE, m DATETIME)")
        cursor.execute(
            "INSERT INTO t VALUES (1, '0000-00-00', '0000-00-00 00:00:00'), (2, '2026-00-10', '2026-01-02 03:04:05'),"
            " (3, '2026-01-02', NULL)"
        )

    def read(policy: Any) -> Extract:
        request = ReadRequest(TableEntry(name="t", select_fields=["*"]), "w", LOGICAL_TIME, ZONE, policy)
        return read_extract(request, options_for(mariadb, database), tmp_path, ignore_progress)

    extract = read("null")
    assert [row["d"] for row in rows_of(extract)] == [None, None, dt.date(2026, 1, 2)]
    assert extract.datasets[0].zero_dates == {"d": 2, "m": 1}
    assert [row["d"] for row in rows_of(read("text"))] == ["0000-00-00", "2026-00-10", "2026-01-02"]
    with pytest.raises(SourceError, match=r"'d' holds dates .*zeroDates"):
        read("error")


@pytest.mark.slow
def test_a_row_of_several_packets_is_put_together(mariadb: MySQLServer, tmp_path: Path):
    with mariadb.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET GLOBAL max_allowed_packet = 67108864")
    sizes = [5, 0xFFFFFF - 9, 0xFFFFFF, 0x1FFFFFE + 3, 7]
    database = mariadb.fresh_database()
    with mariadb.connect(database=database) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id INT PRIMARY KEY, b LONGTEXT)")
        for number, size in enumerate(sizes):
            cursor.execute(f"INSERT INTO t VALUES ({number}, REPEAT('z', {size}))")
    request = ReadRequest(TableEntry(name="t", select_fields=["b"]), "w", LOGICAL_TIME, ZONE)
    rows = rows_of(read_extract(request, options_for(mariadb, database), tmp_path, ignore_progress))
    assert [len(row["b"]) for row in rows] == sizes
    assert all(set(row["b"]) == {"z"} for row in rows)


def test_both_datasets_show_one_moment_while_somebody_writes(
    mysql: MySQLServer, database: str, execute: Execute, read: Read
):
    execute("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, g INT)")
    execute("INSERT INTO t (g) VALUES (1), (1), (2)")
    if mysql.name == "mariadb":
        with mysql.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT @@global.tx_isolation")
            assert cursor.fetchone() == ("READ-COMMITTED",)

    def meanwhile(_dataset: str, _done: int, _total: int | None) -> None:
        execute(["INSERT INTO t (g) VALUES (3)", "DELETE FROM t WHERE g = 1 LIMIT 1"])

    extract = read(
        progress=meanwhile,
        name="t",
        groupBy=["g"],
        aggregations=[{"function": "COUNT", "alias": "n"}],
        selectFields=["id", "g"],
    )
    assert extract.consistency == "snapshot"
    assert rows_of(extract, "summary") == [{"g": 1, "n": 2}, {"g": 2, "n": 1}]
    assert [row["g"] for row in rows_of(extract)] == [1, 1, 2]


def test_now_is_the_logical_time_in_the_configured_zone(mysql: MySQLServer, execute: Execute, read: Read):
    execute("CREATE TABLE t (id INT PRIMARY KEY)")
    execute("INSERT INTO t VALUES (1)")
    fields = [{"expr": "NOW()", "alias": "now"}, {"expr": "CURDATE()", "alias": "today"}]
    extract = read(
        name="t", aggregations=[field | {"expr": f"MAX({field['expr']})"} for field in fields], select_fields=fields
    )
    expected: dict[str, Any] = {"now": dt.datetime.fromisoformat("2026-11-21T02:00"), "today": dt.date(2026, 11, 21)}
    assert rows_of(extract) == [expected]
    # MySQL 5.6 declares the greatest of constants as text.
    if mysql.name == "mysql56":
        expected = {name: str(value) for name, value in expected.items()}
    assert rows_of(extract, "summary") == [expected]


def test_a_limit_says_exactly_whether_it_cut(execute: Execute, read: Read):
    execute("CREATE TABLE t (id INT PRIMARY KEY)")
    execute("INSERT INTO t VALUES (1), (2), (3)")
    exact = read(name="t", selectFields=["id"], limit=3)
    assert ([row["id"] for row in rows_of(exact)], exact.datasets[0].truncated) == ([1, 2, 3], False)
    cut = read(name="t", selectFields=["id"], groupBy=["id"], limit=2)
    assert [[row["id"] for row in rows_of(cut, name)] for name in ("summary", "detail")] == [[1, 2], [1, 2]]
    assert [dataset.truncated for dataset in cut.datasets] == [True, True]


def test_percent_signs_and_colons_in_sql_go_out_unharmed(execute: Execute, read: Read):
    execute("CREATE TABLE t (id INT PRIMARY KEY, s VARCHAR(20))")
    execute("INSERT INTO t VALUES (1, '50%'), (2, ':x')")
    extract = read(
        name="t",
        selectFields=["s", {"expr": "DATE_FORMAT('2026-01-02 03:04:05', '%H:%i %s :x')", "alias": "f"}],
        where="s LIKE '%\\%'",
    )
    assert rows_of(extract) == [{"s": "50%", "f": "03:04 05 :x"}]


def test_a_long_group_concat_is_whole(execute: Execute, read: Read):
    execute("CREATE TABLE t (id INT PRIMARY KEY, s VARCHAR(100))")
    execute("INSERT INTO t VALUES " + ", ".join(f"({n}, '{str(n).zfill(50)}')" for n in range(100)))
    extract = read(name="t", aggregations=[{"function": "GROUP_CONCAT", "field": "s", "alias": "all"}])
    assert rows_of(extract, "summary")[0]["all"] == ",".join(str(n).zfill(50) for n in range(100))


def test_a_warning_of_the_server_fails_the_table_without_showing_the_value(
    execute: Execute, read: Read, tmp_path: Path
):
    execute("CREATE TABLE t (id INT PRIMARY KEY, s VARCHAR(100))")
    execute("INSERT INTO t VALUES (1, 'li@example.com')")
    with pytest.raises(SourceError, match="the server warned about the result") as caught:
        read(name="t", selectFields=[{"expr": "CAST(s AS SIGNED)", "alias": "n"}])
    assert "1292" in str(caught.value)
    assert "li@example.com" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_dropped_column_is_named_with_the_remedy(execute: Execute, read: Read):
    execute("CREATE TABLE t (id INT PRIMARY KEY)")
    with pytest.raises(SourceError, match=r"1054.*gone.*compare the entry with SHOW COLUMNS") as caught:
        read(name="t", selectFields=["gone"])
    assert not caught.value.retryable


def test_a_missing_table_is_named(read: Read):
    with pytest.raises(SourceError, match=r"1146.*nowhere.*`table` and DB_NAME"):
        read(name="nowhere", selectFields=["id"])


def test_a_table_without_a_key_and_a_view_are_read_unordered_and_say_so(execute: Execute, read: Read):
    execute("CREATE TABLE t (id INT)")
    execute("INSERT INTO t VALUES (1)")
    execute("CREATE VIEW v AS SELECT * FROM t")
    for name in ("t", "v"):
        extract = read(name=name, selectFields=["id"])
        assert (extract.datasets[0].order, rows_of(extract)) == ("none", [{"id": 1}])


def test_an_empty_table_has_columns_and_no_rows(execute: Execute, read: Read):
    execute("CREATE TABLE t (id INT PRIMARY KEY, d DECIMAL(5,1))")
    extract = read(name="t", groupBy=["d"], aggregations=[{"function": "COUNT", "alias": "n"}], selectFields=["*"])
    assert [(dataset.rows, dataset.schema.names) for dataset in extract.datasets] == [(0, ["d", "n"]), (0, ["id", "d"])]
    assert pq.read_metadata(extract.datasets[1].path).num_rows == 0


def test_the_session_cannot_write(mysql: MySQLServer, database: str, execute: Execute):
    execute("CREATE TABLE t (id INT PRIMARY KEY)")
    for statement in ("INSERT INTO t VALUES (1)", "DELETE FROM t"):
        with (
            pytest.raises(SourceError, match="read"),
            open_session(options_for(mysql, database), logical_time=LOGICAL_TIME, zone=ZONE) as session,
        ):
            session.row(statement)[0]
    with mysql.connect(database=database) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM t")
        assert cursor.fetchone() == (0,)


def test_rows_come_the_same_over_tls_which_is_taken_where_the_server_has_it(mariadb: MySQLServer, tmp_path: Path):
    database = mariadb.fresh_database()
    with mariadb.connect(database=database) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id INT PRIMARY KEY, s VARCHAR(100))")
        cursor.execute("INSERT INTO t SELECT seq, CONCAT('行 ', seq) FROM seq_1_to_200000")
    by_socket = options_for(mariadb, database)
    by_tcp = dataclasses.replace(by_socket, socket=None, host=mariadb.host, port=mariadb.port or 0)
    with open_session(by_tcp, logical_time=LOGICAL_TIME, zone=ZONE) as session:
        assert session.rows("SHOW STATUS LIKE 'Ssl_version'")[1] == [("Ssl_version", "TLSv1.3")]
    entry = TableEntry.model_validate({"name": "t", "select_fields": ["*"]})
    found: list[bytes] = []
    for options in (by_socket, by_tcp):
        directory = tmp_path / str(len(found))
        directory.mkdir()
        extract = read_extract(ReadRequest(entry, "w", LOGICAL_TIME, ZONE), options, directory, ignore_progress)
        found.append(extract.datasets[0].path.read_bytes())
    assert found[0] == found[1]


def test_a_connection_cut_in_mid_stream_leaves_a_retryable_error_and_no_file(
    mysql: MySQLServer, database: str, execute: Execute, read: Read, tmp_path: Path
):
    execute("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, s VARCHAR(1000))")
    execute("INSERT INTO t (s) VALUES (REPEAT('x', 1000))")
    for _ in range(16):
        execute("INSERT INTO t (s) SELECT s FROM t")
    killers: list[threading.Thread] = []

    def kill() -> None:
        with mysql.connect(database=None) as connection, connection.cursor() as cursor:
            cursor.execute("SHOW PROCESSLIST")
            places = [column[0].lower() for column in cursor.description]
            for row in cursor.fetchall():
                process = dict(zip(places, row, strict=True))
                if process["db"] == database:
                    cursor.execute(f"KILL {process['id']}")

    def cut(dataset: str, done: int, _total: int | None) -> None:
        # From a thread of its own: seekdb's KILL returns only when the killed statement has noticed.
        if dataset == "detail" and done and not killers:
            killers.append(threading.Thread(target=kill))
            killers[0].start()

    with pytest.raises(SourceLostError, match=r"went away|connection broke|was killed") as caught:
        read(progress=cut, name="t", groupBy=["id"], selectFields=["*"])
    killers[0].join(30)
    assert caught.value.retryable
    assert re.search("nothing was published", str(caught.value))
    assert not list(tmp_path.iterdir())


def test_nobody_listening_is_a_retryable_error_that_says_where():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    nowhere = SourceOptions(database="x", user="root", password=SecretStr("secret-word"), host="127.0.0.1", port=port)
    with (
        pytest.raises(SourceLostError, match=f"127.0.0.1:{port}: no server answers there") as caught,
        open_session(nowhere, logical_time=LOGICAL_TIME, zone=ZONE),
    ):
        pass
    assert caught.value.retryable
    assert "secret-word" not in str(caught.value)
