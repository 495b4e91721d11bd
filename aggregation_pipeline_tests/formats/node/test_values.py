"""Values as Node.js writes them: what is expected here was printed by Node.js 20, csv-writer 1 and json2csv 5."""

import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aggregation_pipeline.config.compat import NodeCsv
from aggregation_pipeline.errors import FormatError
from aggregation_pipeline.extract import Dataset
from aggregation_pipeline.formats.node.csv_file import date_text, write_node_csv
from aggregation_pipeline.formats.node.document import NodeDocument
from aggregation_pipeline.formats.node.totals import Totals
from aggregation_pipeline.formats.node.values import instant_of, iso_text
from aggregation_pipeline.formats.node.workbook import NodeWorkbook

SHANGHAI = ZoneInfo("Asia/Shanghai")
STAMP = datetime(2026, 11, 19, 18, 0, tzinfo=UTC)


def dataset(folder: Path, columns: Mapping[str, tuple[str, pa.DataType, Sequence[Any]]], **changes: Any) -> Dataset:
    """A dataset of one batch; each column by its MySQL type, its Arrow type and its values."""
    fields = [pa.field(name, kind, metadata={"mysql_type": mysql}) for name, (mysql, kind, _) in columns.items()]
    arrays = [pa.array(values, kind) for _, kind, values in columns.values()]
    table = pa.Table.from_arrays(arrays, schema=pa.schema(fields))
    path = folder / f"{len(list(folder.iterdir()))}.parquet"
    pq.write_table(table, path)
    return Dataset("summary", path, changes.pop("rows", table.num_rows), table.schema, False, "", "", **changes)


COLUMNS: dict[str, tuple[str, pa.DataType, Sequence[Any]]] = {
    "tiny": ("TINYINT", pa.int8(), [1, None]),
    "big": ("BIGINT", pa.int64(), [9007199254740993, None]),
    "money": ("DECIMAL(10,2)", pa.decimal128(10, 2), [Decimal("10.50"), None]),
    "ratio": ("DOUBLE", pa.float64(), [0.1, None]),
    "declared": ("DOUBLE(16,4)", pa.float64(), [5.0, None]),
    "day": ("DATE", pa.date32(), [date(2026, 11, 21), None]),
    "clock": ("DATETIME(6)", pa.timestamp("us"), [datetime(2026, 11, 21, 14, 5, 6, 7999), None]),
    "moment": ("TIMESTAMP", pa.timestamp("us", "Europe/Berlin"), [datetime(2026, 11, 21, 6, 5, 6, tzinfo=UTC), None]),
    "time": ("TIME", pa.string(), ["-838:59:59", None]),
    "json": ("JSON", pa.string(), ['{"a": 1, "b": "x"}', None]),
    "bytes": ("BLOB", pa.binary(), [b"\x00\xffA", None]),
    "bits": ("BIT(13)", pa.uint64(), [4097, None]),
    "text": ("VARCHAR", pa.string(), ['say "hi", 张三', None]),
    "lines": ("TEXT", pa.string(), ["a\nb", ""]),
}


def test_json_holds_what_json_stringify_made_of_the_rows(tmp_path: Path):
    file = io.BytesIO()
    document = NodeDocument(file, STAMP, SHANGHAI)
    document.add("t", dataset(tmp_path, COLUMNS))
    document.add_failed('a "b"', "why")
    document.end(Totals(2, 1, 1), [{"type": "json"}])
    found = json.loads(file.getvalue())
    first, second = found["tables"]["t"]["data"]
    assert first == {
        "tiny": 1,
        "big": 9007199254740993,
        "money": "10.50",
        "ratio": 0.1,
        "declared": 5,
        "day": "2026-11-20T16:00:00.000Z",
        "clock": "2026-11-21T06:05:06.007Z",
        "moment": "2026-11-21T06:05:06.000Z",
        "time": "-838:59:59",
        "json": {"a": 1, "b": "x"},
        "bytes": {"type": "Buffer", "data": [0, 255, 65]},
        "bits": {"type": "Buffer", "data": [16, 1]},
        "text": 'say "hi", 张三',
        "lines": "a\nb",
    }
    assert second == {**dict.fromkeys(COLUMNS), "lines": ""}
    assert found["tables"]['a "b"'] == {"success": False, "error": "why", "recordCount": 0}
    assert found["summary"] == {"totalTables": 2, "totalRecords": 2, "successCount": 1, "errorCount": 1}


