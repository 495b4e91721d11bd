"""Every type of PostgreSQL, read and rendered, against what an independent client says of the same cells."""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import psycopg2
import pyarrow as pa
import pyarrow.csv
import pytest
from python_calamine import CalamineWorkbook

from aggregation_pipeline.config.options import FormatOptions
from aggregation_pipeline.extract import Extract
from aggregation_pipeline.formats.registry import render
from aggregation_pipeline_tests.end_to_end.comparing import as_moment
from aggregation_pipeline_tests.source.postgresql.cells import (
    Row,
    as_text,
    is_beyond,
    same,
    same_in_csv,
    same_in_excel,
    same_in_json,
    values_of,
)
from aggregation_pipeline_tests.source.postgresql.every_type import AS_TEXT, NATIVE, PRELUDE, XML, create_table
from aggregation_pipeline_tests.support.reading import ZONE, Execute, Read, rows_of
from aggregation_pipeline_tests.support.servers.handles import PostgresServer
from aggregation_pipeline_tests.support.servers.installed_postgres import InstalledPostgres


@pytest.fixture(scope="module")
def text_names(client: "psycopg2.extensions.connection", source_postgres: PostgresServer) -> list[str]:
    """Make a table of each sort; return the names of the columns that come as text."""
    types = AS_TEXT + (XML if isinstance(source_postgres.server, InstalledPostgres) else ())
    with client.cursor() as cursor:
        for statement in (*PRELUDE, *create_table("native_types", NATIVE), *create_table("text_types", types)):
            cursor.execute(statement)
    return [name for name, *_ in types]


NATIVE_NAMES = [name for name, *_ in NATIVE]
BEYOND = ("date_beyond", "timestamp_beyond", "timestamptz_beyond")
ARROW = {
    "boolean_": "bool",
    "smallint_": "int16",
    "integer_": "int32",
    **dict.fromkeys(("bigint_", "bigint_15", "bigint_53"), "int64"),
    "oid_": "uint32",
    **dict.fromkeys(("real_", "real_finite"), "float"),
    **dict.fromkeys(("double_", "double_finite"), "double"),
    "numeric_10_2": "decimal128(10, 2)",
    "numeric_15_4": "decimal128(15, 4)",
    "numeric_38": "decimal128(38, 19)",
    "numeric_76": "decimal256(76, 10)",
    "numeric_whole": "decimal128(15, 0)",
    "numeric_negative": "decimal128(5, 0)",
    "numeric_small": "decimal128(5, 5)",
    "domain_numeric": "decimal128(12, 3)",
    **dict.fromkeys(("text_", "text_odd", "text_long", "varchar_", "char_", "domain_text"), "string"),
    "bytea_": "binary",
    **dict.fromkeys(("date_", "date_beyond"), "date32[day]"),
    **dict.fromkeys(("timestamp_", *(f"timestamp_{n}" for n in range(7)), "timestamp_beyond"), "timestamp[us]"),
    **dict.fromkeys(
        ("timestamptz_", *(f"timestamptz_{n}" for n in range(7)), "timestamptz_beyond"),
        "timestamp[us, tz=Asia/Shanghai]",
    ),
}
# In Excel. What it would change is text: NaN, more than 15 digits, microseconds, and one by one days before March 1900.
NUMBERS = {
    *("smallint_", "integer_", "bigint_15", "oid_", "real_finite", "double_finite", "numeric_10_2", "numeric_15_4"),
    *("numeric_whole", "numeric_negative", "numeric_small", "domain_numeric"),
}
MOMENTS = {*(f"timestamptz_{n}" for n in range(4)), *BEYOND}
MOMENTS_AND_TEXTS = {"date_", *(f"timestamp_{n}" for n in range(4))}


def files_of(extract: Extract, folder: Path) -> dict[str, Path]:
    folder.mkdir(exist_ok=True)
    return {
        name: render(name, extract, folder, FormatOptions())[-1].path for name in ("json", "csv", "excel", "parquet")
    }


def csv_rows(path: Path, names: Iterable[str]) -> list[Row]:
    """The rows of a CSV file, columns of these names as text, by a reader that tells NULL from an empty text."""
    convert = pa.csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()),
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    table = pa.csv.read_csv(path, parse_options=pa.csv.ParseOptions(newlines_in_values=True), convert_options=convert)
    rows: list[Row] = table.to_pylist()
    return rows


