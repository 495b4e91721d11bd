"""The promise as a whole: what stands in the database comes out of every format, told by readers that wrote none of the
files.

One table holds every type with its extremes. An independent client (PyMySQL with its own converters) says what is in
it; the files are read by json, csv and pyarrow's CSV reader, openpyxl and calamine, and DuckDB.
"""

import base64
import csv
import datetime as dt
import io
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from aggregation_pipeline.config.format_names import FORMAT_NAMES
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.export.destination import Destination
from aggregation_pipeline.export.observer import SilentObserver
from aggregation_pipeline.export.publishing import ExportedWindow
from aggregation_pipeline.export.window import export_window
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline.storage.lock import NoLock
from aggregation_pipeline_tests.formats.test_csv_file import documented
from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, ZONE, options_for
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

pytestmark = pytest.mark.sample56
SHANGHAI = dt.timezone(dt.timedelta(hours=8))
NASTY = r"'a\0b\nc\r\nd\te\"f''g,h;i|\\ \Z'"


@dataclass(frozen=True)
class Kind:
    """A column of the table.

    Attributes:
        sql: its type.
        literals: what is put in, a row each; NULL in the rows beyond.
        family: how its values are compared.
        ask: how the independent client gets all of it, where asking for the column alone loses something.
    """

    sql: str
    literals: Sequence[str]
    family: str
    ask: str = "{}"


def integers(low: int, high: int) -> list[str]:
    return [str(low), str(high), "0"]


