"""FLOAT(M,D) and other declared digits: the files show what the database shows."""

import csv
import io
import json
import random
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aggregation_pipeline_tests.end_to_end.every_type import publish
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

COLUMNS = {
    "f2": "FLOAT(10,2)",
    "f0": "FLOAT(8,0)",
    "f30": "FLOAT(40,30)",
    "u3": "FLOAT(9,3) UNSIGNED",
    "z3": "FLOAT(10,3) ZEROFILL",
    "d2": "DOUBLE(16,2)",
    "d4": "DOUBLE(17,4)",
    "d0": "DOUBLE(20,0)",
    "wide": "DOUBLE(255,30)",
    "d": "DOUBLE",
}
VALUES = ["1234567.89", "5", "0.1", "-0.004", "0", "99999.995", "1e20", "3.4e38", "-1e-7", "0.125", "NULL"]
EXPRESSIONS = [
    "IF(id = 1, f2, d4)",
    "COALESCE(f2, d4)",
    "CASE WHEN id > 2 THEN d4 ELSE f2 END",
    "GREATEST(f2, d4)",
    "ROUND(d, 2)",
    "TRUNCATE(d4, 1)",
    "CEIL(d4)",
    "f2 * 2",
    "f2 / 3",
    "-d4",
    "ABS(f2)",
    "(SELECT MAX(x.f2) FROM t AS x)",
]
FIGURES = [
    "MAX(f2)",
    "MIN(d4)",
    "SUM(f2)",
    "AVG(f2)",
    "SUM(d4)",
    "AVG(d4)",
    "MAX(wide)",
    "SUM(f2) / COUNT(*)",
    "VARIANCE(d4)",
    "MAX(f0)",
]


def literals(rows: int) -> list[list[str]]:
    """A row of SQL literals for each of VALUES, then any numbers, of sizes that the columns have."""
    chance = random.Random(9)
    some = [f"{chance.uniform(-1, 1) * 10 ** chance.randint(-6, 12)!r}" for _ in range(rows)]
    return [[value] * len(COLUMNS) for value in VALUES] + [[value] * len(COLUMNS) for value in some]


@pytest.mark.sample
def test_files_have_the_digits_that_the_database_shows(mysql: MySQLServer, tmp_path: Path):
    database = mysql.fresh_database()
    with mysql.connect(database=database, conv={}) as connection, connection.cursor() as cursor:
        cursor.execute("SET sql_mode = ''")
        cursor.execute(
            f"CREATE TABLE t (id INT PRIMARY KEY, {', '.join(f'{name} {kind}' for name, kind in COLUMNS.items())})"
        )
        for number, values in enumerate(literals(40), start=1):
            cursor.execute(f"INSERT INTO t VALUES ({number}, {', '.join(values)})")
        outputs = [name for name in COLUMNS if name != "d"] + EXPRESSIONS
        shown = {}
        for dataset, query in (
            ("detail", f"SELECT {', '.join(outputs)} FROM t ORDER BY id"),
            ("summary", f"SELECT id DIV 5, {', '.join(FIGURES)} FROM t GROUP BY 1 ORDER BY 1"),
        ):
            cursor.execute(query)
            shown[dataset] = ([field.scale for field in cursor._result.fields], list(cursor.fetchall()))
    keys: dict[str, Any] = {
        "select_fields": [{"expr": output, "alias": f"c{place}"} for place, output in enumerate(outputs)],
        "group_by": [{"expr": "id DIV 5", "alias": "g"}],
        "aggregations": [{"expr": figure, "alias": f"s{place}"} for place, figure in enumerate(FIGURES)],
    }
    publish(mysql, database, tmp_path, name="t", **keys)
    folder = tmp_path / "t" / "2026-11-21"
    document = json.loads((folder / "t.json").read_text(encoding="utf-8"), parse_float=str, parse_int=str)
    workbook = openpyxl.load_workbook(folder / "t.xlsx")
    for dataset, (scales, rows) in shown.items():
        # A figure that the server gives no digits (VARIANCE of some) is any other DOUBLE.
        places = [
            place for place, scale in enumerate(scales) if scale < 31 and not (dataset == "summary" and place == 0)
        ]
        assert len(places) >= len(scales) - 3
        # ZEROFILL is a width, and no part of the number.
        wanted = [[without_zeros(row[place]) for place in places] for row in rows]

        text = (folder / f"t.{dataset}.csv").read_bytes().decode("utf-8-sig")
        lines = list(csv.reader(io.StringIO(text, newline="")))[1:]
        assert [[line[place] or None for place in places] for line in lines] == wanted

        found = [list(row.values()) for row in document[dataset]]
        assert [[row[place] for place in places] for row in found] == wanted

        numbers = [[None if cell is None else float(cell) for cell in row] for row in wanted]
        table = pq.read_table(folder / f"t.{dataset}.parquet")
        assert {table.schema.field(place).type for place in places} == {pa.float64()}
        assert [[list(row.values())[place] for place in places] for row in table.to_pylist()] == numbers

        cells: list[tuple[Any, ...]] = list(workbook[dataset].iter_rows(min_row=2))
        assert [[row[place].value for place in places] for row in cells] == numbers
        # One to four digits may be money, which is shown with thousands.
        whole = {scale: "#,##0" if 1 <= scale <= 4 else "0" for scale in scales}
        formats = {scale: f"{whole[scale]}.{'0' * scale}".rstrip(".") for scale in scales}
        assert all(
            row[place].number_format == formats[scales[place]]
            for row in cells
            for place in places
            if row[place].value is not None
        )


def without_zeros(text: str | None) -> str | None:
    if text is None:
        return None
    digits, point, rest = text.lstrip("-").partition(".")
    return ("-" if text.startswith("-") else "") + (digits.lstrip("0") or "0") + point + rest
