"""A warning about deprecated syntax is logged; any other fails the table."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.mysql.reader import read_extract
from aggregation_pipeline.source.mysql.row_protocol import RowStream
from aggregation_pipeline.source.mysql.session import Session, open_session
from aggregation_pipeline.source.mysql.warnings import check_warnings
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline_tests.support.reading import (
    LOGICAL_TIME,
    ZONE,
    Execute,
    Read,
    ignore_progress,
    options_for,
    rows_of,
    run_on,
)
from aggregation_pipeline_tests.support.servers.handles import MySQLServer


@pytest.fixture
def session(mysql: MySQLServer, database: str) -> Iterator[Session]:
    with open_session(options_for(mysql, database), logical_time=LOGICAL_TIME, zone=ZONE) as opened:
        yield opened


@pytest.fixture
def signalling(seekdb: MySQLServer) -> Iterator[Session]:
    """A session on a server whose functions can warn of anything: `SELECT warn_1287()`."""
    database = seekdb.fresh_database()
    for code, text in WARNINGS:
        body = f"BEGIN SIGNAL SQLSTATE '01000' SET MYSQL_ERRNO = {code}, MESSAGE_TEXT = \"{text}\"; RETURN 1; END"
        run_on(seekdb, database, [f"CREATE FUNCTION warn_{code}() RETURNS INT NO SQL {body}"])
    with open_session(options_for(seekdb, database), logical_time=LOGICAL_TIME, zone=ZONE) as opened:
        yield opened


def warn_or_raise(session: Session, sql: str) -> list[str]:
    """Run a statement, and return what is said of it."""
    said: list[str] = []
    stream = RowStream(session.driver_connection, sql)
    list(stream.blocks())
    check_warnings(session, stream.warnings, "detail", said.append)
    return said


# As MySQL 8 words them.
DEPRECATED = [
    (1287, "'&& as a synonym for AND' is deprecated and will be removed in a future release. Please use AND instead"),
    (1681, "Integer display width is deprecated and will be removed in a future release."),
    (
        3719,
        (
            "'utf8' is currently an alias for the character set UTF8MB3, but will be an alias for UTF8MB4 in a future"
            " release."
        ),
    ),
    (3778, "'utf8mb3_general_ci' is a collation of the deprecated character set UTF8MB3."),
    (
        4095,
        "Delimiter '/' in position 4 in datetime value '2026/01/01' at row 1 is deprecated. Prefer the standard '-'.",
    ),
    (
        4096,
        (
            "Delimiter ' ' in position 11 in datetime value '2026-01-01  ' at row 1 is superfluous and is deprecated."
            " Please remove."
        ),
    ),
    (
        3170,
        (
            "Memory capacity of 1024 bytes for 'range_optimizer_max_mem_size' exceeded. Range optimization was not done"
            " for this query."
        ),
    ),
]
SERIOUS = [
    (1260, "Row 1 was cut by GROUP_CONCAT()"),
    (1292, "Truncated incorrect DOUBLE value: 'secret'"),
    (1366, "Incorrect string value"),
    (1931, "Query execution was interrupted. The query result may be incomplete"),
    (3986, "Evaluating a JSON value in SQL boolean context does an implicit comparison against JSON integer 0"),
    (3963, "VALUES is deprecated and always NULL here"),
]
WARNINGS = [*DEPRECATED, *SERIOUS]


def test_deprecated_syntax_of_mysql_is_said_and_passes(signalling: Session):
    mysql8 = replace(signalling, server="8.4.3")
    for code, text in DEPRECATED:
        (said,) = warn_or_raise(mysql8, f"SELECT warn_{code}()")
        assert said.startswith(f"detail: the server says about the entry, or about a view that it reads: {code} ")
        assert said.endswith(". The result is right nevertheless.")
        assert "2026/01/01" not in said
        if code in (1287, 1681, 3719, 3778):
            assert text.rstrip(".") in said
    assert warn_or_raise(mysql8, "SELECT warn_1287() UNION ALL SELECT warn_1287()") == warn_or_raise(
        mysql8, "SELECT warn_1287()"
    )


def test_everything_else_stops_a_table_and_shows_no_value(signalling: Session):
    for code, _ in SERIOUS:
        with pytest.raises(
            SourceError, match=rf"detail: the server warned about the result.*: {code} .*Correct the expression"
        ) as caught:
            warn_or_raise(replace(signalling, server="8.4.3"), f"SELECT warn_{code}()")
        assert "secret" not in str(caught.value)
    with pytest.raises(SourceError, match="1292"):
        warn_or_raise(signalling, "SELECT warn_1287() UNION ALL SELECT warn_1292()")


def test_numbers_that_mean_other_things_on_other_servers_are_not_taken_for_mysqls(signalling: Session):
    for server in ("10.11.6-MariaDB", "5.7.25-OceanBase seekdb-v1.4.0.0", "8.0.11-TiDB-v7.5.0"):
        assert warn_or_raise(replace(signalling, server=server), "SELECT warn_1287()")
        for code in (3719, 4095, 3170):
            with pytest.raises(SourceError, match=f"{code} "):
                warn_or_raise(replace(signalling, server=server), f"SELECT warn_{code}()")


def test_a_deprecated_function_of_a_real_mysql_goes_to_the_log(mysql56: MySQLServer, tmp_path: Path):
    database = mysql56.fresh_database()
    run_on(mysql56, database, ["CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1), (2)"])
    entry = TableEntry(name="t", select_fields=["id", {"expr": "OLD_PASSWORD('a')", "alias": "p"}])
    said: list[str] = []
    extract = read_extract(
        ReadRequest(entry, "w", LOGICAL_TIME, ZONE),
        options_for(mysql56, database),
        tmp_path,
        ignore_progress,
        said.append,
    )
    assert extract.datasets[0].rows == 2
    (words,) = said
    assert words == (
        "detail: the server says about the entry, or about a view that it reads: 1287 'OLD_PASSWORD' is deprecated"
        " and will be removed in a future release. Please use PASSWORD instead. The result is right nevertheless."
    )


def test_a_result_that_mariadb_calls_incomplete_stops_the_table(mariadb: MySQLServer):
    database = mariadb.fresh_database()
    run_on(mariadb, database, ["CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t SELECT seq FROM seq_1_to_1000"])
    with (
        open_session(options_for(mariadb, database), logical_time=LOGICAL_TIME, zone=ZONE) as session,
        pytest.raises(SourceError, match=r"1931 .*result may be incomplete"),
    ):
        warn_or_raise(session, "SELECT id FROM t WHERE id > 0 LIMIT ROWS EXAMINED 10")


def test_notes_pass_unless_they_tell_of_another_value(mariadb: MySQLServer):
    database = mariadb.fresh_database()
    with open_session(options_for(mariadb, database), logical_time=LOGICAL_TIME, zone=ZONE) as session:
        assert warn_or_raise(session, "SELECT CAST('12 ' AS SIGNED)") == []
        with pytest.raises(SourceError, match="1916 Got overflow when converting"):
            warn_or_raise(session, "SELECT CAST(1e30 AS SIGNED)")
        with pytest.raises(SourceError, match="1105 An expression failed on some row"):
            warn_or_raise(session, "SELECT CAST(-1 AS UNSIGNED)")


@pytest.mark.parametrize("name", ["mariadb", pytest.param("mysql56", marks=pytest.mark.sample)])
def test_warnings_that_are_counted_and_not_listed_stop_the_table(name: str, request: pytest.FixtureRequest):
    server: MySQLServer = request.getfixturevalue(name)
    database = server.fresh_database()
    with open_session(options_for(server, database), logical_time=LOGICAL_TIME, zone=ZONE) as session:
        session.driver_connection.query("SET SESSION max_error_count = 0")
        with pytest.raises(
            SourceError, match=r"1 or more that the server counted and does not list \(see its max_error_count\)"
        ):
            warn_or_raise(session, "SELECT 1 + 'x'")


@pytest.mark.sample
def test_a_warning_of_the_probe_or_of_the_count_stops_the_table_too(read: Read, execute: Execute, session: Session):
    execute("CREATE TABLE t (id INT PRIMARY KEY, s VARCHAR(10))")
    execute("INSERT INTO t VALUES (1, '1'), (2, '2x')")
    for where in ("s + 0 > 1", "s = 2"):
        with pytest.raises(SourceError, match=r"detail: the server warned about the result.*1292"):
            read(name="t", select_fields=["id"], where=where)
    with pytest.raises(SourceError, match=r"summary: the server warned about the result.*1292"):
        read(name="t", aggregations=[{"expr": "COUNT(*) + '1x'", "alias": "n"}], where="1 = 0")


def test_a_valid_reading_says_nothing(read: Read, execute: Execute):
    execute("CREATE TABLE t (id INT PRIMARY KEY)")
    execute("INSERT INTO t VALUES (1)")
    assert rows_of(read(name="t", select_fields=["id"], where="id = 1 AND NOT id = 2")) == [{"id": 1}]
