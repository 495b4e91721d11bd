"""Old files that are damaged, of another kind, or made to do harm: each ends in words, and nothing is compared."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from aggregation_pipeline_tests.comparison.comparing import compared, entry_of, extract_of, old_json

OURS = pa.table({"id": [1, 2], "name": ["张三", "李四"]})
ROWS = [{"id": 1, "name": "张三"}, {"id": 2, "name": "李四"}]
GOOD = json.dumps(old_json(ROWS), ensure_ascii=False).encode()
SHEET = (
    "<worksheet><sheetData><row><c t='str'><v>id</v></c><c t='str'><v>name</v></c></row>"
    "<row><c><v>1</v></c><c t='str'><v>张三</v></c></row><row><c><v>2</v></c><c t='str'><v>李四</v></c></row>"
    "</sheetData></worksheet>"
)


def workbook(sheet: str = SHEET, name: str = "orders", **parts: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr(
            "xl/workbook.xml",
            f"<workbook xmlns:r='r'><sheets><sheet name='{name}' sheetId='1' r:id='rId1'/></sheets></workbook>",
        )
        book.writestr(
            "xl/_rels/workbook.xml.rels",
            "<Relationships><Relationship Id='rId1' Target='worksheets/sheet1.xml'/></Relationships>",
        )
        book.writestr("xl/worksheets/sheet1.xml", sheet)
        for part, content in parts.items():
            book.writestr(f"xl/{part}.xml", content)
    return buffer.getvalue()


def compare_with(tmp_path: Path, name: str, content: bytes, **options: Any) -> Any:
    path = tmp_path / name
    path.write_bytes(content)
    entry = entry_of(select_fields=["id", "name"])
    return compared(tmp_path, entry, extract_of(tmp_path, OURS), path, file=str(path), **options)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", GOOD),
        ("bom.json", b"\xef\xbb\xbf" + GOOD),
        ("a.csv", "id,name\n1,张三\n2,李四\n".encode()),
        ("bom.csv", b"\xef\xbb\xbf" + "id,name\n1,张三\n2,李四\n".encode()),
        ("permuted.csv", "name,id\n李四,2\n张三,1\n".encode()),
        ("permuted.json", json.dumps(old_json(ROWS[::-1])).encode()),
        ("a.excel", workbook()),
        ("a.xlsx", workbook()),
    ],
)
def test_good_files_are_equal(name: str, content: bytes, tmp_path: Path):
    result = compare_with(tmp_path, name, content)
    assert (result.problem, result.status, result.equal_rows) == (None, "equal", 2)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("cut.json", GOOD[:-40], "it is cut off"),
        ("cut.json", GOOD[:60], "it is cut off"),
        ("empty.json", b"", "an object was expected"),
        ("zeros.json", bytes(4096), "an object was expected"),
        ("list.json", json.dumps(ROWS).encode(), "an object was expected"),
        ("shape.json", b'{"orders": []}', 'it has no "tables"'),
        ("twice.json", b'{"tables": {"orders": {}, "orders": {}}}', "a table is there twice"),
        ("more.json", GOOD + b"{}", "something follows"),
        ("keys.json", GOOD.replace(b'"id": 2', b'"id": 2, "id": 3'), "an object has one key twice"),
        ("nan.json", GOOD.replace(b'"id": 2', b'"id": NaN'), "NaN is no JSON"),
        ("deep.json", b'{"tables": {"orders": {"data": [' + b"[" * 200_000, "nested too deeply"),
        (
            "count.json",
            GOOD.replace(b'"recordCount": 2', b'"recordCount": 3'),
            "it says that table 'orders' has 3 rows",
        ),
        ("gbk.json", json.dumps(old_json(ROWS), ensure_ascii=False).encode("gb18030"), "iconv -f gb18030 -t utf-8"),
        ("utf16.json", GOOD.decode().encode("utf-16"), "is not UTF-8"),
        ("other.json", json.dumps(old_json(ROWS, "users")).encode(), "has no table 'orders'; it has users"),
        ("failed.json", b'{"tables": {"orders": {"success": false, "error": "13800001111"}}}', "could not read table"),
        (
            "late.json",
            GOOD.replace(b'"success": true, ', b"").replace(b"1}}", b'1}, "success": false}'),
            "could not read table",
        ),
        ("none.json", b'{"tables": {"orders": {"success": true, "recordCount": 5, "data": []}}}', "has 5 rows"),
        ("ragged.json", json.dumps(old_json([{"id": 1}, ROWS[1]])).encode(), "that the first row does not have"),
        ("columns.json", json.dumps(old_json([{"a": 1}])).encode(), "no column in common"),
        ("a.txt", b"", "a name that ends in .json"),
        ("cut.csv", b"id,name\n1,a\n2", "line 3: 2 cells are expected"),
        ("quote.csv", b'id,name\n1,"a\n2,b\n', "is no CSV, or it is cut off"),
        ("twice.csv", b"id,id\n1,2\n", "names a column twice"),
        ("gbk.csv", "id,name\n1,张三\n".encode("gb18030"), "iconv -f gb18030 -t utf-8"),
        ("zeros.csv", bytes(4096), "is no text"),
        ("old.excel", b"\xd0\xcf\x11\xe0" + bytes(600), "Excel 97"),
        ("cut.excel", workbook()[:-100], "is no workbook, or it is cut off"),
        ("text.excel", b"id,name\n", "is no workbook"),
        ("formula.excel", workbook(SHEET.replace("<v>2</v>", "<f>1+1</f><v>2</v>")), "a cell holds a formula"),
        ("sheet.excel", workbook(name="users"), "has no table 'orders'; it has users"),
        ("xml.excel", workbook(SHEET[:-30]), "is no XML"),
        ("bomb.excel", workbook("<worksheet>" + " " * 70_000_000), "grows to over"),
        (
            "entities.excel",
            workbook("<!DOCTYPE a [<!ENTITY b 'bbbb'>]>" + SHEET),
            "declares a document type",
        ),
        ("text.excel", workbook(SHEET.replace("<c><v>1</v>", "<c t='s'><v>7</v>")), "names a text that is not there"),
    ],
)
def test_bad_files_end_in_words(name: str, content: bytes, words: str, tmp_path: Path):
    result = compare_with(tmp_path, name, content)
    assert result.status == "not_compared"
    assert result.problem is not None
    assert words in result.problem
    assert "13800001111" not in result.problem


@pytest.mark.parametrize("ending", ["json", "csv", "excel"])
def test_two_gigabytes_of_nothing_are_refused_at_once(ending: str, tmp_path: Path):
    path = tmp_path / f"sparse.{ending}"
    with path.open("wb") as file:
        file.truncate(2 * 1024**3)
    entry = entry_of(select_fields=["id", "name"])
    result = compared(tmp_path, entry, extract_of(tmp_path, OURS), path, file=str(path))
    assert result.status == "not_compared"


def test_texts_that_excel_has_put_in_one_place_are_read(tmp_path: Path):
    sheet = SHEET.replace("<c t='str'><v>张三</v></c>", "<c t='s'><v>1</v></c>")
    shared = "<sst><si><t>x</t></si><si><r><t>张</t></r><r><t>三</t></r><rPh><t>zhang</t></rPh></si></sst>"
    result = compare_with(tmp_path, "a.xlsx", workbook(sheet, sharedStrings=shared))
    assert (result.problem, result.status) == (None, "equal")
