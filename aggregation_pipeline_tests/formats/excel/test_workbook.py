import re
import shutil
import subprocess
import zipfile
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl.worksheet.worksheet import Worksheet
from python_calamine import CalamineWorkbook

from aggregation_pipeline.config.options import ExcelOptions, FormatOptions
from aggregation_pipeline.errors import FormatError
from aggregation_pipeline.formats.registry import RenderedFile, render
from aggregation_pipeline_tests.formats.cases import ODD_TEXT, TYPES, all_types, column, make_extract
from aggregation_pipeline_tests.support.servers.missing import missing

# Columns in which some value is beyond Excel's numbers or times.
AS_TEXT = {
    "bigint",
    "bigint_safe",
    "bigint_unsigned",
    "bit",
    "sum_of_bigint",
    "exact",
    "widest",
    "datetime_4",
    "datetime_6",
}


def workbook(folder: Path, out: Path, detail: pa.Table | None, **changes: Any) -> RenderedFile:
    (file,) = render("excel", make_extract(folder, detail, **changes), out, FormatOptions())
    return file


def with_openpyxl(path: Path, sheet: str = "detail") -> list[list[Any]]:
    return [
        [unescaped(cell) for cell in row] for row in openpyxl.load_workbook(path)[sheet].iter_rows(values_only=True)
    ]


def with_calamine(path: Path, sheet: str = "detail") -> list[list[Any]]:
    rows: list[list[Any]] = CalamineWorkbook.from_path(path).get_sheet_by_name(sheet).to_python()
    return [[as_written(cell) for cell in row] for row in rows]


def as_written(value: Any) -> Any:
    """calamine shortens midnights to days, and leaves the two characters that are not characters in Excel's
    notation.
    """
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)
    return value.replace("_xFFFE_", "\ufffe").replace("_xFFFF_", "\uffff") if isinstance(value, str) else value


def unescaped(value: Any) -> Any:
    """Excel's notation for control characters, which openpyxl hands on as it is."""
    return (
        re.sub("_x([0-9A-Fa-f]{4})_", lambda found: chr(int(found[1], 16)), value) if isinstance(value, str) else value
    )


def expected(name: str, value: Any) -> Any:
    mysql = TYPES[name][1]
    if value is None:
        return None
    if isinstance(value, datetime):
        clock = value.replace(tzinfo=None)
        if name in AS_TEXT or clock < datetime(1900, 3, 1):
            fraction = int(mysql[-2]) if "(" in mysql else 0
            text = clock.isoformat(sep=" ", timespec="microseconds")
            return text[: 20 + fraction if fraction else 19]
        return clock
    if isinstance(value, date):
        return value.isoformat() if value < date(1900, 3, 1) else datetime(value.year, value.month, value.day)
    if isinstance(value, Decimal):
        return f"{value:f}" if name in AS_TEXT else float(value)
    if isinstance(value, bytes):
        return "0x" + value.hex().upper()
    return str(value) if name in AS_TEXT else value


def test_every_type_says_in_excel_what_it_says_in_the_database(tmp_path: Path, out: Path):
    table = all_types()
    file = workbook(tmp_path, out, table)
    rows = with_openpyxl(file.path)
    again = with_calamine(file.path)
    assert rows[0] == again[0] == table.schema.names
    for row, other, want in zip(rows[1:], again[1:], table.to_pylist(), strict=True):
        for name, got, read, value in zip(table.schema.names, row, other, want.values(), strict=True):
            wanted = expected(name, value)
            if name == "float" and value is not None:
                wanted = float(str(pa.scalar(value, pa.float32()).cast(pa.string())))
            # calamine has no empty cell.
            assert got == wanted, name
            assert read == ("" if wanted is None else wanted), name


