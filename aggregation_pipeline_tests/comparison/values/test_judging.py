"""Which values are equal, by the type of the column and the way in which the old file writes them."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregation_pipeline.comparison.old.cells import Cell, Number, javascript_number, read_json
from aggregation_pipeline.comparison.values.judging import Judge, Verdict
from aggregation_pipeline.comparison.values.keys import Keys
from aggregation_pipeline.comparison.values.kinds import Column, Kind, column_of
from aggregation_pipeline.comparison.values.moments import as_javascript, of_serial
from aggregation_pipeline.comparison.values.texts_of_cells import old_text, our_texts
from aggregation_pipeline.node_files.names import NodeFormat

ZONES = tuple(map(ZoneInfo, ("Asia/Shanghai", "UTC", "America/New_York", "Australia/Lord_Howe")))
SHANGHAI = ZONES[0]
WALL_CLOCKS = st.datetimes(datetime.fromisoformat("1000-01-01"), datetime.fromisoformat("9998-12-31"))


def verdict(
    kind: Kind, ours: str | None, old: Cell, old_format: NodeFormat = "json", zone: ZoneInfo = SHANGHAI, **more: Any
) -> Verdict:
    column = Column("value", kind, **more)
    return Judge(old_format, zone).verdict(column, ours, old_text(column, old, old_format))


@pytest.mark.parametrize(
    ("kind", "ours", "old", "old_format", "note"),
    [
        ("integer", "1", True, "json", None),
        ("integer", "7", Number("7"), "json", None),
        ("integer", "7", "7", "json", None),
        ("integer", "9007199254740993", Number("9007199254740992"), "json", "lost_digits"),
        ("integer", "18446744073709551615", Number("18446744073709552000"), "excel", "lost_digits"),
        ("decimal", "12.50", "12.5", "json", None),
        ("decimal", "12.50", Number("12.5"), "json", None),
        ("decimal", "12345678901234567.89", Number("12345678901234568"), "json", "lost_digits"),
        ("double", "0.30000000000000004", Number("0.3"), "json", None),
        ("float", "1.100000023841858", Number("1.1"), "json", None),
        ("float", "16777216.0", Number("16777200"), "json", "six_digits"),
        ("date", "2026-11-20", "2026-11-19T16:00:00.000Z", "json", None),
        ("date", "2026-11-20", "2026-11-20", "json", None),
        ("date", "2026-11-20", "Fri Nov 20 2026 00:00:00 GMT+0800 (China Standard Time)", "csv", None),
        ("date", "2026-11-20", Number("46346.000497685185"), "excel", "sheet_clock"),
        ("date", "1900-01-01", "Mon Jan 01 1900 00:00:00 GMT+0805 (China Standard Time)", "csv", None),
        ("date", "0000-00-00", None, "json", "invalid_date"),
        ("date", "0000-00-00", "Invalid Date", "csv", "invalid_date"),
        ("date", None, "Invalid Date", "csv", "invalid_date"),
        ("datetime", "2026-11-20T01:02:03.456789", "2026-11-19T17:02:03.456Z", "json", "cut_fraction"),
        ("datetime", "2026-11-20T01:02:03.456", "2026-11-19T17:02:03.456Z", "json", None),
        ("instant", "2026-11-20T08:00:00+08:00", "2026-11-20T00:00:00.000Z", "json", None),
        ("instant", "2026-11-20T08:00:00+08:00", "2026-11-20 08:00:00", "json", None),
        ("bits", "21", {"type": "Buffer", "data": [Number("21")]}, "json", None),
        ("bits", "21", "\x15", "csv", "bytes_as_text"),
        ("integer", "1", "true", "csv", None),
        ("integer", "0", False, "json", None),
        ("double", "nan", "NaN", "csv", None),
        ("double", "-inf", "-Infinity", "csv", None),
        ("bytes", "0x00ff80", {"type": "Buffer", "data": [Number("0"), Number("255"), Number("128")]}, "json", None),
        ("bytes", "0x616263", '{"type":"Buffer","data":[97,98,99]}', "csv", None),
        ("bytes", "0x616263", "abc", "csv", "bytes_as_text"),
        ("bytes", "0x616263", None, "excel", "not_in_sheet"),
        ("json", '{"b": 1.0, "a": [2, "x"]}', {"a": [Number("2"), "x"], "b": Number("1")}, "json", None),
        ("json", '{"a": 1}', "[object Object]", "csv", "object_object"),
        ("json", '{"a": 1}', '{"a":1}', "csv", None),
        ("json", "[1, [2, null], 1e21]", "1,2,,1e+21", "csv", None),
        ("json", '{"a": 1}', '{"a": 1}', "json", None),
        ("text", '{"b": 1.0, "a": [2, "x"]}', {"a": [Number("2"), "x"], "b": Number("1")}, "json", "json_value"),
        ("text", " [1, 2]", [Number("1"), Number("2")], "json", "json_value"),
        ("text", '{"a": 1}', "[object Object]", "csv", "object_object"),
        ("text", '{"a": 1}', '{"a":1}', "csv", "json_value"),
        ("text", "[1, [2, null], 1e21]", "1,2,,1e+21", "csv", "json_value"),
        ("text", '"a"', "a", "json", "json_value"),
        ("text", '{"a": 1}', None, "excel", "not_in_sheet"),
        ("text", None, "", "csv", None),
        ("text", "", None, "excel", None),
        ("text", "a\r\nb", "a\nb", "excel", None),
        ("shape", "0x00", {"x": Number("1"), "y": Number("2")}, "json", "not_compared"),
    ],
)
def test_equal_values(kind: Kind, ours: str | None, old: Cell, old_format: NodeFormat, note: str | None):
    found = verdict(kind, ours, old, old_format, bits=5 if kind == "bits" else 0)
    assert (found.equal, found.note) == (True, note)


@pytest.mark.parametrize(
    ("kind", "ours", "old", "old_format"),
    [
        ("integer", "7", Number("8"), "json"),
        ("integer", "7", "x", "json"),
        ("integer", "0", None, "json"),
        ("integer", "9007199254740993", "9007199254740994", "json"),
        ("decimal", "123456789012345678.12", "123456789012345678.13", "json"),
        ("decimal", "0.1", Number("0.10000001"), "json"),
        ("double", "1.0", Number("1.00000000001"), "json"),
        ("float", "16777216.0", Number("16777300"), "json"),
        ("date", "2026-11-20", "2026-11-20T16:00:00.000Z", "json"),
        ("date", "2026-11-20", Number("46347.000497685185"), "excel"),
        ("date", None, "2026-11-19T16:00:00.000Z", "json"),
        ("date", "2026-11-20", None, "json"),
        ("datetime", "2026-11-20T01:02:03", "2026-11-19T17:02:04.000Z", "json"),
        ("bits", "21", {"type": "Buffer", "data": [Number("22")]}, "json"),
        ("bytes", "0x616263", "abd", "csv"),
        ("double", "nan", Number("5"), "json"),
        ("bytes", "0x616263", None, "csv"),
        ("json", '{"a": 1}', {"a": Number("2")}, "json"),
        ("json", '{"a": 1}', "x", "csv"),
        ("text", '{"a": 1}', {"a": Number("2")}, "json"),
        ("text", '{"a": 1}', "{ 'a': 1 }", "json"),
        ("text", '{"a": 1', {"a": Number("1")}, "json"),
        ("text", '{"a": 1', "[object Object]", "csv"),
        ("text", "[1, 2]", "1,2", "json"),
        ("text", '{"a": 1}', None, "json"),
        ("text", '{"a": 1', None, "excel"),
        ("text", '"a"', "b", "json"),
        ("text", "x", {"a": Number("1")}, "json"),
        ("text", None, "", "json"),
        ("text", "a", "A", "json"),
        ("text", "a", None, "csv"),
    ],
)
def test_values_that_differ(kind: Kind, ours: str | None, old: Cell, old_format: NodeFormat):
    assert not verdict(kind, ours, old, old_format).equal


def as_iso(wall: datetime, zone: ZoneInfo) -> str:
    """`JSON.stringify` of what mysql2 makes of a DATETIME."""
    instant = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=as_javascript(wall, zone))
    return f"{instant.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def midnight(day: date) -> datetime:
    return datetime.fromisoformat(day.isoformat())


def number(value: float) -> Number:
    return Number(javascript_number(value))


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
# By Arrow type and MySQL type: values, and what mysql2 and JSON.stringify make of one.
TYPES: dict[tuple[pa.DataType, str], tuple[st.SearchStrategy[Any], Callable[[Any, ZoneInfo], Cell]]] = {
    (pa.int64(), "BIGINT"): (st.integers(-(2**63), 2**63 - 1), lambda value, _: number(float(value))),
    (pa.uint64(), "BIGINT UNSIGNED"): (st.integers(0, 2**64 - 1), lambda value, _: number(float(value))),
    (pa.int8(), "TINYINT"): (st.integers(-128, 127), lambda value, _: Number(value)),
    (pa.decimal128(30, 10), "DECIMAL(30,10)"): (
        st.decimals(-(10**19), 10**19, places=10),
        lambda value, _: f"{value:f}",
    ),
    (pa.float64(), "DOUBLE"): (st.floats(allow_nan=False, allow_infinity=False), lambda value, _: number(value)),
    (pa.float32(), "FLOAT"): (
        st.floats(allow_nan=False, allow_infinity=False, width=32),
        lambda value, _: number(float(f"{value:.6g}")),
    ),
    (pa.date32(), "DATE"): (
        st.dates(date(1000, 1, 1), date(9998, 12, 31)),
        lambda value, zone: as_iso(midnight(value), zone),
    ),
    (pa.timestamp("us"), "DATETIME(6)"): (WALL_CLOCKS, as_iso),
    (pa.string(), "VARCHAR"): (st.text(), lambda value, _: value),
    (pa.binary(), "BLOB"): (
        st.binary(max_size=20),
        lambda value, _: {"type": "Buffer", "data": [Number(each) for each in value]},
    ),
    (pa.int16(), "YEAR"): (st.integers(1901, 2155), lambda value, _: Number(value)),
}


@given(st.data(), st.sampled_from(list(TYPES)), st.sampled_from(ZONES))
def test_every_type_as_node_writes_it_is_equal_and_has_the_same_key(
    data: st.DataObject, types: tuple[pa.DataType, str], zone: ZoneInfo
):
    arrow, mysql = types
    values, written = TYPES[types]
    value = data.draw(values)
    column = column_of(pa.field("value", arrow, metadata={"mysql_type": mysql}))
    (ours,) = our_texts(column, pa.array([value], arrow))
    old = old_text(column, written(value, zone), "json")
    assert Judge("json", zone).verdict(column, ours, old).equal, (ours, old)
    if mysql != "FLOAT":  # of which the old file has six digits: at the edge they round to another key
        keys = Keys([(0, column)], "json", zone)
        assert keys.key([ours]) == keys.key([old])


@given(JSON_VALUES)
def test_every_document_is_equal(value: Any):
    text = json.dumps(value)
    assert verdict("json", text, read_json(text) if isinstance(value, (list, dict)) else text).equal


@given(st.decimals(-(10**15), 10**15, places=5), st.integers(0, 4))
def test_any_changed_digit_of_a_decimal_is_found(value: Decimal, place: int):
    changed = value + Decimal(1).scaleb(-place)
    assert not verdict("decimal", f"{value:f}", f"{changed:f}").equal


@given(WALL_CLOCKS.map(lambda wall: wall.replace(microsecond=0)), st.sampled_from(ZONES))
def test_csv_writer_s_dates_are_equal(wall: datetime, zone: ZoneInfo):
    instant = wall.replace(tzinfo=zone)
    offset = instant.utcoffset() or timedelta(0)
    sign, minutes = "-" if offset < timedelta(0) else "+", abs(offset) // timedelta(minutes=1)
    spelled = f"{wall:%a %b %d} {wall.year:04} {wall:%H:%M:%S} GMT{sign}{minutes // 60:02}{minutes % 60:02} (Some Time)"
    column = Column("value", "datetime")
    assert verdict("datetime", wall.isoformat(), spelled, "csv", zone) == Verdict(equal=True)
    keys = Keys([(0, column)], "csv", zone)
    assert keys.key([wall.isoformat()]) == keys.key([spelled])


@given(st.dates(date(1901, 1, 1), date(2100, 1, 1)), st.sampled_from([0, 43, -2]))
def test_days_of_a_sheet_find_each_other(day: date, late: int):
    """Also where SheetJS is some seconds off."""
    serial = (midnight(day) - datetime.fromisoformat("1899-12-30")).days + late / 86_400
    column, text = Column("value", "date"), of_serial(serial)
    assert Keys([(0, column)], "excel", SHANGHAI).key([day.isoformat()]) == Keys([(0, column)], "excel", SHANGHAI).key(
        [text]
    )
    if late >= 0:
        assert Judge("excel", SHANGHAI).verdict(column, day.isoformat(), text).equal


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1, "0.1"), (1e21, "1e+21"), (1e-7, "1e-7"), (1e-6, "0.000001"), (1.5e-6, "0.0000015"), (123.0, "123"),
     (2.0**60, "1152921504606847000"), (1e20, "100000000000000000000"), (-1.25e-9, "-1.25e-9"), (1.5e300, "1.5e+300")],
)  # fmt: skip
def test_numbers_are_written_as_javascript_writes_them(value: float, text: str):
    assert javascript_number(value) == text