def test_what_a_mask_made_of_a_document_is_text(tmp_path: Path):
    file = io.BytesIO()
    document = NodeDocument(file, STAMP, SHANGHAI)
    masked = {"json": ("JSON", pa.string(), ["****"])}
    document.add("t", dataset(tmp_path, masked, masks={"json": "partial"}))
    document.end(Totals(), [])
    assert json.loads(file.getvalue())["tables"]["t"]["data"] == [{"json": "****"}]


@pytest.mark.parametrize(
    ("style", "text"),
    [
        (
            "csv-writer",
            (
                "day,money,json,bytes,text,lines,tiny\n"
                'Sat Nov 21 2026 00:00:00 GMT+0800 (China Standard Time),10.50,"{""a"": 1, ""b"": ""x""}",'
                '"{""type"":""Buffer"",""data"":[0,255,65]}","say ""hi"", 张三","a\nb",1\n'
                ",,,,,,\n"
            ),
        ),
        (
            "json2csv",
            (
                '"day","money","json","bytes","text","lines","tiny"\n'
                '"2026-11-20T16:00:00.000Z","10.50","{""a"": 1, ""b"": ""x""}",'
                '"{""type"":""Buffer"",""data"":[0,255,65]}","say ""hi"", 张三","a\nb",1\n'
                ',,,,,"",'
            ),
        ),
    ],
)
def test_csv_is_written_as_each_library_does(tmp_path: Path, style: NodeCsv, text: str):
    names = ("day", "money", "json", "bytes", "text", "lines", "tiny")
    file = io.BytesIO()
    write_node_csv(dataset(tmp_path, {name: COLUMNS[name] for name in names}), file, style, SHANGHAI)
    assert file.getvalue().decode() == text


@pytest.mark.parametrize(
    ("value", "iso", "shown"),
    [
        (date(1, 1, 1), "0000-12-31T15:54:17.000Z", "Mon Jan 01 0001 00:00:00 GMT+0805"),
        (date(1900, 1, 1), "1899-12-31T15:54:17.000Z", "Mon Jan 01 1900 00:00:00 GMT+0805"),
        (datetime(9999, 12, 31, 23, 59, 59), "9999-12-31T15:59:59.000Z", "Fri Dec 31 9999 23:59:59 GMT+0800"),
        # China's clocks were one hour ahead in that summer.
        (date(1988, 7, 1), "1988-06-30T15:00:00.000Z", "Fri Jul 01 1988 00:00:00 GMT+0900 (China Daylight Time)"),
    ],
)
def test_moments_at_the_ends_of_calendars_are_those_of_javascript(value: date, iso: str, shown: str):
    instant = instant_of(value, SHANGHAI)
    assert iso_text(instant) == iso
    assert date_text(instant, SHANGHAI).startswith(shown)


def test_a_year_after_9999_has_six_digits():
    assert iso_text(instant_of(date(9999, 12, 31), ZoneInfo("Etc/GMT+5"))) == "9999-12-31T05:00:00.000Z"
    late = instant_of(datetime(9999, 12, 31, 23, 0), ZoneInfo("Etc/GMT+5"))
    assert iso_text(late) == "+010000-01-01T04:00:00.000Z"


def test_sheets_get_names_that_excel_takes_and_too_many_rows_are_refused(tmp_path: Path):
    import openpyxl

    workbook = NodeWorkbook(STAMP, SHANGHAI)
    small = dataset(tmp_path, {"a": ("INT", pa.int32(), [1])})
    for name in ("a/b", "a?b", "x" * 40, "x" * 41, "汇总信息"):
        workbook.add(name, small)
    with pytest.raises(FormatError, match=r"'t' has 1,048,576 rows, and a sheet .* takes 1,048,575\. Give the entry a"):
        workbook.add("t", dataset(tmp_path, {"a": ("INT", pa.int32(), [1])}, rows=1_048_576))
    workbook.save(tmp_path / "all.xlsx", Totals())
    names = openpyxl.load_workbook(tmp_path / "all.xlsx").sheetnames
    assert names == ["汇总信息", "a_b", "a_b (2)", "x" * 31, "x" * 27 + " (2)", "汇总信息 (2)"]
