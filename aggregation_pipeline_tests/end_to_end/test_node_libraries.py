"""The files of `compat: node` beside what mysql2, csv-writer, json2csv and SheetJS really make of the same table."""

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest

from aggregation_pipeline.config.compat import NodeCsv
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.extract import Dataset
from aggregation_pipeline.formats.node.csv_file import write_node_csv
from aggregation_pipeline.formats.node.document import NodeDocument
from aggregation_pipeline.formats.node.totals import Totals
from aggregation_pipeline.formats.node.workbook import NodeWorkbook
from aggregation_pipeline.source.mysql.reader import read_extract
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, ignore_progress, options_for, run_on
from aggregation_pipeline_tests.support.servers.handles import MySQLServer
from aggregation_pipeline_tests.support.servers.node_packages import run_node

pytestmark = pytest.mark.slow
ZONE: Final = "Asia/Shanghai"
STAMP: Final = datetime(2026, 11, 19, 18, 0, tzinfo=UTC)
COLUMNS: Final = {
    "id": "INT PRIMARY KEY",
    "flag": "TINYINT(1)",
    "big": "BIGINT",
    "huge": "BIGINT UNSIGNED",
    "money": "DECIMAL(20,4)",
    "ratio": "DOUBLE",
    "single": "FLOAT",
    "bits": "BIT(9)",
    "day": "DATE",
    "clock": "DATETIME",
    "fine": "DATETIME(6)",
    "moment": "TIMESTAMP(3) NULL",
    "time": "TIME",
    "year": "YEAR",
    "text": "VARCHAR(50)",
    "long_text": "TEXT",
    "kind": "ENUM('a', '贰')",
    "bytes": "VARBINARY(9)",
    "blob_": "BLOB",
}
ROWS: Final = (
    """(1, 1, 9007199254740991, 9007199254740991, 98231.5, 0.1, 0.25, b'100000001', '2026-11-21', '2026-11-21 14:05:06',
        '2026-11-21 14:05:06.123999', '2026-11-21 14:05:06.5', '-838:59:59', 2026, 'say "hi", 张三 😀', 'a\\nb\\r\\nc',
        '贰', x'00ff41', x'')""",
    """(2, 0, -1, 0, -0.0001, 1e21, -1.5, b'0', '1900-01-01', '1988-07-01 00:00:00', '9999-12-31 23:59:59.000000',
        '1999-12-31 23:59:59', '00:00:00', 1901, '', ' x ', 'a', x'31', x'0a')""",
    f"(3{', NULL' * (len(COLUMNS) - 1)})",
)
FIGURES: Final = [
    {"function": "COUNT", "alias": "n"},
    {"function": "SUM", "field": "id", "alias": "sum_of_integers"},
    {"function": "AVG", "field": "id", "alias": "mean"},
    {"function": "SUM", "field": "ratio", "alias": "sum_of_doubles"},
    {"function": "MAX", "field": "day", "alias": "last"},
]
QUERY: Final = "SELECT * FROM t ORDER BY id"
SUMMARY: Final = (
    "SELECT flag, COUNT(*) AS n, SUM(id) AS sum_of_integers, AVG(id) AS mean, SUM(ratio) AS sum_of_doubles,"
    " MAX(day) AS last FROM t GROUP BY flag ORDER BY flag"
)
# What the old service does with the rows of a query.
WRITE: Final = """
const mysql = require('mysql2/promise'), { Parser } = require('json2csv'), fs = require('fs');
const { createObjectCsvWriter } = require('csv-writer');
(async () => {
  const { socket, user, database } = input;
  const connection = await mysql.createConnection({ socketPath: socket, user, database });
  await connection.query("SET time_zone = '+08:00'");
  const [rows] = await connection.query(input.sql);
  await connection.end();
  const header = Object.keys(rows[0]).map(id => ({ id, title: id }));
  await createObjectCsvWriter({ path: input.csv, header }).writeRecords(rows);
  console.log(JSON.stringify({ rows, json2csv: new Parser().parse(rows), csv: fs.readFileSync(input.csv, 'utf8') }));
})();
"""
READ: Final = """
const XLSX = require('xlsx'), book = XLSX.readFile(input.path);
console.log(JSON.stringify(book.SheetNames.map(name => XLSX.utils.sheet_to_json(book.Sheets[name], { header: 1 }))));
"""