COLUMNS: dict[str, Kind] = {
    "tiny 1": Kind("TINYINT(1)", integers(-128, 127), "int"),
    "tiny": Kind("TINYINT", integers(-128, 127), "int"),
    "tiny_u": Kind("TINYINT UNSIGNED", integers(0, 255), "int"),
    "small": Kind("SMALLINT", integers(-(2**15), 2**15 - 1), "int"),
    "small_u": Kind("SMALLINT UNSIGNED", integers(0, 2**16 - 1), "int"),
    "medium": Kind("MEDIUMINT", integers(-(2**23), 2**23 - 1), "int"),
    "medium_u": Kind("MEDIUMINT UNSIGNED", integers(0, 2**24 - 1), "int"),
    "int": Kind("INT", integers(-(2**31), 2**31 - 1), "int"),
    "int_u": Kind("INT UNSIGNED", integers(0, 2**32 - 1), "int"),
    "big": Kind("BIGINT", integers(-(2**63), 2**63 - 1), "int"),
    "big_u": Kind("BIGINT UNSIGNED", integers(2**53 + 1, 2**64 - 1), "int"),
    "filled": Kind("INT(8) ZEROFILL", ["42"], "int"),
    "money": Kind("DECIMAL(10,2)", ["-99999999.99", "0.01", "10.50"], "decimal"),
    "wide": Kind("DECIMAL(38,10)", ["-" + "9" * 28 + "." + "9" * 10, "0.0000000001"], "decimal"),
    "widest": Kind("DECIMAL(65,30)", ["-" + "9" * 35 + "." + "9" * 30, "0." + "0" * 29 + "1"], "decimal"),
    "whole": Kind("DECIMAL(38,0) UNSIGNED", ["9" * 38, "0"], "decimal"),
    "float": Kind("FLOAT", ["16777217", "0.1", "-3.4028234663852886e38", "1e-45", "0.33333334"], "float", "{} + 0e0"),
    "double": Kind("DOUBLE", ["0.1", "1.7976931348623157e308", "5e-324", "-1e22", "0.30000000000000004"], "double"),
    "bit1": Kind("BIT(1)", ["b'1'", "b'0'"], "bit"),
    "bit13": Kind("BIT(13)", ["b'1000000000001'"], "bit"),
    "bit64": Kind("BIT(64)", ["~0", "b'0'"], "bit"),
    "day": Kind("DATE", ["'1000-01-01'", "'9999-12-31'", "'2024-02-29'"], "date"),
    "never": Kind("DATE", ["'0000-00-00'", "'2026-00-10'", "'2026-01-02'"], "date"),
    "clock": Kind("DATETIME", ["'1000-01-01 00:00:00'", "'9999-12-31 23:59:59'", "'0000-00-00 00:00:00'"], "datetime"),
    "millis": Kind("DATETIME(3)", ["'2026-11-20 14:00:00.007'", "'1969-12-31 23:59:59.999'"], "datetime"),
    "micros": Kind("DATETIME(6)", ["'2026-11-20 14:00:00.123456'", "'1969-12-31 23:59:59.999999'"], "datetime"),
    "stamp": Kind(
        "TIMESTAMP NULL", ["'1970-01-01 08:00:01'", "'2038-01-19 11:14:07'", "'2026-11-20 14:00:00'"], "timestamp"
    ),
    "stamp6": Kind("TIMESTAMP(6) NULL", ["'2026-11-20 14:00:00.000001'"], "timestamp"),
    "time": Kind("TIME", ["'-838:59:59'", "'838:59:59'", "'00:00:00'"], "text", "CAST({} AS CHAR)"),
    "time6": Kind("TIME(6)", ["'-00:00:00.000001'", "'25:00:00.5'"], "text", "CAST({} AS CHAR)"),
    "year": Kind("YEAR", ["1901", "2155"], "int"),
    "char": Kind("CHAR(20)", ["'x '", "''", "'=1+1'"], "text"),
    "text": Kind(
        "VARCHAR(300)", ["''", NASTY, "'你好，世界😀'", "'=HYPERLINK(\"x\")'", "'@a'", "'-1'", "'+86 1'"], "text"
    ),
    "long": Kind("LONGTEXT", ["REPEAT('很', 32767)", "REPEAT('x', 70000)", "''"], "text"),
    "binary": Kind("BINARY(4)", ["'a'", "x'00ff1a0d'"], "bytes"),
    "varbinary": Kind("VARBINARY(300)", ["x''", "x'00ff1a0d0a'", "REPEAT(x'fe', 255)"], "bytes"),
    "blob": Kind("LONGBLOB", ["x'00'", "REPEAT(x'ff', 10000)"], "bytes"),
    "enum": Kind("ENUM('a','贰','')", ["'贰'", "''", "'a'"], "text"),
    "set": Kind("SET('a','b','贰')", ["'a,贰'", "''", "'b'"], "text"),
    "json": Kind("JSON", ['\'{"键": [1, 2.50, "😀"], "a": null}\'', "'null'", "'[]'"], "text"),
    "shape": Kind("GEOMETRY", ["ST_GeomFromText('POINT(1 2)')", "ST_GeomFromText('LINESTRING(0 0,1 1,2 0)')"], "bytes"),
    "select": Kind("INT", ["1"], "int"),
    '列 名.点`"': Kind("VARCHAR(10)", ["'x'"], "text"),
}
ROWS = 1 + max(len(kind.literals) for kind in COLUMNS.values())
# So that the row of NULLs is a row in every format.
NUMBER = {"id": Kind("INT PRIMARY KEY", [str(number) for number in range(ROWS)], "int")}
CHARACTER_SETS = {
    "latin": Kind("VARCHAR(20) CHARACTER SET latin1", ["'café ÿ'", "''"], "text"),
    "gbk": Kind("VARCHAR(20) CHARACTER SET gbk", ["'中文'", "''"], "text"),
}


def quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


@dataclass(frozen=True)
class Published:
    """The table as an independent client sees it, and the folder that it was published in."""

    kinds: dict[str, Kind]
    rows: list[dict[str, Any]]
    exported: ExportedWindow
    folder: Path

    def column(self, name: str) -> list[Any]:
        return [row[name] for row in self.rows]


def publish(server: MySQLServer, database: str, folder: Path, **keys: Any) -> ExportedWindow:
    destination = Destination(FolderStore(folder), "", "run", TableEntry(name="t").options, folder / "temp", NoLock())
    request = ReadRequest(TableEntry.model_validate(keys), "2026-11-21", LOGICAL_TIME, ZONE)
    return export_window(request, options_for(server, database), FORMAT_NAMES, destination, FailsOnWarning())


class FailsOnWarning(SilentObserver):
    def warn(self, text: str) -> None:
        pytest.fail(text)


