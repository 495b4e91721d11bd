"""Rows that take several sheets, large sheets, and rows whose number is not known yet."""

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pytest

from aggregation_pipeline.config.options import ExcelOptions, FormatOptions
from aggregation_pipeline.extract import Dataset
from aggregation_pipeline.formats.excel import sheets as excel_sheets
from aggregation_pipeline.formats.excel.workbook import write_excel
from aggregation_pipeline.formats.registry import render
from aggregation_pipeline_tests.formats.cases import column, make_extract
from aggregation_pipeline_tests.formats.excel.test_workbook import sheet_of, with_calamine, workbook


def test_rows_beyond_a_sheet_go_on_in_the_next(tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(excel_sheets, "SHEET_ROWS", 1500)
    file = workbook(tmp_path, out, column("n", pa.int32(), "INT", list(range(4000))))
    assert openpyxl.load_workbook(file.path).sheetnames == ["summary", "detail", "detail_2", "detail_3", "about"]
    found = [with_calamine(file.path, sheet) for sheet in ("detail", "detail_2", "detail_3")]
    assert [len(rows) for rows in found] == [1501, 1501, 1001]
    assert [row[0] for rows in found for row in rows[1:]] == list(range(4000))
    assert all(rows[0] == ["n"] for rows in found)
    assert sheet_of(file, "detail_3").auto_filter.ref == "A1:A1001"


def test_only_a_sheet_of_more_than_two_gigabytes_has_a_wide_header(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
):
    table = column("n", pa.int32(), "INT", list(range(4000)))
    narrow = workbook(tmp_path, out, table)
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 100_000)
    file = workbook(tmp_path, out, table)
    # 20 bytes of sizes before the sheet, and as many in the directory.
    assert file.bytes == narrow.bytes + 40
    with zipfile.ZipFile(file.path) as archive:
        wide = [each.filename for each in archive.infolist() if each.extract_version == 45]
    assert wide == ["xl/worksheets/sheet2.xml"]
    assert [row[0] for row in with_calamine(file.path)[1:]] == list(range(4000))
    assert list(out.iterdir()) == [file.path]


class Arriving(Dataset):
    """A dataset whose number of rows is not known before the last one."""

    is_read = False

    def batches(self, first_group: int = 0, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        yield from super().batches(first_group, columns)
        object.__setattr__(self, "is_read", True)

    def __getattribute__(self, name: str) -> Any:
        assert name not in ("rows", "truncated", "zero_dates") or object.__getattribute__(self, "is_read"), name
        return super().__getattribute__(name)


def test_what_is_known_after_the_last_row_is_not_asked_for_before(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(excel_sheets, "SHEET_ROWS", 1500)
    extract = make_extract(tmp_path, column("n", pa.int32(), "INT", list(range(4000))))
    options = FormatOptions(excel=ExcelOptions(totals=("n",)))
    (expected,) = render("excel", extract, out, options)
    whole = expected.path.read_bytes()
    arriving = tuple(Arriving(**vars(dataset)) for dataset in extract.datasets)
    with (out / "arriving.xlsx").open("x+b") as file:
        list(write_excel(replace(extract, datasets=arriving), arriving, file, options))
    assert (out / "arriving.xlsx").read_bytes() == whole


def test_readers_that_trust_the_dimension_see_all_rows(tmp_path: Path, out: Path):
    file = workbook(tmp_path, out, column("n", pa.int32(), "INT", list(range(300))))
    with closing(openpyxl.load_workbook(file.path, read_only=True)) as book:
        sheet = book["detail"]
        assert (sheet.max_row, sheet.max_column) == (301, 1)
        assert len(list(sheet.iter_rows())) == 301


@pytest.mark.slow
def test_a_million_rows_and_some_need_a_second_sheet(tmp_path: Path, out: Path):
    file = workbook(tmp_path, out, pa.table({"n": pa.array(range(1_048_580), pa.int32())}))
    assert [len(with_calamine(file.path, sheet)) for sheet in ("detail", "detail_2")] == [1_048_576, 6]
