"""Every type arrives in the extract as it is in the database."""

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.source.mysql.reader import read_extract
from aggregation_pipeline.source.mysql.session import open_session
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

# Column type, and a literal at each end; None for the literal means NULL.
EXTREMES: dict[str, tuple[str, list[str]]] = {
    "tiny_1": ("TINYINT(1)", ["-128", "127", "0"]),
    "tiny_u": ("TINYINT UNSIGNED", ["0", "255"]),
    "small": ("SMALLINT", ["-32768", "32767"]),
    "medium": ("MEDIUMINT UNSIGNED", ["0", "16777215"]),
    "plain": ("INT", ["-2147483648", "2147483647"]),
    "big": ("BIGINT", ["-9223372036854775808", "9223372036854775807"]),
    "big_u": ("BIGINT UNSIGNED", ["0", "18446744073709551615"]),
    "money": ("DECIMAL(10,2)", ["-99999999.99", "0.01"]),
    "widest": ("DECIMAL(65,30)", ["-" + "9" * 35 + "." + "9" * 30, "0." + "0" * 29 + "1"]),
    "whole": ("DECIMAL(38,0)", ["9" * 38, "-" + "9" * 38]),
    "double_": ("DOUBLE", ["0.1", "1.7976931348623157e308", "-2.2250738585072014e-308", "1e22"]),
    "day": ("DATE", ["'1000-01-01'", "'9999-12-31'", "'2024-02-29'"]),
    "moment": ("DATETIME", ["'1000-01-01 00:00:00'", "'9999-12-31 23:59:59'"]),
    "micro": ("DATETIME(6)", ["'2026-11-20 14:00:00.123456'", "'1969-12-31 23:59:59.999999'"]),
    "text_": ("VARCHAR(200)", ["''", "'你好，世界😀'", r"'a\0b\nc\rd\te\"f''g,h;i'", "'" + "长" * 200 + "'"]),
    "long_": ("LONGTEXT", ["REPEAT('很', 30000)", "REPEAT('x', 251)", "REPEAT('x', 250)", "REPEAT('y', 65536)"]),
    "bytes_": ("VARBINARY(300)", ["x''", "x'00ff1a0d0a'", "REPEAT(x'fe', 255)"]),
    "blob_": ("LONGBLOB", ["x'00'", "REPEAT(x'ff', 70000)"]),
    "choice": ("ENUM('a','贰','')", ["'贰'", "''"]),
    "year_": ("YEAR", ["1901", "2155"]),
    "SELECT": ("INT", ["1"]),
    "列 名.点": ("VARCHAR(10)", ["'x'"]),
}


def test_every_type_arrives_as_an_independent_client_sees_it(
    mysql: MySQLServer, database: str, execute: Execute, read: Read
):
    columns = ", ".join(f"`{name}` {kind}" for name, (kind, _) in EXTREMES.items())
    execute(f"CREATE TABLE t (id INT PRIMARY KEY, {columns})")
    height = max(len(literals) for _, literals in EXTREMES.values())
    for row in range(height + 1):
        cells = [literals[row] if row < len(literals) else "NULL" for _, literals in EXTREMES.values()]
        execute(f"INSERT INTO t VALUES ({row}, {', '.join(cells)})")
    with mysql.connect(database=database) as connection, connection.cursor() as cursor:
        cursor.execute("SET time_zone = '+08:00'")
        cursor.execute("SELECT * FROM t ORDER BY id")
        expected = [dict(zip(["id", *EXTREMES], row, strict=True)) for row in cursor.fetchall()]
    assert rows_of(read(name="t", selectFields=["*"])) == expected
    assert expected[height] == {"id": height} | dict.fromkeys(EXTREMES)


