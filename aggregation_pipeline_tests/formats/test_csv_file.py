import csv
import functools
import io
import re
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from aggregation_pipeline.config.options import CsvOptions, FormatOptions
from aggregation_pipeline.formats.registry import RenderedFile, render
from aggregation_pipeline_tests.formats.cases import TYPES, all_types, column, make_extract
from aggregation_pipeline_tests.support.paths import REPOSITORY

NULL = "\\N"
DOCS = REPOSITORY / "docs" / "files.md"


@functools.cache
def documented(function: str) -> Any:
    """A function as docs/files.md gives it to those who read the files."""
    names: dict[str, Any] = {}
    (block,) = (
        text
        for text in re.findall(r"```python\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
        if f"def {function}(" in text
    )
    exec(block, names)  # noqa: S102 - our own page
    return names[function]


def render_detail(folder: Path, out: Path, table: pa.Table, **options: Any) -> RenderedFile:
    return render("csv", make_extract(folder, table), out, FormatOptions(csv=CsvOptions(**options)))[-1]


def read(path: Path, encoding: str = "utf-8-sig", delimiter: str = ",") -> list[list[str]]:
    return list(
        csv.reader(io.StringIO(path.read_bytes().decode(encoding), newline=""), delimiter=delimiter, strict=True)
    )


def detail(folder: Path, out: Path, table: pa.Table, **options: Any) -> list[list[str]]:
    return read(render_detail(folder, out, table, **options).path)[1:]


def texts(folder: Path, out: Path, *values: str | None, **options: Any) -> list[str]:
    """The values as they come out of a text column with a number beside it."""
    table = pa.table({"t": pa.array(values, pa.string()), "n": pa.array(range(len(values)))})
    return [row[0] for row in detail(folder, out, table, **options)]


def expected(name: str, value: Any) -> Any:
    mysql = TYPES[name][1]
    if value is None:
        return NULL
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, bytes):
        return "0x" + value.hex().upper()
    if isinstance(value, datetime):
        fraction = int(mysql[-2]) if "(" in mysql else 0
        text = value.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
        return text[: 20 + fraction if fraction else 19]
    return value.isoformat() if isinstance(value, date) else value


def test_every_type_says_in_csv_what_it_says_in_the_database(tmp_path: Path, out: Path):
    table = all_types()
    rows = detail(tmp_path, out, table, null=NULL, escapeFormulas=False)
    for row, want in zip(rows, table.to_pylist(), strict=True):
        for name, got, value in zip(table.schema.names, row, want.values(), strict=True):
            if isinstance(value, float):
                kind = np.float32 if name == "float" else np.float64
                assert kind(got) == kind(value), name
                assert len(got) <= len(repr(kind(value).item())) or name == "float", name
            else:
                assert got == str(expected(name, value)), name


def test_a_null_and_an_empty_text_differ_without_any_option(tmp_path: Path, out: Path):
    file = render_detail(tmp_path, out, pa.table({"a": ["", None], "b": ["x", "x"]}))
    assert file.path.read_bytes() == b'\xef\xbb\xbf"a","b"\r\n"","x"\r\n,"x"\r\n'


def test_a_null_alone_on_its_line_is_written_out_since_readers_skip_empty_lines(tmp_path: Path, out: Path):
    file = render_detail(tmp_path, out, column("a", pa.int32(), "INT", [1, None]))
    assert file.path.read_bytes() == b'\xef\xbb\xbf"a"\r\n1\r\nNULL\r\n'


def test_text_is_quoted_and_numbers_and_dates_are_not(tmp_path: Path, out: Path):
    file = render_detail(
        tmp_path, out, all_types().select(["int", "money", "datetime", "time", "enum", "binary"]).slice(1, 1)
    )
    assert file.path.read_text("utf-8-sig").splitlines()[1] == '2147483647,0.00,2026-11-20 14:00:00,838:59:59,"",0x'


def test_gb18030_holds_all_of_unicode(tmp_path: Path, out: Path):
    values = TYPES["text"][2]
    table = pa.table({"t": pa.array(values, pa.string()), "客户": pa.array(["王"] * len(values))})
    file = render_detail(tmp_path, out, table, encoding="gb18030", escapeFormulas=False, null=NULL)
    rows = read(file.path, "gb18030")
    assert rows[0] == ["t", "客户"]
    assert [row[0] for row in rows[1:]] == [NULL if value is None else value for value in values]


def test_utf_8_without_a_mark_and_another_delimiter(tmp_path: Path, out: Path):
    file = render_detail(tmp_path, out, pa.table({"a": ["x;y"], "b": [1]}), encoding="utf-8", delimiter=";")
    assert file.path.read_bytes() == b'"a";"b"\r\n"x;y";1\r\n'


def accepted(delimiter: str) -> bool:
    try:
        CsvOptions(delimiter=delimiter)
    except ValidationError:
        return False
    return True


def test_every_delimiter_that_is_taken_parts_the_fields_of_every_type(tmp_path: Path, out: Path):
    taken = [mark for mark in map(chr, range(128)) if accepted(mark)]
    assert {",", ";", "|", "\t"} <= set(taken)
    assert not set(taken) & set(" .-+:0")
    for mark in taken:
        file = render_detail(tmp_path, out, all_types(), delimiter=mark, null="")
        rows = read(file.path, delimiter=mark)
        assert {len(row) for row in rows} == {len(TYPES)}, mark
        assert rows[0] == list(TYPES), mark


def test_what_a_spreadsheet_would_run_is_escaped_in_text_and_counted(tmp_path: Path, out: Path):
    table = pa.table({"t": ["=1+1", "+86 138", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "safe", ""], "n": range(8)})
    file = render_detail(tmp_path, out, table)
    assert [row[0] for row in read(file.path)[1:]] == [
        "'=1+1",
        "'+86 138",
        "'-2+3",
        "'@SUM(A1)",
        "'\t=1",
        "'\r=1",
        "safe",
        "",
    ]
    assert file.notes == {"csv_formulas_escaped": 6}


