"""What is in the database comes out of every format, as independent readers see it.

One table holds every type with its extremes. An independent client (PyMySQL with its own converters) says what is in
it; the files are read by json, csv and pyarrow's CSV reader, openpyxl and calamine, and DuckDB.
"""

import base64
import csv
import datetime as dt
import io
import json
from decimal import Decimal
from typing import Any

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from aggregation_pipeline_tests.end_to_end.comparing import (
    as_moment,
    by_duckdb,
    compare,
    csv_row,
    is_same_text,
    json_row,
    unescaped,
)
from aggregation_pipeline_tests.end_to_end.every_type import (
    CHARACTER_SETS,
    COLUMNS,
    NUMBER,
    ROWS,
    SHANGHAI,
    Published,
    publish,
    quoted,
)
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

pytestmark = pytest.mark.sample


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


@pytest.mark.parametrize("server", [pytest.param("seekdb", marks=pytest.mark.slow), "mariadb"])
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
                st.none()
                | st.datetimes(dt.datetime.fromisoformat("1000-01-01"), dt.datetime.fromisoformat("9999-12-31")),
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