@pytest.fixture
def database(mysql: MySQLServer) -> str:
    name = mysql.fresh_database()
    columns = ", ".join(f"`{column}` {kind}" for column, kind in COLUMNS.items())
    run_on(mysql, name, ["SET time_zone = '+08:00'", f"CREATE TABLE t ({columns}) DEFAULT CHARSET utf8mb4"])
    statements = ["SET time_zone = '+08:00'", f"INSERT INTO t VALUES {', '.join(ROWS)}"]
    run_on(mysql, name, statements)
    return name


def dataset_of(mysql: MySQLServer, database: str, folder: Path, **keys: Any) -> Dataset:
    entry = TableEntry.model_validate({"name": "t", **keys})
    request = ReadRequest(entry, "2026-11-21", LOGICAL_TIME, ZoneInfo(ZONE), "null")
    (found,) = read_extract(request, options_for(mysql, database), folder, ignore_progress).datasets
    return found


def as_json(dataset: Dataset) -> Any:
    file = io.BytesIO()
    document = NodeDocument(file, STAMP, ZoneInfo(ZONE))
    document.add("t", dataset)
    document.end(Totals(), [])
    return json.loads(file.getvalue())["tables"]["t"]["data"]


def as_csv(dataset: Dataset, style: NodeCsv) -> str:
    file = io.BytesIO()
    write_node_csv(dataset, file, style, ZoneInfo(ZONE))
    return file.getvalue().decode()


def old_service(mysql: MySQLServer, database: str, sql: str, folder: Path) -> Any:
    address = {"socket": mysql.unix_socket, "user": mysql.user, "database": database}
    return run_node(WRITE, {**address, "sql": sql, "csv": str(folder / "old.csv")}, ZONE)


def rows_of(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def test_rows_are_those_of_the_old_service(mysql: MySQLServer, database: str, tmp_path: Path):
    for sql, keys in ((QUERY, {"select_fields": ["*"]}), (SUMMARY, {"group_by": ["flag"], "aggregations": FIGURES})):
        old = old_service(mysql, database, sql, tmp_path)
        dataset = dataset_of(mysql, database, tmp_path, **keys)
        assert as_json(dataset) == old["rows"]
        assert rows_of(as_csv(dataset, "json2csv")) == rows_of(old["json2csv"])
        shown = [name for name in dataset.schema.names if name not in ("bits", "bytes", "blob_")]
        ours, theirs = rows_of(as_csv(dataset, "csv-writer")), rows_of(old["csv"])
        # csv-writer takes the bytes of a Buffer for UTF-8; ours keep them.
        assert [{name: row[ours[0].index(name)] for name in shown} for row in ours] == [
            {name: row[theirs[0].index(name)] for name in shown} for row in theirs
        ]


def test_sheetjs_reads_the_workbook(mysql: MySQLServer, database: str, tmp_path: Path):
    dataset = dataset_of(mysql, database, tmp_path, select_fields=["id", "text", "day", "money", "bytes"])
    workbook = NodeWorkbook(STAMP, ZoneInfo(ZONE))
    workbook.add("t", dataset)
    workbook.save(tmp_path / "all.excel", Totals(3, 1, 0))
    first, sheet = run_node(READ, {"path": str(tmp_path / "all.excel")}, ZONE)
    assert first[0] == ["汇总时间", "2026-11-19T18:00:00.000Z"]
    assert sheet[0] == ["id", "text", "day", "money", "bytes"]
    # 46347 days after 1899-12-30 is 2026-11-21.
    assert sheet[1] == [1, 'say "hi", 张三 😀', 46347, "98231.5000", '{"type":"Buffer","data":[0,255,65]}']
    assert sheet[2][2] == "1900-01-01 00:00:00.000"
    assert sheet[3] == [3]
