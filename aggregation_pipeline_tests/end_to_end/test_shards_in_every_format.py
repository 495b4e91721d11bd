"""The files of shards are those of one table with the same rows, cell by cell, in every format."""

import csv
import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any, Final

import openpyxl
import pyarrow.parquet as pq
import pytest

from aggregation_pipeline.config.format_names import FORMAT_NAMES
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.export.destination import Destination
from aggregation_pipeline.export.observer import SilentObserver
from aggregation_pipeline.export.publishing import ExportedWindow
from aggregation_pipeline.export.window import export_window
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline.source.time_range import TimeRange
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline.storage.lock_protocol import NoLock
from aggregation_pipeline_tests.end_to_end.every_type import FailsOnWarning
from aggregation_pipeline_tests.support.file_contents import contents
from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, ZONE, options_for, run_on
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

DAY: Final = "2026-11-20"
STRICT: Final = FailsOnWarning()
COLUMNS: Final = (
    "id INT NOT NULL, kind ENUM('z','a') NOT NULL, word VARCHAR(20) COLLATE utf8mb4_general_ci, phone VARCHAR(20), note"
    " TEXT, price DECIMAL(20,4), huge BIGINT UNSIGNED, zero DATE, dt DATETIME NOT NULL, ts TIMESTAMP(3) NULL, KEY (dt)"
)
NAMES: Final = "id, kind, word, phone, note, price, huge, zero, dt, ts"
# The third shard has no rows, and the fourth none of the day.
SHARDS: Final[Sequence[Sequence[str]]] = (
    (
        "(1, 'z', 'VIP', '13800138000', 'a', 0.1000, 18446744073709551615, '2026-01-02', '{day}', '{day} 01:00')",
        "(2, 'a', '漢😀', NULL, NULL, NULL, 0, '0000-00-00', '{day} 23:59:59', NULL)",
        "(3, 'z', 'vip', '13800138001', 'c', 0.2000, 1, NULL, '2026-11-19 23:59:59', NULL)",
    ),
    (
        "(4, 'z', 'vip', '13800138000', '=1+1', 9999999999999999.9999, 7, '2026-00-10', '{day} 12:00', '{day} 12:00')",
        "(5, 'a', NULL, '139', 'line\\nbreak', -0.0001, NULL, NULL, '{day} 12:00:00', '{day} 12:00:00.123')",
    ),
    (),
    ("(6, 'a', 'x', NULL, NULL, 1, 1, NULL, '2026-11-21 00:00:00', NULL)",),
)
ENTRY: Final[dict[str, Any]] = {
    "name": "t",
    "group_by": ["kind", {"expr": "LOWER(word)", "alias": "w"}],
    "aggregations": [
        {"function": "COUNT", "alias": "n"},
        *({"function": function, "field": "price"} for function in ("SUM", "AVG", "MIN", "MAX")),
        {"function": "SUM", "field": "huge"},
        {"function": "MAX", "field": "zero"},
        {"expr": "ROUND(SUM(price) / COUNT(*), 2)", "alias": "each"},
    ],
    "select_fields": ["shard", "id", "kind", "word", "phone", "note", "price", "huge", "zero", "dt", "ts"],
    "order_by": ["dt", "id DESC"],
    "partition": {"column": "dt", "every": "day", "start": "2026-11-01"},
    "mask": {"phone": "partial", "note": "hash"},
}


@dataclass(frozen=True)
class Shop:
    """Shards, and `whole` with the rows of all of them."""

    server: MySQLServer
    database: str
    folder: Path

    def export(self, observer: SilentObserver = STRICT, **keys: Any) -> tuple[ExportedWindow, Path]:
        entry = TableEntry.model_validate(ENTRY | keys)
        start = dt.datetime.fromisoformat(DAY).replace(tzinfo=ZONE)
        day = TimeRange(DAY, "dt", start, start + dt.timedelta(days=1), ZONE)
        folder = self.folder / str(len(list(self.folder.iterdir())))
        destination = Destination(FolderStore(folder), "", "run", entry.options, folder / "temp", NoLock())
        exported = export_window(
            ReadRequest(entry, DAY, LOGICAL_TIME, ZONE, partition=day),
            options_for(self.server, self.database),
            FORMAT_NAMES,
            destination,
            observer,
        )
        return exported, folder / "t" / DAY


@pytest.fixture(scope="module")
def filled(mysql: MySQLServer) -> str:
    database = mysql.fresh_database()
    whole = f"CREATE TABLE whole (shard VARCHAR(9) NOT NULL, {COLUMNS}, PRIMARY KEY (shard, id)) CHARACTER SET utf8mb4"
    statements = ["SET sql_mode = '', time_zone = '+08:00'", whole]
    for number, rows in enumerate(SHARDS):
        statements.append(f"CREATE TABLE s_{number} ({COLUMNS}, PRIMARY KEY (id)) CHARACTER SET utf8mb4")
        statements += [f"INSERT INTO s_{number} ({NAMES}) VALUES {row.replace('{day}', DAY)}" for row in rows]
        statements.append(f"INSERT INTO whole (shard, {NAMES}) SELECT 's_{number}', {NAMES} FROM s_{number}")
    run_on(mysql, database, statements)
    return database


@pytest.fixture
def shop(mysql: MySQLServer, filled: str, tmp_path: Path) -> Shop:
    return Shop(mysql, filled, tmp_path)


