"""Values that MySQL does not have: true and false, NaN and infinity."""

import csv
import json
from math import inf, isnan, nan
from pathlib import Path

import duckdb
import openpyxl
import pyarrow as pa
import pytest
from python_calamine import CalamineWorkbook

from aggregation_pipeline.config.options import FormatOptions
from aggregation_pipeline.formats.registry import render
from aggregation_pipeline_tests.formats.cases import make_extract

_TRUTH = [True, False, None]
_FLOATS = [nan, inf, -inf, 0.1, None]


@pytest.fixture
def files(tmp_path: Path, out: Path) -> dict[str, Path]:
    rows = pa.table(
        {
            "truth": pa.array([*_TRUTH, True, False], pa.bool_()),
            "double": pa.array(_FLOATS, pa.float64()),
            "float": pa.array(_FLOATS, pa.float32()),
            "finite": pa.array([1.5, 2.0, None, 0.1, -0.0], pa.float64()),
        }
    )
    extract = make_extract(tmp_path, rows)
    names = ("json", "csv", "excel", "parquet")
    return {name: render(name, extract, out, FormatOptions())[-1].path for name in names}


def test_json_has_its_own_words_for_truth_and_writes_a_column_with_nan_as_text(files: dict[str, Path]):
    rows = json.loads(files["json"].read_text(), parse_constant=pytest.fail)["detail"]
    assert [row["truth"] for row in rows[:3]] == _TRUTH
    for name in ("double", "float"):
        assert [row[name] for row in rows] == ["NaN", "Infinity", "-Infinity", "0.1", None]
    assert [row["finite"] for row in rows] == [1.5, 2.0, None, 0.1, -0.0]


def test_csv_writes_them_as_postgresql_names_them(files: dict[str, Path]):
    with files["csv"].open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [row["truth"] for row in rows[:3]] == ["true", "false", ""]
    assert [row["double"] for row in rows] == ["NaN", "Infinity", "-Infinity", "0.1", ""]


def test_excel_has_cells_of_truth_and_text_for_a_column_with_nan(files: dict[str, Path]):
    sheet = openpyxl.load_workbook(files["excel"])["detail"]
    rows = list(sheet.iter_rows(min_row=2, values_only=True))
    assert [row[0] for row in rows[:3]] == _TRUTH
    assert [row[1] for row in rows] == ["NaN", "Infinity", "-Infinity", "0.1", None]
    assert [row[3] for row in rows] == [1.5, 2, None, 0.1, 0]
    other = CalamineWorkbook.from_path(files["excel"]).get_sheet_by_name("detail").to_python()
    assert [row[0] for row in other[1:3]] == _TRUTH[:2]


def test_parquet_keeps_them_as_they_are(files: dict[str, Path]):
    rows = duckdb.connect().execute(f"SELECT * FROM '{files['parquet']}'").fetchall()
    assert [row[0] for row in rows[:3]] == _TRUTH
    for place in (1, 2):
        values = [row[place] for row in rows]
        assert isnan(values[0])
        assert values[1:3] == [inf, -inf]
        assert values[4] is None