def excel_rows(path: Path) -> tuple[list[Row], list[Row]]:
    """The rows of a workbook as openpyxl and as calamine read them."""
    head, *by_openpyxl = openpyxl.load_workbook(path)["detail"].iter_rows(values_only=True)
    _, *by_calamine = CalamineWorkbook.from_path(path).get_sheet_by_name("detail").to_python()
    return (
        [dict(zip(map(str, head), row, strict=True)) for row in by_openpyxl],
        [dict(zip(map(str, head), map(as_moment, row), strict=True)) for row in by_calamine],
    )


def compare(found: list[Row], expected: list[Row], is_same: Callable[[Any, Any], bool]) -> None:
    wrong = [
        (number, name, str(row[name])[:60], str(value)[:60])
        for number, (row, wanted) in enumerate(zip(found, expected, strict=True))
        for name, value in wanted.items()
        if not is_same(row[name], value)
    ]
    assert wrong == []


def test_what_comes_as_text_is_what_the_server_writes_in_all_formats(
    text_names: list[str], client: "psycopg2.extensions.connection", read: Read, tmp_path: Path
):
    extract = read(name="text_types", select_fields=["*"])
    expected = as_text(client, "text_types", text_names)
    compare(rows_of(extract), expected, same)
    files = files_of(extract, tmp_path / "out")
    compare(json.loads(files["json"].read_text())["detail"], expected, same)
    compare(csv_rows(files["csv"], expected[0]), expected, same_in_csv)
    for rows in excel_rows(files["excel"]):
        compare(rows, expected, same_in_excel)
    in_parquet = duckdb.execute(f"SELECT {', '.join(text_names)} FROM '{files['parquet']}' ORDER BY id").fetchall()
    assert [dict(zip(text_names, row, strict=True)) for row in in_parquet] == expected


@pytest.fixture(scope="module")
def native_types(text_names: list[str]) -> None:
    """Of what has a type of its own there is a table too."""


def test_what_has_a_type_of_its_own_is_what_another_client_reads(
    native_types: None, client: "psycopg2.extensions.connection", read: Read, tmp_path: Path
):
    extract = read(name="native_types", select_fields=["*"])
    schema = extract.datasets[-1].schema
    assert {name: str(schema.field(name).type) for name in NATIVE_NAMES} == ARROW
    expected = values_of(client, "native_types", NATIVE_NAMES)
    texts = as_text(client, "native_types", NATIVE_NAMES)
    moments = [name for name in NATIVE_NAMES if name.startswith(("date", "timestamp"))]
    beyond = Counter(name for row in texts for name in moments if is_beyond(row[name]))
    assert extract.datasets[-1].zero_dates == beyond == dict.fromkeys(BEYOND, 4)
    compare(rows_of(extract), expected, same)
    files = files_of(extract, tmp_path / "out")
    in_json = json.loads(files["json"].read_text(), parse_constant=pytest.fail)["detail"]
    for written, text, value in zip(in_json, texts, expected, strict=True):
        for name in NATIVE_NAMES:
            assert same_in_json(written[name], value[name], text[name]), (name, written[name], text[name])
    compare(csv_rows(files["csv"], expected[0]), expected, same_in_csv)
    for rows in excel_rows(files["excel"]):
        compare(rows, expected, same_in_excel)
    in_parquet = duckdb.execute(f"SELECT {', '.join(NATIVE_NAMES)} FROM '{files['parquet']}' ORDER BY id").fetchall()
    # Text in Parquet: most readers end at 38 digits.
    wide = [{**row, "numeric_76": row["numeric_76"] and f"{row['numeric_76']:f}"} for row in expected]
    compare([dict(zip(NATIVE_NAMES, row, strict=True)) for row in in_parquet], wide, same)


def test_excel_has_numbers_and_moments_where_it_can_hold_them(native_types: None, read: Read, tmp_path: Path):
    file = render("excel", read(name="native_types", select_fields=["*"]), tmp_path, FormatOptions())[-1].path
    head, *rows = openpyxl.load_workbook(file)["detail"].iter_rows()
    for name, column in zip([str(cell.value) for cell in head], zip(*rows, strict=True), strict=True):
        if name == "boolean_":
            wanted = {"b"}
        elif name in MOMENTS_AND_TEXTS:
            wanted = {"d", "s"}
        else:
            wanted = {"n" if name in NUMBERS | {"id"} else "d" if name in MOMENTS else "s"}
        assert {cell.data_type for cell in column if cell.value is not None} == wanted, name


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