def test_a_number_is_a_number_and_a_date_a_date_with_a_fitting_format(tmp_path: Path, out: Path):
    sheet = sheet_of(workbook(tmp_path, out, all_types()))
    formats = {name: sheet.cell(2, i).number_format for i, name in enumerate(all_types().schema.names, start=1)}
    assert formats["int"] == "0"
    assert formats["money"] == "#,##0.00"
    assert formats["double"] == "General"
    assert formats["datetime"] == "yyyy-mm-dd hh:mm:ss"
    assert formats["datetime_3"] == "yyyy-mm-dd hh:mm:ss.000"
    assert formats["text"] == formats["bigint"] == "@"


def sheet_of(file: RenderedFile, name: str = "detail") -> Worksheet:
    return openpyxl.load_workbook(file.path)[name]


def test_a_sheet_looks_as_a_colleague_would_make_it(tmp_path: Path, out: Path):
    table = pa.table({"id": [1, 2], "备注": ["一段比较长的中文备注内容", None]})
    file = workbook(tmp_path, out, table)
    sheet = sheet_of(file)
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == "A1:B3"
    assert [cell.font.bold for cell in sheet[1]] == [True, True]
    assert sheet["A2"].font.bold is False
    assert sheet.column_dimensions["A"].width == 8
    assert sheet.column_dimensions["B"].width == 25
    assert openpyxl.load_workbook(file.path).sheetnames == ["summary", "detail", "about"]


def test_nothing_that_begins_with_an_equals_sign_becomes_a_formula(tmp_path: Path, out: Path):
    file = workbook(tmp_path, out, pa.table({"=1+1": ["=HYPERLINK(1)", "@x", "+1"]}), table="=cmd")
    sheet = sheet_of(file)
    assert [sheet.cell(row, 1).value for row in range(1, 5)] == ["=1+1", "=HYPERLINK(1)", "@x", "+1"]
    assert {sheet.cell(row, 1).data_type for row in range(1, 5)} <= {"s", "inlineStr"}
    with zipfile.ZipFile(file.path) as archive:
        assert not any(b"<f>" in archive.read(name) for name in archive.namelist())


def test_the_about_sheet_explains_the_others_without_a_clock(tmp_path: Path, out: Path):
    file = workbook(tmp_path, out, column("a", pa.int32(), "INT", [1]), truncated=True)
    about = dict(with_openpyxl(file.path, "about"))
    assert about["table"] == "orders"
    assert about["window"] == "2026-11-20"
    assert about["detail rows"] == 1
    assert about["detail SQL"] == "SELECT `id`\nFROM `orders`"
    assert about["detail columns"] == "a INT"
    assert about["detail truncated"] == "yes: the configured limit cut it"
    with zipfile.ZipFile(file.path) as archive:
        assert b"created" not in archive.read("docProps/core.xml")


def test_the_about_sheet_can_be_left_out(tmp_path: Path, out: Path):
    (file,) = render("excel", make_extract(tmp_path), out, FormatOptions(excel=ExcelOptions(about=False)))
    assert openpyxl.load_workbook(file.path).sheetnames == ["summary"]


def test_an_id_of_nineteen_digits_makes_its_column_text(tmp_path: Path, out: Path):
    rows = with_openpyxl(workbook(tmp_path, out, column("id", pa.int64(), "BIGINT", [1, 1234567890123456789])).path)
    assert rows == [["id"], ["1"], ["1234567890123456789"]]


def test_decimals_count_their_digits_and_not_their_zeros(tmp_path: Path, out: Path):
    values = [Decimal("1.500000000000000000000"), None, Decimal(-123456789012345)]
    rows = with_openpyxl(workbook(tmp_path, out, column("d", pa.decimal128(38, 21), "DECIMAL(38,21)", values)).path)
    assert rows[1:] == [[1.5], [None], [-123456789012345]]