@pytest.fixture(scope="module")
def published(mysql: MySQLServer, tmp_path_factory: pytest.TempPathFactory) -> Published:
    kinds = NUMBER | COLUMNS | (CHARACTER_SETS if "legacy character sets" in mysql.capabilities else {})
    if "json" not in mysql.capabilities:
        del kinds["json"]
    database = mysql.fresh_database()
    with mysql.connect(database=database) as connection, connection.cursor() as cursor:
        cursor.execute("SET time_zone = '+08:00', sql_mode = ''")
        columns = ", ".join(f"{quoted(name)} {kind.sql}" for name, kind in kinds.items())
        cursor.execute(f"CREATE TABLE t ({columns}) CHARACTER SET utf8mb4")
        for row in range(ROWS):
            cells = [kind.literals[row] if row < len(kind.literals) else "NULL" for kind in kinds.values()]
            cursor.execute(f"INSERT INTO t VALUES ({', '.join(cells)})")
        cursor.execute(
            f"SELECT {', '.join(kind.ask.format(quoted(name)) for name, kind in kinds.items())} FROM t ORDER BY id"
        )
        rows: list[dict[str, Any]] = [dict(zip(kinds, row, strict=True)) for row in cursor.fetchall()]
    rows = [{name: true_value(kinds[name].family, value) for name, value in row.items()} for row in rows]
    folder = tmp_path_factory.mktemp("published")
    fields = [quoted(name) for name in kinds]
    return Published(
        kinds, rows, publish(mysql, database, folder, name="t", select_fields=fields, order_by=["id"]), folder
    )


def true_value(family: str, value: Any) -> Any:
    """What a value of PyMySQL's means, where it is not the value itself."""
    if family == "bit" and value is not None:
        return int.from_bytes(value, "big")
    if family in ("date", "datetime", "timestamp") and isinstance(value, str):
        # Its way to say that no calendar has this day; ours is NULL, and a count.
        return None
    return value


def test_the_independent_client_sees_what_was_put_in(published: Published):
    """Guards the other tests: a table that silently stayed empty would please all of them."""
    assert published.rows[ROWS - 1] == dict.fromkeys(published.kinds) | {"id": ROWS - 1}
    assert published.column("big_u")[:2] == [2**53 + 1, 2**64 - 1]
    assert published.column("widest")[0] == Decimal("-" + "9" * 35 + "." + "9" * 30)
    assert published.column("float")[0] == 16777216.0
    assert published.column("text")[:3] == ["", "a\0b\nc\r\nd\te\"f'g,h;i|\\ \x1a", "你好，世界😀"]
    assert published.exported.manifest.datasets[0].zero_dates == {"never": 2, "clock": 1}


def compare(published: Published, rows: Sequence[Sequence[Any]], same: Callable[[str, str, Any, Any], bool]) -> None:
    assert len(rows) == ROWS
    wrong = []
    for number, (found, row) in enumerate(zip(rows, published.rows, strict=True)):
        assert len(found) == len(row)
        for got, (name, value) in zip(found, row.items(), strict=True):
            if not same(published.kinds[name].family, name, got, value):
                wrong.append(f"row {number}, {name}: {str(got)[:60]!r} for {str(value)[:60]!r}")
    assert not wrong


def is_same_text(family: str, text: str, value: Any) -> bool:
    """Whether a number, date or text written as plain text is the value."""
    if family in ("int", "bit"):
        return text == str(value)
    if family == "decimal":
        return text == f"{value:f}"
    if family == "float":
        return bool(np.float32(text) == np.float32(value)) and len(text) <= len(repr(float(np.float32(value))))
    if family == "double":
        return bool(float(text) == value)
    if family == "bytes":
        return bool(bytes.fromhex(text.removeprefix("0x")) == value)
    if family in ("date", "datetime", "timestamp"):
        found = (dt.date if family == "date" else dt.datetime).fromisoformat(text)
        return bool(found == value)
    return bool(text == value)