def test_types_that_clients_disagree_about_arrive_exactly(mysql: MySQLServer, execute: Execute, read: Read):
    json = "JSON" if "json" in mysql.capabilities else "LONGTEXT"
    execute(
        "CREATE TABLE t (id INT PRIMARY KEY, b1 BIT(1), b13 BIT(13), b64 BIT(64), ti TIME, tf TIME(3),"
        f" stamp TIMESTAMP(3) NULL, js {json}, fl FLOAT)"
    )
    execute(
        [
            "SET time_zone = '+00:00'",
            """INSERT INTO t VALUES (1, b'1', b'1000000000001', ~0, '-838:59:59', '838:59:58.999',
                '2026-11-20 06:00:00.5', '{"键": [1, 2]}', 0.5)""",
            "INSERT INTO t VALUES (2, b'0', b'0', 0, '00:00:00', '-00:00:00.001', '2038-01-19 03:14:07', 'null', -2)",
            "INSERT INTO t (id) VALUES (3)",
        ]
    )
    extract = read(name="t", selectFields=["*"])
    one, two, empty = rows_of(extract)
    assert (one["b1"], one["b13"], one["b64"]) == (1, 4097, 2**64 - 1)
    assert (two["b1"], two["b13"], two["b64"]) == (0, 0, 0)
    assert (one["ti"], one["tf"], two["tf"]) == ("-838:59:59", "838:59:58.999", "-00:00:00.001")
    assert one["stamp"] == dt.datetime(2026, 11, 20, 6, 0, 0, 500000, dt.UTC)
    assert two["stamp"] == dt.datetime(2038, 1, 19, 3, 14, 7, tzinfo=dt.UTC)
    assert str(extract.datasets[0].schema.field("stamp").type) == "timestamp[us, tz=Asia/Shanghai]"
    assert one["js"].replace(" ", "") == '{"键":[1,2]}'
    assert two["js"] == "null"
    assert (one["fl"], two["fl"]) == (0.5, -2.0)
    assert empty == {"id": 3} | dict.fromkeys(["b1", "b13", "b64", "ti", "tf", "stamp", "js", "fl"])


def test_text_of_other_character_sets_arrives_as_unicode(mariadb: MySQLServer, tmp_path: Path):
    database = mariadb.fresh_database()
    with mariadb.connect(database=database) as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE t (id INT PRIMARY KEY, g VARCHAR(20) CHARACTER SET gbk, l TEXT CHARACTER SET latin1)"
        )
        cursor.execute("INSERT INTO t VALUES (1, '中文', 'café ÿ')")
    with open_session(options_for(mariadb, database), logical_time=LOGICAL_TIME, zone=ZONE) as session:
        assert (session.row("SELECT g FROM t")[0], session.row("SELECT l FROM t")[0]) == ("中文", "café ÿ")
    assert not list(tmp_path.iterdir())


def test_aggregates_keep_their_digits(execute: Execute, read: Read):
    execute("CREATE TABLE t (id BIGINT PRIMARY KEY, d DECIMAL(30,10), g VARCHAR(10))")
    execute(
        "INSERT INTO t VALUES (1, 12345678901234567890.0123456789, 'a'), (2, 0.0000000001, 'a'), (9007199254740993,"
        " NULL, 'b')"
    )
    extract = read(
        name="t",
        groupBy=["g"],
        aggregations=[
            {"function": "SUM", "field": "d", "alias": "s"},
            {"function": "MAX", "field": "id", "alias": "m"},
            {"function": "COUNT"},
        ],
    )
    assert [tuple(row.values()) for row in rows_of(extract, "summary")] == [
        ("a", Decimal("12345678901234567890.0123456790"), 2, 2),
        ("b", None, 9007199254740993, 1),
    ]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(
            st.none() | st.binary(max_size=300) | st.integers(250, 70_000).map(lambda n: b"\xfe" * n),
            st.none() | st.text(st.characters(codec="utf-8"), max_size=300),
            st.none() | st.integers(-(2**63), 2**63 - 1),
        ),
        max_size=40,
    )
)
def test_any_rows_come_back_as_they_were_written(mariadb: MySQLServer, tmp_path: Path, rows: list[tuple[Any, ...]]):
    database = "roundtrip"
    with mariadb.connect(database=None) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE OR REPLACE DATABASE roundtrip CHARACTER SET utf8mb4")
        cursor.execute(
            "CREATE TABLE roundtrip.t (id INT PRIMARY KEY, b LONGBLOB, s LONGTEXT COLLATE utf8mb4_bin, n BIGINT)"
        )
        for number, row in enumerate(rows):
            cursor.execute("INSERT INTO roundtrip.t VALUES (%s, %s, %s, %s)", (number, *row))
    request = ReadRequest(TableEntry(name="t", select_fields=["b", "s", "n"]), "w", LOGICAL_TIME, ZONE)
    extract = read_extract(request, options_for(mariadb, database), tmp_path, ignore_progress)
    assert [tuple(row.values()) for row in rows_of(extract)] == rows
