"""Comments of MySQL's columns reach the workbook, from the database and from the stored extract."""

from pathlib import Path

import openpyxl

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.export.destination import Destination
from aggregation_pipeline.export.observer import SilentObserver
from aggregation_pipeline.export.published import render_window
from aggregation_pipeline.export.window import export_window
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline.storage.lock_protocol import NoLock
from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, ZONE, options_for
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

EXCEL = {"labels": "comment", "totals": True, "language": "zh"}


def test_a_workbook_has_its_labels_and_totals_from_the_database_and_from_the_stored_extract_alike(
    mariadb: MySQLServer, tmp_path: Path
):
    database = mariadb.fresh_database()
    with mariadb.connect(database=database) as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE o (id INT PRIMARY KEY COMMENT '编号', state INT COMMENT '状态', paid DECIMAL(10,2) COMMENT"
            " '金额')"
        )
        cursor.execute("INSERT INTO o VALUES (1, 1, 1234.5), (2, 1, 2), (3, 2, NULL)")
    entry = TableEntry.model_validate(
        {
            "name": "o",
            "group_by": ["state"],
            "aggregations": [
                {"function": "COUNT", "alias": "n"},
                {"expr": "SUM(paid)", "alias": "sum"},
                {"expr": "AVG(paid)", "alias": "avg"},
            ],
            "select_fields": ["*"],
            "options": {"excel": EXCEL},
        }
    )
    store = FolderStore(tmp_path / "exports")
    destination = Destination(store, "", "run", entry.options, tmp_path / "temp", NoLock())
    exported = export_window(
        ReadRequest(entry, "2026-11-20", LOGICAL_TIME, ZONE),
        options_for(mariadb, database),
        ["excel"],
        destination,
        SilentObserver(),
    )
    path = tmp_path / "exports" / exported.files[0].key
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["汇总", "明细", "说明"]
    assert [cell.value for cell in book["明细"][1]] == ["编号", "状态", "金额"]
    # Unasked: whether these are amounts or unit prices is not known.
    assert book["明细"].max_row == 4
    assert [cell.value for cell in book["汇总"][1]] == ["状态", "n", "sum", "avg"]
    assert [cell.value for cell in book["汇总"][5]] == ["合计", "=SUBTOTAL(9,B2:B3)", "=SUBTOTAL(9,C2:C3)", None]
    before = path.read_bytes()
    path.unlink()
    again = render_window(entry, "2026-11-20", ["excel"], destination, SilentObserver())
    assert (tmp_path / "exports" / again.files[0].key).read_bytes() == before


def test_an_alias_goes_before_a_comment_and_a_column_behind_its_table_has_one(mariadb: MySQLServer, tmp_path: Path):
    database = mariadb.fresh_database()
    with mariadb.connect(database=database) as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE o (id INT PRIMARY KEY COMMENT '编号', b DECIMAL(10,2) COMMENT '金额',"
            " `c d` INT COMMENT '数量')"
        )
        cursor.execute("INSERT INTO o VALUES (1, 1.5, 2)")
    fields = ["o.id", {"expr": "b", "alias": "单价"}, {"expr": "o.b", "alias": "price"}, "`o`.`c d`", "b"]
    entry = TableEntry.model_validate(
        {
            "name": "o",
            "group_by": [{"expr": "b", "alias": "金"}, "o.id"],
            "select_fields": fields,
            "options": {"excel": {"labels": "comment"}},
        }
    )
    destination = Destination(FolderStore(tmp_path / "exports"), "", "run", entry.options, tmp_path / "temp", NoLock())
    exported = export_window(
        ReadRequest(entry, "2026-11-20", LOGICAL_TIME, ZONE),
        options_for(mariadb, database),
        ["excel"],
        destination,
        SilentObserver(),
    )
    book = openpyxl.load_workbook(tmp_path / "exports" / exported.files[0].key)
    assert [cell.value for cell in book["detail"][1]] == ["编号", "单价", "price", "数量", "金额"]
    assert [cell.value for cell in book["summary"][1]] == ["金", "编号"]
    about = dict(book["about"].iter_rows(values_only=True))
    assert "单价 DECIMAL(10,2): 金额" in about["detail columns"]
