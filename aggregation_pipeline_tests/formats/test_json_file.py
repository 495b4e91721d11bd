import base64
import json
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aggregation_pipeline.config.options import FormatOptions, JsonOptions
from aggregation_pipeline.errors import FormatError
from aggregation_pipeline.formats.registry import render
from aggregation_pipeline_tests.formats.cases import TYPES, all_types, column, make_extract
from aggregation_pipeline_tests.support.paths import REPOSITORY

SCHEMA = REPOSITORY / "docs" / "export.schema.json"


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"), parse_float=Decimal)


def detail(folder: Path, out: Path, table: pa.Table, **options: Any) -> list[dict[str, Any]]:
    (file,) = render("json", make_extract(folder, table), out, FormatOptions(json_=JsonOptions(**options)))
    rows: list[dict[str, Any]] = read(file.path)["detail"]
    return rows


def expected(name: str, value: Any) -> Any:
    mysql = TYPES[name][1]
    if value is None:
        return None
    if name in ("bigint", "bigint_unsigned", "bit"):
        return str(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime):
        fraction = int(mysql[-2]) if "(" in mysql else 0
        text = value.replace(tzinfo=None).isoformat(timespec="microseconds")
        text = text[:19] + (text[19 : 20 + fraction] if fraction else "")
        return text + ("+08:00" if value.tzinfo else "")
    if isinstance(value, date):
        return value.isoformat()
    return value


def test_every_type_says_in_json_what_it_says_in_the_database(tmp_path: Path, out: Path):
    table = all_types()
    rows = detail(tmp_path, out, table)
    wanted = [{name: expected(name, value) for name, value in row.items()} for row in table.to_pylist()]
    for row, want in zip(rows, wanted, strict=True):
        for name, value in want.items():
            got = float(row[name]) if isinstance(value, float) else row[name]
            if name == "float" and value is not None:
                # The shortest decimal of 32 bits; as 64 bits it is another number.
                assert pa.scalar(got, pa.float32()) == pa.scalar(value, pa.float32())
            else:
                assert got == value, name
                assert type(got) is type(value), name


def test_floats_are_written_with_no_more_digits_than_they_need(tmp_path: Path, out: Path):
    (file,) = render("json", make_extract(tmp_path, all_types()), out, FormatOptions())
    text = file.path.read_text()
    assert '"float":0.1,' in text
    assert '"double":0.30000000000000004,' in text


def test_a_file_reads_row_by_row_for_people(tmp_path: Path, out: Path):
    (file,) = render(
        "json", make_extract(tmp_path, column("备注", pa.string(), "TEXT", ["好", None])), out, FormatOptions()
    )
    assert (
        file.path.read_text()
        == '{"table": "orders", "window": "2026-11-20",\n"summary": [\n{"row_count":2}\n],\n"detail":'
        ' [\n{"备注":"好"},\n{"备注":null}\n]}\n'
    )
    assert (file.name, file.dataset, file.rows, file.media_type) == ("orders.json", "all", 3, "application/json")
    assert file.bytes == file.path.stat().st_size


def test_integers_that_javascript_rounds_make_their_whole_column_strings(tmp_path: Path, out: Path):
    table = column("id", pa.int64(), "BIGINT", [1, 2**53])
    assert [row["id"] for row in detail(tmp_path, out, table)] == ["1", "9007199254740992"]
    assert [row["id"] for row in detail(tmp_path, out, table, bigIntegers="number")] == [1, 2**53]
    safe = column("id", pa.int64(), "BIGINT", [1, 2**53 - 1, -(2**53) + 1])
    assert [row["id"] for row in detail(tmp_path, out, safe)] == [1, 2**53 - 1, -(2**53) + 1]


def test_a_column_is_strings_even_when_its_one_big_number_comes_last(tmp_path: Path, out: Path):
    table = column("a.b", pa.uint64(), "BIGINT UNSIGNED", [*range(40_000), 2**64 - 1])
    assert {type(row["a.b"]) for row in detail(tmp_path, out, table)} == {str}


def test_decimals_are_numbers_with_all_digits_when_asked_for(tmp_path: Path, out: Path):
    rows = detail(
        tmp_path,
        out,
        column("d", pa.decimal256(65, 30), "DECIMAL(65,30)", [Decimal("0E-30"), Decimal("1." + "0" * 29 + "1")]),
        decimals="number",
    )
    assert [str(row["d"]) for row in rows] == ["0E-30", "1.000000000000000000000000000001"]