def cells(window: Path, dataset: str) -> dict[str, Any]:
    """What each format says of a dataset, with the headings, as independent readers see it."""
    sheet = openpyxl.load_workbook(window / "t.xlsx")[dataset]
    parquet = pq.read_table(window / f"t.{dataset}.parquet")
    text = (window / f"t.{dataset}.csv").read_text(encoding="utf-8-sig")
    return {
        "json": json.loads((window / "t.json").read_text(encoding="utf-8"))[dataset],
        "csv": list(csv.reader(text.splitlines(keepends=True))),
        "excel": [[(cell.value, cell.number_format) for cell in row] for row in sheet.iter_rows()],
        "parquet": [(field.name, field.type) for field in parquet.schema],
        "parquet rows": parquet.to_pylist(),
    }


@pytest.mark.parametrize("limit", [None, 2])
def test_every_cell_of_shards_is_that_of_one_table(shop: Shop, limit: int | None):
    observer = STRICT if limit is None else SilentObserver()
    shards, ours = shop.export(observer, table="s_{0..3}", shard_column="shard", limit=limit)
    whole, theirs = shop.export(observer, table="whole", limit=limit)
    for dataset in ("summary", "detail"):
        assert cells(ours, dataset) == cells(theirs, dataset)
    for one, other in zip(shards.manifest.datasets, whole.manifest.datasets, strict=True):
        assert (one.rows, one.truncated, one.zero_dates, one.masks) == (
            *(other.rows, other.truncated, other.zero_dates, other.masks),
        )
        assert one.rows == (4 if limit is None and one.name == "detail" else limit or 3)
        assert one.truncated == (limit is not None)


def test_the_figures_are_those_that_a_person_would_compute(shop: Shop):
    _, window = shop.export(table="s_{0..3}", shard_column="shard")
    rows = {(row["kind"], row["w"]): row for row in json.loads((window / "t.json").read_text("utf-8"))["summary"]}
    vip = rows["z", "vip"]
    total = Decimal("0.1") + Decimal("9999999999999999.9999")
    assert (vip["n"], Decimal(vip["SUM(price)"])) == (2, total)
    cents = Decimal("0.01")
    assert Decimal(vip["each"]) == (total / 2).quantize(cents, ROUND_HALF_UP)
    assert Decimal(str(vip["SUM(huge)"])) == 2**64 + 6
    assert rows["a", "漢😀"]["SUM(price)"] is None
    detail = json.loads((window / "t.json").read_text("utf-8"))["detail"]
    assert [(row["shard"], row["id"], row["phone"]) for row in detail] == [
        ("s_0", 1, "138****8000"),
        ("s_1", 5, "1****"),
        ("s_1", 4, "138****8000"),
        ("s_0", 2, None),
    ]
    # The same value has the same hash in every shard, and no file holds what is masked.
    assert len({row["note"] for row in detail}) == 4
    held = [content for path in window.rglob("*") if path.is_file() for content in contents(path)]
    assert [content for content in held if b"13800138000" in content] == []


def test_words_that_a_collation_finds_equal_are_one_group_over_all_shards(shop: Shop):
    keys: dict[str, Any] = {
        "group_by": ["word"],
        "aggregations": [{"function": "COUNT", "alias": "n"}],
        "select_fields": [],
        "mask": {},
    }
    _, window = shop.export(table="s_{0..3}", order_by=None, **keys)
    found = {row["word"]: row["n"] for row in json.loads((window / "t.json").read_text("utf-8"))["summary"]}
    assert {None if word is None else word.lower(): n for word, n in found.items()} == {None: 1, "vip": 2, "漢😀": 1}


class Heard(SilentObserver):
    """Keeps warnings and the parts that are read."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.parts: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def part(self, text: str) -> None:
        self.parts += [text] if text else []


def test_shards_that_change_after_the_file_was_loaded(mysql: MySQLServer, tmp_path: Path):
    """Another type, a column that is missing, a shard that is gone: nothing is published. One that came: a warning."""
    database = mysql.fresh_database()
    run_on(
        mysql, database, [f"CREATE TABLE s_{n} ({COLUMNS}, PRIMARY KEY (id)) CHARACTER SET utf8mb4" for n in range(4)]
    )
    shop = Shop(mysql, database, tmp_path)
    keys: dict[str, Any] = {"table": "s_{0..3}", "shard_column": "shard", "order_by": None}
    heard = Heard()
    exported, window = shop.export(heard, **keys)
    assert exported.manifest.rows == 0
    assert cells(window, "detail")["csv"] == [ENTRY["select_fields"]]
    assert heard.parts == [f"s_{n}, {n + 1} of 4 shards" for n in range(4)]
    assert heard.warnings == []
    for change, undo, message in (
        ("ALTER TABLE s_1 MODIFY price DOUBLE", "ALTER TABLE s_1 MODIFY price DECIMAL(20,4)", "price of s_1 is double"),
        ("ALTER TABLE s_2 DROP note", "ALTER TABLE s_2 ADD note TEXT AFTER phone", "the column note of s_2 is missing"),
        ("DROP TABLE s_3", f"CREATE TABLE s_3 ({COLUMNS}, PRIMARY KEY (id)) CHARACTER SET utf8mb4", "there is no s_3,"),
    ):
        run_on(mysql, database, [change])
        with pytest.raises(SourceError, match=message):
            shop.export(**keys)
        assert not list(max(tmp_path.iterdir(), key=lambda path: int(path.name)).rglob("manifest.json"))
        run_on(mysql, database, [undo])
    run_on(mysql, database, ["CREATE TABLE s_4 LIKE s_0"])
    shop.export(heard, **keys)
    assert heard.warnings == ["table: s_{0..3} leaves out s_4, which is there too"]
