"""Every type of PostgreSQL, read and rendered, against what an independent client says of the same cells."""

import csv
import json
from datetime import date, datetime
from decimal import Decimal
from math import isnan
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import psycopg2
import pyarrow as pa
import pytest

from aggregation_pipeline.config.options import FormatOptions
from aggregation_pipeline.extract import Extract
from aggregation_pipeline.formats.registry import render
from aggregation_pipeline_tests.source.postgresql.every_type import AS_TEXT, NATIVE, PRELUDE, create_table
from aggregation_pipeline_tests.support.reading import ZONE, Execute, Read, rows_of

# Every one of them in one table of its own; only the first test makes them.
TABLES = {"native_types": NATIVE, "text_types": AS_TEXT}


@pytest.fixture(scope="module")
def filled(client: "psycopg2.extensions.connection") -> None:
    with client.cursor() as cursor:
        for statement in (*PRELUDE, *(each for name, types in TABLES.items() for each in create_table(name, types))):
            cursor.execute(statement)


def as_text(client: "psycopg2.extensions.connection", table: str, names: list[str]) -> list[dict[str, Any]]:
    """The cells as the server's own text, by psycopg2."""
    with client.cursor() as cursor:
        cursor.execute("SET TimeZone = 'Asia/Shanghai'")
        cursor.execute(f"SELECT {', '.join(f'{name}::text' for name in names)} FROM {table} ORDER BY id")
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def values_of(client: "psycopg2.extensions.connection", table: str, names: list[str]) -> list[dict[str, Any]]:
    """The cells as psycopg2 reads them."""
    with client.cursor() as cursor:
        cursor.execute("SET TimeZone = 'Asia/Shanghai'")
        cursor.execute(f"SELECT {', '.join(names)} FROM {table} ORDER BY id")
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def files_of(extract: Extract, folder: Path) -> dict[str, Path]:
    folder.mkdir(exist_ok=True)
    return {
        name: render(name, extract, folder, FormatOptions())[-1].path for name in ("json", "csv", "excel", "parquet")
    }


def test_what_comes_as_text_is_what_the_server_writes_in_all_formats(
    filled: None, client: "psycopg2.extensions.connection", read: Read, tmp_path: Path
):
    names = [name for name, *_ in AS_TEXT]
    extract = read(name="text_types", select_fields=["*"])
    expected = as_text(client, "text_types", names)
    assert [{name: row[name] for name in names} for row in rows_of(extract)] == expected
    files = files_of(extract, tmp_path / "out")
    in_json = json.loads(files["json"].read_text())["detail"]
    assert [{name: row[name] for name in names} for row in in_json] == expected
    with files["csv"].open(encoding="utf-8-sig", newline="") as lines:
        in_csv = list(csv.DictReader(lines))
    for written, row in zip(in_csv, expected, strict=True):
        for name in names:
            # What looks like a formula gets a quote before it, and NULL is nothing.
            assert written[name] in (row[name] or "", f"'{row[name]}"), (name, written[name], row[name])
    in_parquet = duckdb.execute(f"SELECT {', '.join(names)} FROM '{files['parquet']}' ORDER BY id").fetchall()
    assert [dict(zip(names, row, strict=True)) for row in in_parquet] == expected
    head, *rows = openpyxl.load_workbook(files["excel"])["detail"].iter_rows(values_only=True)
    in_excel = [dict(zip(map(str, head), row, strict=True)) for row in rows]
    assert [{name: row[name] or "" for name in names} for row in in_excel] == [
        {name: row[name] or "" for name in names} for row in expected
    ]


def test_what_has_a_type_of_its_own_is_what_another_client_reads(
    filled: None, client: "psycopg2.extensions.connection", read: Read, tmp_path: Path
):
    names = [name for name, *_ in NATIVE]
    extract = read(name="native_types", select_fields=["*"])
    schema = extract.datasets[-1].schema
    assert {name: str(schema.field(name).type) for name in names} == {
        "boolean_": "bool",
        "smallint_": "int16",
        "integer_": "int32",
        "bigint_": "int64",
        "oid_": "uint32",
        "real_": "float",
        "double_": "double",
        "numeric_10_2": "decimal128(10, 2)",
        "numeric_76": "decimal256(76, 10)",
        "numeric_negative": "decimal128(5, 0)",
        "numeric_small": "decimal128(5, 5)",
        "domain_numeric": "decimal128(12, 3)",
        **dict.fromkeys(["text_", "varchar_", "char_", "domain_text"], "string"),
        "bytea_": "binary",
        "date_": "date32[day]",
        "timestamp_": "timestamp[us]",
        "timestamp_3": "timestamp[us]",
        "timestamptz_": "timestamp[us, tz=Asia/Shanghai]",
    }
    expected = values_of(client, "native_types", names)
    for ours, theirs in zip(rows_of(extract), expected, strict=True):
        for name in names:
            assert same(ours[name], theirs[name]), (name, ours[name], theirs[name])
    files = files_of(extract, tmp_path / "out")
    in_json = json.loads(files["json"].read_text(), parse_constant=pytest.fail)["detail"]
    texts = as_text(client, "native_types", names)
    for written, text, value in zip(in_json, texts, expected, strict=True):
        for name in names:
            assert same_in_json(written[name], value[name], text[name]), (name, written[name], text[name])
    in_parquet = duckdb.execute(f"SELECT {', '.join(names)} FROM '{files['parquet']}' ORDER BY id").fetchall()
    for row, theirs in zip(in_parquet, expected, strict=True):
        for name, value in zip(names, row, strict=True):
            if name != "numeric_76":  # text in Parquet: most readers end at 38 digits
                assert same(value, theirs[name]), (name, value, theirs[name])


