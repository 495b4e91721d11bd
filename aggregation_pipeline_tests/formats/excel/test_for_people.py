"""What a workbook says to people: labels, money, totals, language, paper. Its values are tested in test_workbook.py."""

import zipfile
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl.worksheet.worksheet import Worksheet

from aggregation_pipeline.config.options import ExcelOptions, FormatOptions
from aggregation_pipeline.extract import TIES, Dataset, Extract
from aggregation_pipeline.formats.excel import sheets as excel_sheets
from aggregation_pipeline.formats.excel.about import fill_about
from aggregation_pipeline.formats.excel.labels import WORDS
from aggregation_pipeline.formats.registry import render
from aggregation_pipeline_tests.formats.cases import all_types, column, make_extract
from aggregation_pipeline_tests.formats.excel.test_workbook import converted

MONEY = pa.decimal128(12, 2)


def labelled(
    name: str, kind: pa.DataType, values: list[Any], *, comment: str = "", sums: bool = False
) -> tuple[pa.Field, pa.Array]:
    known = {"mysql_type": "X"} | ({"comment": comment} if comment else {}) | ({"adds_up": "yes"} if sums else {})
    return pa.field(name, kind, metadata=known), pa.array(values, kind)


def table(*columns: tuple[pa.Field, pa.Array]) -> pa.Table:
    return pa.Table.from_arrays([array for _, array in columns], schema=pa.schema([field for field, _ in columns]))


DETAIL = table(
    labelled("id", pa.int64(), [1, 2, 3], comment="订单编号"),
    labelled("status", pa.string(), ["paid", "new", "paid"], comment=" 状态\n(字典) "),
    labelled("amount", MONEY, [Decimal("1234567.80"), None, Decimal("-0.50")], comment="金额"),
    labelled("freight", MONEY, [Decimal(1), Decimal(2), Decimal(3)], comment="金额"),
    labelled("price", pa.float64(), [0.5, 0.25, 0.25]),
)
AMOUNTS = ("amount", "freight", "price")
SUMMARY = table(
    labelled("status", pa.string(), ["paid", "new"], comment="状态"),
    labelled("orders", pa.int64(), [2, 1], sums=True),
    labelled("average", pa.decimal128(14, 4), [Decimal("1.5"), Decimal("2.5")]),
)


def workbook(folder: Path, out: Path, extract: Extract | None = None, **options: Any) -> Path:
    extract = extract or make_extract(folder, DETAIL, summary=SUMMARY)
    (file,) = render("excel", extract, out, FormatOptions(excel=ExcelOptions(**options)))
    assert file.rows == sum(dataset.rows for dataset in extract.datasets)
    return file.path


def sheet(path: Path, name: str = "detail") -> Worksheet:
    found = openpyxl.load_workbook(path)[name]
    assert isinstance(found, Worksheet)
    return found


def row(path: Path, number: int, name: str = "detail") -> list[Any]:
    return [cell.value for cell in sheet(path, name)[number]]


def test_comments_head_the_columns_where_that_is_wished_and_equal_ones_are_told_apart(tmp_path: Path, out: Path):
    path = workbook(tmp_path, out, labels="comment")
    assert row(path, 1) == ["订单编号", "状态 (字典)", "金额 (amount)", "金额 (freight)", "price"]
    assert row(path, 1, "summary") == ["状态", "orders", "average"]
    about = dict(sheet(path, "about").iter_rows(values_only=True))
    assert about["detail columns"].splitlines()[2] == "amount X: 金额"
    assert row(workbook(tmp_path, out), 1) == DETAIL.schema.names


