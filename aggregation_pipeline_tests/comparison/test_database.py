"""For a few keys that differ, the source database is asked, through the reader: which side does it agree with?"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aggregation_pipeline.comparison.results import TableResult
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.extract import Extract
from aggregation_pipeline.source.mysql.reader import read_extract
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline_tests.comparison.comparing import WINDOW, compared, entry_of, old_json
from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, ZONE, ignore_progress, options_for, run_on
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

ODD = 'it\'s \\ "odd" %s :x 张'
QUOTED = ODD.replace("\\", "\\\\").replace("'", "''")
STATEMENTS = (
    """CREATE TABLE orders (id BIGINT UNSIGNED PRIMARY KEY, status VARCHAR(40) COLLATE utf8mb4_bin, day DATE,
        price DECIMAL(10,2), phone VARCHAR(20))""",
    f"""INSERT INTO orders VALUES (1, '{QUOTED}', '2026-11-20', 1.10, '13812345678'),
        (2, NULL, '2026-11-20', 2.20, '13912345678'), (3, '', NULL, 3.30, NULL),
        (18446744073709551615, 'b', '2026-11-19', 4.40, '张三')""",
)
Rows = list[dict[str, Any]]


@pytest.fixture
def database(mariadb: MySQLServer) -> str:
    name = mariadb.fresh_database()
    run_on(mariadb, name, STATEMENTS)
    return name


def read(server: MySQLServer, database: str, entry: TableEntry, folder: Path) -> Extract:
    folder.mkdir()
    return read_extract(
        ReadRequest(entry, WINDOW, LOGICAL_TIME, ZONE), options_for(server, database), folder, ignore_progress
    )


def compare(
    server: MySQLServer,
    database: str,
    folder: Path,
    entry: TableEntry,
    old: Rows,
    changes: Mapping[str, Any],
) -> TableResult:
    """Change a value of the first row of ours, and compare with the old rows."""
    extract = read(server, database, entry, folder / "extract")
    (dataset,) = extract.datasets
    table = pq.read_table(dataset.path)
    rows = table.to_pylist()
    rows[0].update(changes)
    pq.write_table(pa.Table.from_pylist(rows, table.schema), folder / "changed.parquet")
    changed = replace(extract, datasets=(replace(dataset, path=folder / "changed.parquet"),))
    path = folder / "old.json"
    path.write_text(json.dumps(old_json(old)), encoding="utf-8")
    return compared(folder, entry, changed, path, file=str(path), source=lambda _: options_for(server, database))


def test_each_value_is_judged_by_the_database(mariadb: MySQLServer, database: str, tmp_path: Path):
    """By keys of odd letters, NULL, no letters, and dates; inside of the entry's own condition."""
    entry = entry_of(
        group_by=["status", "day"],
        aggregations=[{"function": "SUM", "field": "price", "alias": "total"}, {"function": "COUNT", "alias": "n"}],
        where="price > 0 OR id = 0",
        limit=100,
    )
    old: Rows = [
        {"status": ODD, "day": "2026-11-19T16:00:00.000Z", "total": "1.10", "n": 1},
        {"status": None, "day": "2026-11-19T16:00:00.000Z", "total": "9.99", "n": 1},
        {"status": "", "day": None, "total": "3.30", "n": 2},
        {"status": "b", "day": "2026-11-17T16:00:00.000Z", "total": "4.40", "n": 1},
    ]
    result = compare(mariadb, database, tmp_path, entry, old, {})
    assert (result.problem, result.unasked) == (None, "")
    found = {(each.key["status"], each.column, each.side): each.database for each in result.examples}
    assert found == {
        (None, "total", None): "ours",
        ("", "n", None): "ours",
        ("b", None, "ours"): "ours",
        ("b", None, "old"): "ours",
    }


def test_the_old_side_may_be_right_and_both_may_be_wrong(mariadb: MySQLServer, database: str, tmp_path: Path):
    entry = entry_of(select_fields=["id", "status", "price"])
    old: Rows = [
        {"id": 1, "status": "c", "price": "1.10"},
        {"id": 2, "status": None, "price": "2.20"},
        {"id": 3, "status": "", "price": "3.30"},
        {"id": 18446744073709552000, "status": "b", "price": "4.40"},
    ]
    changes = {"price": 9, "status": "a"}
    result = compare(mariadb, database, tmp_path, entry, old, changes)
    assert {(each.column, each.database) for each in result.examples} == {("price", "old"), ("status", "neither")}


def test_the_only_row_is_asked_for_too(mariadb: MySQLServer, database: str, tmp_path: Path):
    entry = entry_of(aggregations=[{"function": "COUNT", "alias": "n"}])
    result = compare(mariadb, database, tmp_path, entry, [{"n": 7}], {})
    assert [(each.column, each.database) for each in result.examples] == [("n", "ours")]


def test_masks_hold_and_masked_keys_are_not_asked_for(mariadb: MySQLServer, database: str, tmp_path: Path):
    entry = entry_of(select_fields=["id", "phone"], mask={"phone": "partial"})
    old: Rows = [
        {"id": 1, "phone": "13812345678"},
        {"id": 2, "phone": "13999999999"},
        {"id": 3, "phone": None},
        {"id": 18446744073709552000, "phone": "张三"},
    ]
    result = compare(mariadb, database, tmp_path, entry, old, {})
    (example,) = result.examples
    assert (example.ours, example.old, example.database) == ("139****5678", "(masked)", "ours")


def test_a_database_that_is_away_is_said(mariadb: MySQLServer, database: str, tmp_path: Path):
    entry = entry_of(select_fields=["id"])
    run_on(mariadb, database, ["CREATE TABLE kept AS SELECT * FROM orders"])
    extract = read(mariadb, database, entry, tmp_path / "extract")
    run_on(mariadb, database, ["DROP TABLE orders"])
    path = tmp_path / "old.json"
    path.write_text(json.dumps(old_json([{"id": 7}])), encoding="utf-8")
    result = compared(tmp_path, entry, extract, path, file=str(path), source=lambda _: options_for(mariadb, database))
    assert result.status == "differs"
    assert result.unasked.startswith("the database could not be asked: ")