def same(ours: Any, theirs: Any) -> bool:
    if isinstance(theirs, memoryview):
        return bytes(ours) == bytes(theirs)
    if isinstance(theirs, float) and isnan(theirs):
        return isnan(ours)
    if isinstance(theirs, float) and isinstance(ours, float):
        # psycopg2 has one kind of float: the text of a real, read as a double.
        return ours == theirs or float(pa.scalar(theirs, pa.float32()).as_py()) == ours
    if isinstance(theirs, datetime) and theirs.tzinfo is not None:
        return ours is not None and ours.astimezone(ZONE) == theirs
    return bool(ours == theirs)


def same_in_json(written: Any, value: Any, text: str | None) -> bool:
    if value is None:
        return written is None
    if isinstance(value, bool):
        return written is value
    if isinstance(value, int):
        return int(written) == value
    if isinstance(value, Decimal):
        return Decimal(written) == value
    if isinstance(value, float):
        return str(written) == text or float(written) == value
    if isinstance(value, memoryview):
        import base64

        return base64.b64decode(written) == bytes(value)
    if isinstance(value, datetime):
        return datetime.fromisoformat(written) == value
    return bool(date.fromisoformat(written) == value) if isinstance(value, date) else written == value


def test_a_numeric_column_that_holds_nan_is_text_with_all_its_values(execute: Execute, read: Read):
    execute(
        [
            "CREATE TABLE rates (id int PRIMARY KEY, rate numeric(10,2), clean numeric(10,2))",
            "INSERT INTO rates VALUES (1, 1.5, 1), (2, 'NaN', 2), (3, NULL, NULL)",
        ]
    )
    extract = read(
        name="rates",
        aggregations=[{"expr": "MAX(rate)", "alias": "most"}, {"expr": "SUM(clean)", "alias": "sum"}],
        select_fields=["*"],
    )
    assert [row["rate"] for row in rows_of(extract)] == ["1.50", "NaN", None]
    assert [row["clean"] for row in rows_of(extract)] == [Decimal(1), Decimal(2), None]
    assert rows_of(extract, "summary") == [{"most": "NaN", "sum": Decimal(3)}]
    computed = read(name="rates", select_fields=["id", {"expr": "rate + clean", "alias": "both"}])
    assert [row["both"] for row in rows_of(computed)] == ["2.50", "NaN", None]
    limited = read(name="rates", select_fields=["rate"], order_by=["id"], limit=1)
    assert rows_of(limited) == [{"rate": "1.50"}] or rows_of(limited) == [{"rate": Decimal("1.50")}]


@pytest.mark.parametrize(("policy", "shown"), [("null", None), ("text", "infinity")])
def test_dates_that_no_calendar_has_follow_zero_dates(execute: Execute, read: Read, policy: str, shown: str | None):
    execute(
        [
            "DROP TABLE IF EXISTS ends",
            "CREATE TABLE ends (id int PRIMARY KEY, d date, t timestamp, i timestamptz)",
            "INSERT INTO ends SELECT 1, 'infinity', 'infinity', 'infinity'",
            "INSERT INTO ends SELECT 2, '-infinity', '-infinity', '-infinity'",
            "INSERT INTO ends VALUES (3, '0044-03-15 BC', '10000-01-01', '294276-01-01 00:00+00')",
            "INSERT INTO ends VALUES (4, '2026-11-20', '2026-11-20 14:00', '2026-11-20 14:00+08')",
            "INSERT INTO ends VALUES (5, '9999-12-31', '9999-12-31 23:59:59.999999', '9999-12-31 23:59:59+08')",
        ]
    )
    extract = read(name="ends", select_fields=["*"], zero_dates=policy)
    rows = rows_of(extract)
    assert [row[name] for row in rows[:1] for name in "dti"] == [shown] * 3
    if policy == "null":
        assert extract.datasets[-1].zero_dates == {"d": 3, "t": 3, "i": 3}
        assert [rows[3][name].isoformat() for name in "dt"] == ["2026-11-20", "2026-11-20T14:00:00"]
        assert rows[4]["i"] == datetime(9999, 12, 31, 23, 59, 59, tzinfo=ZONE)
        assert rows[4]["d"] == date(9999, 12, 31)
    else:
        assert rows[2]["d"] == "0044-03-15 BC"
        assert rows[3]["i"] == "2026-11-20 14:00:00+08"