@pytest.mark.parametrize(
    ("comments", "titles"),
    [
        ({"a": "x", "b": "X", "x (a)": ""}, ["a", "X (b)", "x (a)"]),
        ({"id": "编号", "b": "金额", "c": "金额", "l": "金额 (b)"}, ["编号", "b", "金额 (c)", "金额 (b) (l)"]),
        ({"a": "b", "b": ""}, ["b (a)", "b"]),
        ({"a": "b", "b": "a"}, ["b", "a"]),
        ({"a": "x", "b": "x", "c": "x (a)", "x (c)": ""}, ["a", "x (b)", "x (a) (c)", "x (c)"]),
    ],
)
def test_comments_that_meet_others_lose_no_other_comment(
    tmp_path: Path, out: Path, comments: dict[str, str], titles: list[str]
):
    tricky = table(*(labelled(name, pa.int64(), [1], comment=text) for name, text in comments.items()))
    assert row(workbook(tmp_path, out, make_extract(tmp_path, tricky), labels="comment"), 1) == titles


NAMES = st.lists(st.text("ab (x)", min_size=1, max_size=7), min_size=1, max_size=5, unique_by=str.casefold)


@given(names=NAMES, labels=st.lists(st.sampled_from(["", "a", "b", "a (b)", "x", "x (a)"]), min_size=5, max_size=5))
def test_titles_always_differ(names: list[str], labels: list[str]):
    schema = pa.schema(
        [labelled(name, pa.int64(), [], comment=label)[0] for name, label in zip(names, labels, strict=False)]
    )
    titles = excel_sheets.column_titles(schema, ExcelOptions(labels="comment"))
    assert len({title.casefold() for title in titles}) == len(names)


def test_titles_of_many_words_leave_room_for_the_rows(tmp_path: Path, out: Path):
    long = table(labelled("a", pa.int64(), [1], comment="说明" * 450))
    path = workbook(tmp_path, out, make_extract(tmp_path, long), labels="comment")
    assert sheet(path).row_dimensions[1].height == 120
    assert row(path, 1) == ["说明" * 450]


def test_a_text_of_several_lines_is_wrapped_in_a_row_of_its_height(tmp_path: Path, out: Path):
    texts = ["李四", "王五\n换行", None, "a\r\nb", "carriage\rreturn"]
    lines = table(labelled("t", pa.string(), texts), labelled("n", pa.int64(), [1, 2, 3, 4, 5]))
    path = workbook(tmp_path, out, make_extract(tmp_path, lines))
    found = sheet(path)
    wrapped = [bool(found.cell(number, 1).alignment.wrap_text) for number in range(2, 7)]
    assert wrapped == [False, True, False, True, False]
    assert found["A3"].alignment.vertical == "top"
    assert found["A2"].number_format == found["A3"].number_format == "@"
    assert [found.row_dimensions[number].height for number in range(2, 7)] == [None, 30, None, 30, None]
    assert found["A3"].value == "王五\n换行"
    many = table(labelled("t", pa.string(), ["a\n" * 500, "b\nc"]), labelled("u", pa.string(), [None, "1\n2\n3"]))
    assert [
        sheet(workbook(tmp_path, out, make_extract(tmp_path, many))).row_dimensions[row].height for row in (2, 3)
    ] == [120, 45]


def test_unit_prices_and_rates_are_not_added_up_unasked(tmp_path: Path, out: Path):
    rates = table(
        labelled("tax", pa.decimal128(8, 6), [Decimal("0.130001")]),
        labelled("unit_price", MONEY, [Decimal(1)]),
        labelled("weight", pa.float64(), [1.5]),
    )
    extract = make_extract(tmp_path, rates)
    assert sheet(workbook(tmp_path, out, extract, totals=True)).max_row == 2
    assert row(workbook(tmp_path, out, extract, totals=("tax", "weight")), 4) == [
        "=SUBTOTAL(9,A2:A2)",
        "Total",
        "=SUBTOTAL(9,C2:C2)",
    ]


def test_a_comment_that_begins_with_an_equals_sign_is_no_formula(tmp_path: Path, out: Path):
    path = workbook(
        tmp_path, out, make_extract(tmp_path, table(labelled("a", pa.int64(), [1], comment="=1+1"))), labels="comment"
    )
    assert sheet(path)["A1"].data_type == "s"
    assert row(path, 1) == ["=1+1"]