def test_datetimes_look_as_mysql_writes_them_when_asked_for(tmp_path: Path, out: Path):
    rows = detail(tmp_path, out, all_types(), datetimes="mysql")
    assert rows[1]["datetime"] == "2026-11-20 14:00:00"
    assert rows[0]["datetime_3"] == "2026-11-20 14:00:00.007"
    assert rows[1]["timestamp"] == "2026-11-20 23:30:00"


def test_digits_that_the_declared_type_does_not_know_are_kept(tmp_path: Path, out: Path):
    rows = detail(tmp_path, out, column("at", pa.timestamp("us"), "DATETIME", [datetime(2026, 1, 1, 0, 0, 0, 5)]))
    assert rows == [{"at": "2026-01-01T00:00:00.000005"}]


def test_a_table_without_detail_has_an_empty_list(tmp_path: Path, out: Path):
    (file,) = render("json", make_extract(tmp_path), out, FormatOptions())
    assert read(file.path) == {"table": "orders", "window": "2026-11-20", "summary": [{"row_count": 0}], "detail": []}


def test_the_shipped_schema_describes_the_file(tmp_path: Path, out: Path):
    (file,) = render("json", make_extract(tmp_path, all_types()), out, FormatOptions())
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(json.loads(file.path.read_text()))
    assert not validator.is_valid({"table": "orders", "window": "2026-11-20", "summary": [{"a": {}}], "detail": []})


def test_each_dataset_is_a_file_of_rows_where_that_is_asked_for(tmp_path: Path, out: Path):
    # More rows than are read, and than are written, in one piece.
    table = pa.concat_tables([all_types()] * 1200)
    extract = make_extract(tmp_path, table)
    (whole,) = render("json", extract, out, FormatOptions())
    wanted = read(whole.path)
    schema = json.loads(SCHEMA.read_text())
    for shape, ending, part in (("array", "json", "rows"), ("lines", "jsonl", "row")):
        files = render("json", extract, out, FormatOptions.model_validate({"json": {"shape": shape}}))
        assert [(file.name, file.dataset, file.rows) for file in files] == [
            (f"orders.summary.{ending}", "summary", 1),
            (f"orders.detail.{ending}", "detail", table.num_rows),
        ]
        validator = jsonschema.Draft202012Validator({"$ref": f"#/$defs/{part}", "$defs": schema["$defs"]})
        for file in files:
            text = file.path.read_text("utf-8")
            if shape == "lines":
                assert text.endswith("}\n")
                rows = [json.loads(line, parse_float=Decimal) for line in text.removesuffix("\n").split("\n")]
                validator.validate(rows[0])
                assert file.media_type == "application/x-ndjson"
            else:
                rows = json.loads(text, parse_float=Decimal)
                validator.validate(rows[:50])
                assert file.media_type == "application/json"
            assert rows == wanted[file.dataset]


@pytest.mark.parametrize(("shape", "content"), [("array", "[\n]\n"), ("lines", "")])
def test_no_rows_are_an_empty_array_or_no_line(tmp_path: Path, out: Path, shape: str, content: str):
    extract = make_extract(tmp_path, all_types().slice(0, 0))
    assert (
        render("json", extract, out, FormatOptions.model_validate({"json": {"shape": shape}}))[-1].path.read_text()
        == content
    )


def test_a_number_that_json_has_no_word_for_is_refused_by_column(tmp_path: Path, out: Path):
    with pytest.raises(FormatError, match=r"Column 'ratio' holds NaN or infinity.*Run the table again"):
        detail(tmp_path, out, column("ratio", pa.float64(), "DOUBLE", [1.0, float("nan")]))
    assert list(out.iterdir()) == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.none() | st.text(alphabet=st.characters(exclude_categories=["Cs"])), max_size=30))
def test_any_text_comes_back_as_it_was(tmp_path: Path, out: Path, values: list[str | None]):
    assert [row["t"] for row in detail(tmp_path, out, column("t", pa.string(), "TEXT", values))] == values


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.none() | st.decimals(min_value=-(10**27), max_value=10**27, places=10), max_size=30))
def test_any_decimal_keeps_its_digits(tmp_path: Path, out: Path, values: list[Decimal | None]):
    rows = detail(tmp_path, out, column("d", pa.decimal128(38, 10), "DECIMAL(38,10)", values))
    # A zero has no sign in MySQL.
    assert [row["d"] for row in rows] == [
        None if value is None else f"{abs(value) if value == 0 else value:f}" for value in values
    ]