def test_text_longer_than_a_cell_is_cut_and_counted(tmp_path: Path, out: Path):
    long = ["x" * 32_767, "x" * 32_768, "😀" * 16_383, "😀" * 16_384, "中" * 32_767, None, "short"]
    file = workbook(tmp_path, out, pa.table({"t": long}))
    assert file.notes == {"excel_cells_cut": 2}
    got = [row[0] for row in with_openpyxl(file.path)[1:]]
    assert got == [long[0], "x" * 32_766 + "…", long[2], "😀" * 16_383 + "…", long[4], None, "short"]
    assert max(len(text.encode("utf-16-le")) // 2 for text in got if text) == 32_767


def test_text_longer_than_a_cell_fails_the_workbook_where_nothing_may_be_replaced(tmp_path: Path, out: Path):
    with pytest.raises(
        FormatError,
        match=r"orders: 1 texts are longer than the 32,767 characters.*LEFT\(column, 32767\).*onUnrepresentable",
    ):
        render(
            "excel",
            make_extract(tmp_path, pa.table({"t": ["x" * 40_000]})),
            out,
            FormatOptions(on_unrepresentable="error"),
        )
    assert list(out.iterdir()) == []


def test_odd_names_stay_readable_names(tmp_path: Path, out: Path):
    names = ["a.b", "order", "数量", "say <b>&</b>", "nul\0", "_x0041_", " padded "]
    file = workbook(tmp_path, out, pa.table({name: [1] for name in names}))
    assert with_openpyxl(file.path)[0] == names


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1, max_size=20))
def test_any_text_comes_back_as_it_was(tmp_path: Path, out: Path, values: list[str]):
    file = workbook(tmp_path, out, pa.table({"t": [*values, *(value for value in ODD_TEXT if value)]}))
    wanted = [[value] for value in values] + [[value] for value in ODD_TEXT if value]
    assert with_openpyxl(file.path)[1:] == wanted
    assert with_calamine(file.path)[1:] == wanted


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.datetimes(min_value=datetime(1900, 3, 1)), min_size=1, max_size=20))
def test_any_time_with_milliseconds_comes_back_as_it_was(tmp_path: Path, out: Path, values: list[datetime]):
    values = [value.replace(microsecond=value.microsecond // 1000 * 1000) for value in values]
    file = workbook(tmp_path, out, column("at", pa.timestamp("us"), "DATETIME(3)", list(values)))
    assert with_openpyxl(file.path)[1:] == [[value] for value in values]
    for (read,), value in zip(with_calamine(file.path)[1:], values, strict=True):
        assert abs(read - value) < timedelta(milliseconds=1)


def converted(path: Path, folder: Path) -> Path:
    """The workbook as LibreOffice saves it again."""
    if shutil.which("soffice") is None:
        missing("LibreOffice is not installed: apt-get install libreoffice-calc-nogui")
    profile = f"-env:UserInstallation=file://{folder}/profile"
    subprocess.run(
        [
            "soffice",
            profile,
            "--headless",
            "--convert-to",
            "xlsx:Calc MS Excel 2007 XML",
            "--outdir",
            str(folder),
            str(path),
        ],
        check=True,
        timeout=120,
        capture_output=True,
    )
    return folder / path.name


@pytest.mark.slow
def test_libreoffice_opens_the_workbook_and_reads_the_same(tmp_path: Path, out: Path):
    # LibreOffice itself keeps 15 digits of a double, and no empty text, when it saves.
    table = all_types().drop_columns(["double", "enum"])
    file = workbook(tmp_path, out, table)
    again = converted(file.path, tmp_path)
    assert openpyxl.load_workbook(again).sheetnames == ["summary", "detail", "about"]
    saved = with_openpyxl(again)
    text = table.schema.names.index("text")
    for row, wanted in zip(saved, with_openpyxl(file.path), strict=True):
        # It also makes every line end a line feed, and does not escape text that looks escaped.
        if not wanted[text] or "\r" in wanted[text] or "_x" in wanted[text]:
            row[text] = wanted[text]
        assert row == wanted