def test_money_has_thousands_separators_and_ids_years_and_rates_have_none(tmp_path: Path, out: Path):
    kinds = {
        "two": MONEY,
        "four": pa.decimal128(12, 4),
        "six": pa.decimal128(12, 6),
        "whole": pa.decimal128(12, 0),
        "id": pa.int64(),
    }
    columns = table(
        *(labelled(name, kind, [1]) for name, kind in {**kinds, "year": pa.int16(), "double": pa.float64()}.items())
    )
    extract = make_extract(tmp_path, columns)
    found = [cell.number_format for cell in sheet(workbook(tmp_path, out, extract))[2]]
    assert found == ["#,##0.00", "#,##0.0000", "0.000000", "0", "0", "0", "General"]
    assert sheet(workbook(tmp_path, out, extract, thousands=False))["A2"].number_format == "0.00"


def test_totals_stand_apart_below_the_rows_as_formulas_that_follow_the_filter(tmp_path: Path, out: Path):
    path = workbook(tmp_path, out, totals=AMOUNTS)
    assert row(path, 5) == [None] * 5
    assert row(path, 6) == ["Total", None, "=SUBTOTAL(9,C2:C4)", "=SUBTOTAL(9,D2:D4)", "=SUBTOTAL(9,E2:E4)"]
    found = sheet(path)
    assert found.auto_filter.ref == "A1:E4"
    assert (found["C6"].number_format, found["C6"].font.bold) == ("#,##0.00", True)
    assert found.column_dimensions["C"].width > sheet(workbook(tmp_path, out)).column_dimensions["C"].width
    # An average cannot be added up, a count can.
    assert row(workbook(tmp_path, out, totals=True), 5, "summary") == ["Total", "=SUBTOTAL(9,B2:B3)", None]


def test_totals_are_of_the_columns_named_where_they_hold_numbers(tmp_path: Path, out: Path):
    path = workbook(tmp_path, out, totals=("id", "status", "amount", "nowhere"))
    assert row(path, 6) == ["=SUBTOTAL(9,A2:A4)", "Total", "=SUBTOTAL(9,C2:C4)", None, None]
    assert [cells[0].value for cells in sheet(path, "summary").iter_rows()] == ["status", "paid", "new"]


def test_where_every_column_is_added_up_the_word_stands_in_the_first_sum(tmp_path: Path, out: Path):
    extract = make_extract(tmp_path, DETAIL.select(["amount"]), summary=SUMMARY)
    path = workbook(tmp_path, out, extract, totals=AMOUNTS, language="zh")
    assert sheet(path, "明细")["A6"].number_format == '"合计 "#,##0.00'


def test_no_rows_have_no_totals_and_no_totals_are_there_unasked(tmp_path: Path, out: Path):
    assert sheet(workbook(tmp_path, out, make_extract(tmp_path, DETAIL.slice(0, 0)), totals=AMOUNTS)).max_row == 1
    with zipfile.ZipFile(workbook(tmp_path, out)) as archive:
        assert not any(b"SUBTOTAL" in archive.read(name) for name in archive.namelist())