# What MySQL's FORMAT makes in several countries, percentages, exponents, phone numbers without blanks, dashes.
NUMBERS = [
    "-1,234.50",
    "-12.3%",
    "-99.9%",
    "+1e5",
    "-1E-7",
    "-1.5e+10",
    "+0",
    "-.5",
    "-5.",
    "-1.234,50",
    "-1.234.567,89",
    "-12,34,567.00",
    "+1,2,3",
    "+8613800138000",
    "-",
    "+",
    "-,5",
    "-1e5%",
]
FORMULAS = [
    *[
        "=1+1",
        "=",
        "=cmd|'/C_calc'!A1",
        "@SUM(A1)",
        "@",
        "-2+3",
        "-1-1",
        "--1",
        "--",
        "+-1",
        "-1%%",
        "-%",
        "-1e",
        "-e5",
        "-1e5e5",
        "+A1",
        "-A1:B2",
        "-1:2",
        "+1;2",
        "-x",
        "+86-138",
        "-１",
    ],
    *("+86 138", "- 5", "-5 ", "-1 234,50", "\t1", "\r1", "\n=1", "-1\n", "＝1+1", "＠SUM(A1)", "＋1", "－1", "-\0"),
]


def test_each_text_that_a_spreadsheet_would_run_is_escaped_and_each_number_is_not(tmp_path: Path, out: Path):
    for quotes in ("", "'", "''"):
        values = [quotes + text for text in NUMBERS]
        assert texts(tmp_path, out, *values) == values
        assert texts(tmp_path, out, *(quotes + text for text in FORMULAS)) == [f"'{quotes}{text}" for text in FORMULAS]
    plain = ["1+1", "a=1", " =1", "'", "''", "it's", "'quoted'", "5%", "", "e5"]
    assert texts(tmp_path, out, *plain) == plain


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.text(alphabet="'=@+-\t\r\n＝＠＋－0123456789.,eE%a ") | st.text(), min_size=1, max_size=40))
def test_the_escape_is_taken_away_again_as_the_docs_say_and_no_two_texts_become_one(
    tmp_path: Path, out: Path, values: list[str]
):
    values = [value for value in values if not re.search("[\ud800-\udfff]", value)]
    written = texts(tmp_path, out, *values, *NUMBERS, *FORMULAS)
    assert [documented("unescaped")(text) for text in written] == [*values, *NUMBERS, *FORMULAS]
    # A spreadsheet starts no formula with any of them.
    assert not any(re.match("[=@\t\r\n＝＠＋－]", text) for text in written)


def test_names_that_differ_by_an_escape_stay_two_names(tmp_path: Path, out: Path):
    names = read(render_detail(tmp_path, out, pa.table({"=x": [1], "'=x": [2], "-5": [3]})).path)[0]
    assert names == ["'=x", "''=x", "-5"]
    assert [documented("unescaped")(name) for name in names] == ["=x", "'=x", "-5"]


def test_numbers_stay_numbers_in_whatever_column_they_stand(tmp_path: Path, out: Path):
    assert texts(tmp_path, out, "-5.20", "+8613800138000", "-", None) == ["-5.20", "+8613800138000", "-", ""]
    table = all_types().select(["int", "money", "double", "time"])
    rows = render_detail(tmp_path, out, table)
    assert rows.notes == {}
    assert read(rows.path)[1][:2] == ["-2147483648", "-99999999.99"]
    assert read(rows.path)[1][3] == "-838:59:59"


def test_formulas_stay_when_escaping_is_off(tmp_path: Path, out: Path):
    assert texts(tmp_path, out, "=1+1", escape_formulas=False) == ["=1+1"]


def test_names_are_quoted_as_text_is(tmp_path: Path, out: Path):
    table = pa.table({'say "hi", ok': [1], "a.b": [2], "=x": [3], "order": [4]})
    assert read(render_detail(tmp_path, out, table).path)[0] == ['say "hi", ok', "a.b", "'=x", "order"]


def test_each_dataset_is_a_file(tmp_path: Path, out: Path):
    summary, rows = render("csv", make_extract(tmp_path, column("a", pa.int32(), "INT", [1, 2])), out, FormatOptions())
    assert (summary.name, summary.dataset, summary.rows) == ("orders.summary.csv", "summary", 1)
    assert (rows.name, rows.dataset, rows.rows, rows.media_type) == ("orders.detail.csv", "detail", 2, "text/csv")


@pytest.mark.parametrize(
    "options",
    [
        {"delimiter": "5"},
        {"delimiter": " "},
        {"delimiter": "é"},
        {"delimiter": '"'},
        {"null": 'a"b'},
        {"null": "0"},
        {"null": "a;b", "delimiter": ";"},
    ],
)
def test_options_that_make_a_file_ambiguous_are_refused(options: dict[str, str]):
    with pytest.raises(ValidationError, match=r"delimiter must be one of|null is written without quotes"):
        CsvOptions(**options)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.none() | st.text(alphabet=st.characters(exclude_categories=["Cs"])), min_size=1, max_size=30))
def test_any_text_comes_back_as_it_was(tmp_path: Path, out: Path, values: list[str | None]):
    got = texts(tmp_path, out, *values, escape_formulas=False)
    assert got == [value or "" for value in values]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30))
def test_any_double_comes_back_to_the_bit(tmp_path: Path, out: Path, values: list[float]):
    rows = detail(tmp_path, out, column("d", pa.float64(), "DOUBLE", values))
    assert [float(row[0]).hex() for row in rows] == [value.hex() for value in values]