def test_json_says_what_the_database_says(published: Published):
    document = json.loads((published.folder / "t" / "2026-11-21" / "t.json").read_text(encoding="utf-8"))
    assert list(document["detail"][0]) == list(published.kinds)

    def same(family: str, _name: str, got: Any, value: Any) -> bool:
        if value is None or got is None:
            return got is value
        if family in ("float", "double"):
            return isinstance(got, (int, float)) and is_same_text(family, repr(got), value)
        if family == "bytes":
            return bool(base64.b64decode(got, validate=True) == value)
        if family == "timestamp":
            return bool(dt.datetime.fromisoformat(got) == value.replace(tzinfo=SHANGHAI))
        return is_same_text(family, str(got), value) and isinstance(got, int if isinstance(got, int) else str)

    compare(published, [list(row.values()) for row in document["detail"]], same)


def test_csv_says_what_the_database_says(published: Published):
    path = published.folder / "t" / "2026-11-21" / "t.detail.csv"
    text = path.read_bytes().decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert rows[0] == list(published.kinds)

    def same(family: str, _name: str, got: str, value: Any) -> bool:
        if value is None or family == "text":
            return got.removeprefix("'") == (value or "").removeprefix("'")
        return is_same_text(family, got, value)

    compare(published, rows[1:], same)
    # The csv module does not tell NULL from an empty text; this reader does.
    found = pa.csv.read_csv(
        path,
        parse_options=pa.csv.ParseOptions(newlines_in_values=True),
        convert_options=pa.csv.ConvertOptions(
            column_types=dict.fromkeys(published.kinds, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    compare(
        published,
        [list(row.values()) for row in found.to_pylist()],
        lambda _family, _name, got, value: (got is None) == (value is None),
    )


def test_excel_says_what_the_database_says(published: Published):
    path = published.folder / "t" / "2026-11-21" / "t.xlsx"
    sheet = openpyxl.load_workbook(path)["detail"]
    rows = [[unescaped(cell) for cell in row] for row in sheet.iter_rows(values_only=True)]
    assert rows[0] == list(published.kinds)

    def same(family: str, name: str, got: Any, value: Any) -> bool:
        if value is None or got is None or got == "":
            return got == value or (got in (None, "") and value in (None, ""))
        if name == "long" and len(value) > 32_767:
            return got.endswith("…") and value.startswith(got[:-1]) and len(got) == 32_767
        if isinstance(got, dt.datetime):
            return got.date() == value if family == "date" else bool(got == value)
        if isinstance(got, (int, float)) and not isinstance(got, bool):
            if family == "float":
                return bool(np.float32(got) == np.float32(value))
            return bool(got == value if family == "double" else Decimal(repr(got)) == value)
        return is_same_text(family, got, value)

    compare(published, rows[1:], same)
    again = CalamineWorkbook.from_path(path).get_sheet_by_name("detail").to_python()
    compare(published, [[as_moment(cell) for cell in row] for row in again[1:]], same)
    assert next(file for file in published.exported.files if file.format == "excel").notes["excel_cells_cut"] == 1


def unescaped(value: Any) -> Any:
    return (
        re.sub("_x([0-9A-Fa-f]{4})_", lambda found: chr(int(found[1], 16)), value) if isinstance(value, str) else value
    )


def as_moment(value: Any) -> Any:
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return dt.datetime(value.year, value.month, value.day)  # noqa: DTZ001
    return value


def by_duckdb(columns: str, path: Path) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = (
        duckdb.connect().execute(f"SELECT {columns} FROM read_parquet(?)", [str(path)]).fetchall()
    )
    return rows


def test_parquet_says_what_the_database_says(published: Published):
    path = published.folder / "t" / "2026-11-21" / "t.detail.parquet"
    asked = {"timestamp": "epoch_us({})"}
    fields = [
        asked.get(kind.family, "{}").format('"' + name.replace('"', '""') + '"')
        for name, kind in published.kinds.items()
    ]
    rows = by_duckdb(", ".join(fields), path)

    def same(family: str, name: str, got: Any, value: Any) -> bool:
        if value is None or got is None:
            return got is value
        if name == "widest":
            # Readers end at 38 digits, so a wider DECIMAL is text.
            return bool(Decimal(got) == value)
        if family == "timestamp":
            return bool(
                got
                == (value.replace(tzinfo=SHANGHAI) - dt.datetime.fromtimestamp(0, dt.UTC))
                // dt.timedelta(microseconds=1)
            )
        if family == "float":
            return bool(np.float32(got) == np.float32(value))
        return bool(got == value)

    compare(published, rows, same)


TEXTS = (
    st.none()
    | st.text(st.characters(codec="utf-8"), max_size=40)
    | st.sampled_from(["", "NULL", "null", '"', "'", "=1", "\0", "\\N"])
)


@pytest.mark.parametrize("server", ["seekdb", "mariadb"])
def test_any_values_come_out_of_every_format(
    server: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
):
    mysql: MySQLServer = request.getfixturevalue(server)
    database = mysql.fresh_database()
    with mysql.connect(database=database) as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE t (id INT PRIMARY KEY, s LONGTEXT, n BIGINT UNSIGNED, d DECIMAL(40,12), b BLOB, m"
            " DATETIME(6))"
        )

    @settings(max_examples=6, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
    @given(
        st.lists(
            st.tuples(
                TEXTS,
                st.none() | st.integers(0, 2**64 - 1),
                st.none() | st.decimals(-(10**27), 10**27, places=12),
                st.none() | st.binary(max_size=40),
                st.none() | st.datetimes(dt.datetime(1000, 1, 1), dt.datetime(9999, 12, 31)),  # noqa: DTZ001
            ),
            max_size=20,
        )
    )
    def check(rows: list[tuple[Any, ...]]):
        with mysql.connect(database=database) as connection, connection.cursor() as cursor:
            cursor.execute("DELETE FROM t")
            if rows:
                cursor.executemany(
                    "INSERT INTO t VALUES (%s, %s, %s, %s, %s, %s)", [(n, *row) for n, row in enumerate(rows)]
                )
        folder = tmp_path_factory.mktemp("any")
        publish(mysql, database, folder, name="t", select_fields=["s", "n", "d", "b", "m"], order_by=["id"])
        window = folder / "t" / "2026-11-21"

        found = json.loads((window / "t.json").read_text(encoding="utf-8"))["detail"]
        assert [json_row(row) for row in found] == rows
        lines = list(
            csv.reader(io.StringIO((window / "t.detail.csv").read_bytes().decode("utf-8-sig"), newline=""), strict=True)
        )
        assert [tuple(line) for line in lines[1:]] == [
            csv_row(row, line[0]) for row, line in zip(rows, lines[1:], strict=True)
        ]
        sheet = openpyxl.load_workbook(window / "t.xlsx")["detail"]
        cells = [
            tuple(unescaped(cell) or None for cell in row)
            for row in sheet.iter_rows(min_row=2, max_row=len(rows) + 1, max_col=1, values_only=True)
        ]
        assert [row[0] for row in cells] == [row[0] or None for row in rows]
        assert by_duckdb("s, n, b, m", window / "t.detail.parquet") == [(s, n, b, m) for s, n, _, b, m in rows]
        # Text where one of them has more than 38 digits.
        decimals = pq.read_table(window / "t.detail.parquet", columns=["d"]).column(0).to_pylist()
        assert [None if value is None else Decimal(value) for value in decimals] == [row[2] for row in rows]

    check()


def json_row(row: dict[str, Any]) -> tuple[Any, ...]:
    readings: Sequence[Callable[[Any], Any]] = (
        str,
        int,
        Decimal,
        lambda text: base64.b64decode(text, validate=True),
        dt.datetime.fromisoformat,
    )
    return tuple(None if cell is None else reading(cell) for cell, reading in zip(row.values(), readings, strict=True))


def csv_row(row: tuple[Any, ...], text: str) -> tuple[str, ...]:
    s, n, d, b, m = row
    # An escaped formula is the one departure, and one that the docs take back.
    wanted = text if documented("unescaped")(text) == (s or "") else s or ""
    moment = "" if m is None else m.isoformat(sep=" ", timespec="microseconds")
    plain = ("" if n is None else str(n), "" if d is None else f"{d:f}", "" if b is None else "0x" + b.hex().upper())
    return (wanted, *plain, moment)