def test_totals_of_rows_on_several_sheets_stand_on_the_last(tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(excel_sheets, "SHEET_ROWS", 1502)
    extract = make_extract(tmp_path, column("n", pa.float64(), "DOUBLE", list(range(3000))))
    path = workbook(tmp_path, out, extract, totals=("n",))
    assert [sheet(path, name).max_row for name in ("detail", "detail_2")] == [1501, 1503]
    assert sheet(path, "detail_2")["A1503"].value == "=SUBTOTAL(9,'detail'!A2:A1501)+SUBTOTAL(9,A2:A1501)"


def test_programs_find_the_same_rows_above_the_totals(tmp_path: Path, out: Path):
    plain = pd.read_excel(workbook(tmp_path, out), sheet_name="detail", engine="openpyxl")
    again = pd.read_excel(workbook(tmp_path, out, totals=AMOUNTS), sheet_name="detail", engine="openpyxl", nrows=3)
    pd.testing.assert_frame_equal(plain, again)


def test_a_workbook_speaks_chinese_where_the_project_does(tmp_path: Path, out: Path):
    path = workbook(tmp_path, out, language="zh", totals=AMOUNTS)
    assert openpyxl.load_workbook(path).sheetnames == ["汇总", "明细", "说明"]
    assert row(path, 6, "明细")[0] == "合计"
    about = dict(sheet(path, "说明").iter_rows(values_only=True))
    assert (about["数据表"], about["一致性"], about["明细行数"], about["明细排序"]) == (
        "orders",
        "同一快照",
        3,
        "主键 (id)",
    )
    assert (about["明细是否截断"], about["明细 SQL"]) == ("否", "SELECT `id`\nFROM `orders`")


def test_a_page_is_as_wide_as_the_sheet_and_has_the_titles_on_it(tmp_path: Path, out: Path):
    path = workbook(tmp_path, out)
    for name in ("summary", "detail", "about"):
        found = sheet(path, name)
        assert found.sheet_properties.pageSetUpPr.fitToPage is True
        setup = found.page_setup
        assert (int(setup.fitToWidth), int(setup.fitToHeight), int(setup.paperSize)) == (1, 0, 9)
        assert found.print_title_rows == (None if name == "about" else "$1:$1")
    assert sheet(path).page_setup.orientation == "portrait"
    assert sheet(path).freeze_panes == "A2"
    wide = workbook(tmp_path, out, make_extract(tmp_path, all_types()))
    assert sheet(wide).page_setup.orientation == "landscape"


def test_hashes_take_little_room_and_do_not_run_into_empty_cells(tmp_path: Path, out: Path):
    digest = "0123456789abcdef" * 4
    columns = table(
        labelled("masked", pa.string(), [digest, None]),
        labelled("sha", pa.string(), [digest.upper(), None]),
        labelled("raw", pa.binary(), [bytes(32), None]),
        labelled("text", pa.string(), [digest + " and words", digest]),
    )
    extract = make_extract(tmp_path, columns)
    datasets = tuple(replace(dataset, masks={"masked": "hash"}) for dataset in extract.datasets)
    found = sheet(workbook(tmp_path, out, replace(extract, datasets=datasets)))
    assert [found.column_dimensions[letter].width for letter in "ABCD"] == [16, 16, 16, 60]
    assert [found[f"{letter}2"].alignment.horizontal for letter in "ABCD"] == ["fill", "fill", "fill", None]
    assert found["A2"].value == digest


def test_a_long_title_is_broken_into_lines_and_has_the_height_for_them(tmp_path: Path, out: Path):
    columns = table(
        labelled("a", pa.int16(), [1], comment="下单时间：用户提交订单的时间，按北京时间记录"),
        labelled("a_name_that_no_blank_breaks_anywhere", pa.int16(), [1]),
    )
    found = sheet(workbook(tmp_path, out, make_extract(tmp_path, columns), labels="comment"))
    assert found["A1"].alignment.wrap_text is True
    assert [found.column_dimensions[letter].width for letter in "AB"] == [24, 39]
    assert found.row_dimensions[1].height == 30


@pytest.mark.slow
def test_libreoffice_works_the_totals_out(tmp_path: Path, out: Path):
    path = converted(workbook(tmp_path, out, totals=AMOUNTS, language="zh"), tmp_path)
    totals = list(openpyxl.load_workbook(path, data_only=True)["明细"].iter_rows(min_row=6, values_only=True))
    assert totals == [("合计", None, 1234567.3, 6, 1)]


def test_the_about_sheet_says_what_is_masked_and_that_equal_rows_have_no_order():
    masks = {"phone": "partial", "id": "hash", "note": "drop"}
    dataset = Dataset("detail", Path("none"), 0, pa.schema([]), False, "SELECT", f"金额{TIES}", masks=masks)
    found = openpyxl.Workbook().create_sheet()
    fill_about(found, Extract("t", "w", (dataset,), "snapshot"), WORDS["zh"])
    about = dict(found.iter_rows(values_only=True))
    assert about["明细脱敏"] == "phone: 部分隐藏, id: 密钥哈希, note: 不导出"
    assert about["明细排序"] == "金额，相同的行以服务器返回的先后为准"
