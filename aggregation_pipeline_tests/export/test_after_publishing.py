"""Once the manifest is written nothing fails for what stands in a cell or a name: what comes after it makes no Python
objects of cells.
"""

import io
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from aggregation_pipeline.assets.display import markdown_table
from aggregation_pipeline.config.checks import Checks
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.export.checks.evaluate import evaluate_checks
from aggregation_pipeline.extract import Dataset, Extract
from aggregation_pipeline.local import console
from aggregation_pipeline.runs.results import Batch, RunResult, TableResult
from aggregation_pipeline_tests.support.deployment import Deployment
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

YEAR_0 = -719_403  # 0000-05-05, in days: an older extract may hold it
# Arrow type, a value as Arrow takes it, and what a preview shows; most of them Python cannot hold, or CSV and JSON stop
# at.
ODD: dict[str, tuple[pa.DataType, Any, str, str]] = {
    "year 0": (pa.date32(), YEAR_0, "0000-05-05", "DATE"),
    "far": (pa.date32(), 2**31 - 1, "", "DATE"),
    "moment": (pa.timestamp("us"), YEAR_0 * 86_400_000_000, "0000-05-05 00:00:00", "DATETIME"),
    "instant": (pa.timestamp("us", "Asia/Shanghai"), YEAR_0 * 86_400_000_000, "", "TIMESTAMP"),
    "wide": (pa.decimal256(65, 30), Decimal("9" * 35 + "." + "9" * 30), "9" * 35 + "." + "9" * 30, "DECIMAL(65,30)"),
    "nan": (pa.float64(), float("nan"), "nan", "DOUBLE"),
    "inf": (pa.float64(), float("-inf"), "-inf", "DOUBLE(10,2)"),
    "huge": (pa.uint64(), 2**64 - 1, str(2**64 - 1), "BIGINT UNSIGNED"),
    "digits": (pa.float64(), 5.0, "5.00", "DOUBLE(10,2)"),
    "bytes": (pa.binary(), b"\xff\xd8|", "0xFFD87C", "BLOB"),
    "text": (pa.string(), "a\0b|<x>\n[/red]\u2028", "a\0b\\|&lt;x> [/red]\u2028", "TEXT"),
    "null": (pa.date32(), None, "*NULL*", "DATE"),
}


def table() -> pa.Table:
    columns = []
    for kind, value, _, _ in ODD.values():
        base = pa.int32() if pa.types.is_date(kind) else pa.int64() if pa.types.is_timestamp(kind) else kind
        columns.append(pa.array([value, value], base).cast(kind))
    fields = [pa.field(name, kind, metadata={"mysql_type": mysql}) for name, (kind, _, _, mysql) in ODD.items()]
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def test_a_preview_shows_any_value():
    lines = markdown_table(table()).split("\n")
    assert lines[0] == f"| {' | '.join(ODD)} |"
    cells = lines[2].removeprefix("| ").removesuffix(" |").split(" | ")
    for (name, (_, _, shown, _)), cell in zip(ODD.items(), cells, strict=True):
        assert cell == shown or (not shown and cell), name


def test_checks_judge_any_value(tmp_path: Path):
    rows = table().drop_columns(["nan", "inf"])  # no file can hold those, and the formats say so
    path = tmp_path / "detail.parquet"
    pq.write_table(rows, path)
    dataset = Dataset(
        "detail", path, 2, rows.schema, truncated=False, sql="SELECT", order="none", zero_dates={"null": 2}
    )
    names = rows.schema.names
    check = Checks.model_validate(
        {
            "unique": names,
            "not_null": names,
            "values": {"year 0": ["0000-05-05"], "moment": ["0000-05-05 00:00:00"], "bytes": ["x"]},
        }
    )
    results = evaluate_checks(
        TableEntry(name="t", select_fields=("*",), checks=(check,)),
        Extract("t", "w", (dataset,), "snapshot"),
        None,
        lambda: None,
    )
    by_name = {result.name: result for result in results}
    assert by_name["unique"].numbers == dict.fromkeys(names, 1) | {"null": 0}
    assert by_name["not_null"].message == "null has 2 NULLs; 2 of the NULLs in null were invalid dates (zeroDates)"
    assert by_name["values"].numbers == {"year 0": 0, "moment": 0, "bytes": 2}


def test_the_terminal_takes_no_name_for_its_markup(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    screen = io.StringIO()
    monkeypatch.setattr(console, "console", Console(file=screen, width=200))
    monkeypatch.chdir(tmp_path)
    name = "a[/b] [red]"
    file = {"table": name, "uri": (tmp_path / f"{name}.csv").as_uri(), "rows": 1, "bytes": 2}
    result = RunResult("id", "failed", 1, {name: TableResult("failed", 1, "[/x]")}, [file], [Batch("id", "failed", 1)])
    console.show_result(result)
    console.show_files(result.files)
    console.show_row({"metadata": {"errors": "[/y] [blue]"}})
    for shown in (name, f"{name}.csv", "[/x]", "[/y] [blue]"):
        assert shown in screen.getvalue()


def test_a_whole_run_over_odd_values_and_names_is_completed(
    mariadb: MySQLServer, dagster_database: str, tmp_path: Path
):
    shop = Deployment(tmp_path, mariadb, mariadb.fresh_database(), dagster_database)
    name = "数据[.b] [red]x"
    shop.configure(f"""
        tables:
          "{name}":
            table: odd
            group_by: [day]
            select_fields: ['*']
            aggregations:
              - {{function: MIN, field: moment}}
              - {{function: SUM, field: wide, alias: "[/sum]"}}
              - {{function: MAX, field: bytes}}
              - {{function: MAX, field: words}}
              - {{function: MAX, field: ratio}}
            checks: {{unique: [day, moment], not_null: [id]}}
        """)
    with mariadb.connect(database=shop.database) as connection, connection.cursor() as cursor:
        cursor.execute("SET sql_mode = 'ALLOW_INVALID_DATES'")
        cursor.execute(
            "CREATE TABLE odd (id INT PRIMARY KEY, day DATE, moment DATETIME(6), wide DECIMAL(65,30), bytes BLOB, words"
            " TEXT, ratio FLOAT(5,2))"
        )
        for number, day in enumerate(("0000-05-05", "2026-02-30", "0000-00-00", "9999-12-31", "0001-01-01")):
            wide = "9" * 34 + "." + "9" * 30
            cursor.execute(
                f"INSERT INTO odd VALUES ({number}, '{day}', '{day} 01:02:03', {wide}, x'ff00fe', 'a\\0[/b]|\\n\\r',"
                " 0.5)"
            )
    # A terminal, or a cron job, whose letters are ASCII.
    done = subprocess.run(
        [sys.executable, "-c", "from aggregation_pipeline.cli.main import main; main()", "run", "--json"],
        env=shop.variables(PYTHONIOENCODING="ascii"),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert printed["tables"] == {name: {"status": "completed", "items": 10, "error": None}}
    # The windows' files say what the run says: days that no calendar has are NULL, the first and the last day there is
    # are not.
    path = next(path for path in shop.exports.rglob("*.json") if path.name == f"{name}.json")
    rows = json.loads(path.read_text(encoding="utf-8"))
    assert sorted(row["day"] or "" for row in rows["detail"]) == ["", "", "", "0001-01-01", "9999-12-31"]
