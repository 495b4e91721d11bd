"""`plan` shows what a run would do, with the files that it would write, and touches nothing."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from aggregation_pipeline.cli.main import main
from aggregation_pipeline.config.format_names import FORMAT_NAMES
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.export.destination import Destination
from aggregation_pipeline.export.dry_run import plan_tables
from aggregation_pipeline.export.observer import SilentObserver
from aggregation_pipeline.export.window import export_window
from aggregation_pipeline.postgres.engine import create_engine
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline.storage.lock_protocol import NoLock
from aggregation_pipeline_tests.export.planned_shop import plan, planned
from aggregation_pipeline_tests.support.deployment import Deployment
from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, ZONE, options_for
from aggregation_pipeline_tests.support.servers.handles import MySQLServer


def test_a_table_that_is_right_is_shown_with_all_that_a_run_would_do(shop: Deployment):
    code, tables = planned()
    orders = tables["orders"]
    assert (code, orders["problems"], orders["warnings"]) == (0, [], [])
    assert orders["snapshot"] is True
    assert orders["published"] is False
    summary, detail = orders["datasets"]
    assert summary["sql"].startswith("SELECT `status`, COUNT(*) AS `n`\nFROM `orders` WHERE")
    assert detail["sql"].startswith("SELECT `id`, `phone`, (`ratio` * 1e0) AS `ratio`\nFROM `orders` WHERE")
    assert (detail["columns"], detail["masks"], detail["limit"]) == (
        {"id": "INT", "phone": "VARCHAR", "ratio": "FLOAT"},
        {"phone": "partial"},
        10,
    )
    assert (summary["index"], summary["estimate"] < 1000) == ("by_day", True)
    window = orders["window"]
    assert [file["key"] for file in orders["files"]][-2:] == [
        f"orders/{window}/orders.detail.parquet",
        f"orders/{window}/manifest.json",
    ]
    assert not shop.exports.exists()


def test_what_people_read_names_the_table_its_sql_and_its_files(shop: Deployment):
    result = plan()
    assert result.exit_code == 0
    for words in (
        "orders  ready",
        "one snapshot",
        "by index by_day",
        "phone VARCHAR (partial)",
        "orders.xlsx",
        "GROUP BY 1",
    ):
        assert words in result.stdout


def test_a_plan_leaves_nothing_behind(mariadb_shop: Deployment):
    assert planned()[0] == 0
    engine = create_engine(mariadb_shop.postgres_url, application_name="test")
    with engine.connect() as connection:
        assert tuple(
            connection.exec_driver_sql("SELECT to_regclass('public.batch_jobs'), to_regclass('runs')").one()
        ) == (None, None)
    assert {path.name for path in mariadb_shop.folder.iterdir()} == {"aggregation.yaml", "dagster.yaml"}


@pytest.mark.parametrize(
    "options",
    [
        {"csv": {"delimiter": ";"}},
        {"fileNames": "{dataset}-{table}_{window}", "json": {"shape": "lines"}},
        {"json": {"shape": "array"}},
    ],
)
def test_the_files_of_a_plan_are_those_of_the_run(mariadb: MySQLServer, tmp_path: Path, options: dict[str, Any]):
    database = mariadb.fresh_database()
    with mariadb.connect(database=database) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE `a/b 中` (id INT PRIMARY KEY, phone VARCHAR(20))")
        cursor.execute("INSERT INTO `a/b 中` VALUES (1, '13812345678')")
    store = FolderStore(tmp_path / "exports")
    entry = TableEntry.model_validate(
        {
            "name": "a/b 中",
            "table": "`a/b 中`",
            "group_by": ["id"],
            "select_fields": ["*"],
            "mask": {"phone": "drop"},
            "options": options,
        }
    )
    request = ReadRequest(entry, "2026-11-20", LOGICAL_TIME, ZONE)
    source = options_for(mariadb, database)
    (before,) = plan_tables([(request, FORMAT_NAMES)], lambda _: source, store, "p")
    destination = Destination(store, "p", "run", entry.options, tmp_path / "temp", NoLock())
    exported = export_window(request, source, FORMAT_NAMES, destination, SilentObserver())
    manifest = exported.manifest
    assert sorted(file.key for file in before.files if file.format != "manifest") == sorted(
        exported.stable_names.values()
    )
    assert [dataset.sql for dataset in before.datasets] == [dataset.sql for dataset in manifest.datasets]
    assert [dataset.masks for dataset in manifest.datasets] == [{}, {"phone": "drop"}]
    (after,) = plan_tables([(request, FORMAT_NAMES)], lambda _: source, store, "p")
    assert (before.published, after.published) == (False, True)


def test_a_partitioned_table_is_planned_as_its_newest_complete_partition(shop: Deployment):
    shop.configure("""
        tables:
          orders:
            partition: {column: created_at, every: day, start: 2026-11-01}
            select_fields: [id]
        """)
    code, tables = planned()
    assert code == 0
    yesterday = (datetime.now(ZONE) - timedelta(days=1)).date()
    assert tables["orders"]["window"] == str(yesterday)
    (detail,) = tables["orders"]["datasets"]
    assert f"'{yesterday} 00:00:00" in detail["sql"]
    assert all(f"/{yesterday}/" in file["key"] for file in tables["orders"]["files"])


def test_the_key_of_late_data_is_planned_with_its_scan(mariadb_shop: Deployment):
    entry = """
        tables:
          orders:
            partition: {column: created_at, every: day, start: 2026-01-01}
            refresh: {look_back: 14d, key: ["COUNT(*)", MAX(ratio)]}
    """
    mariadb_shop.configure(entry)
    code, tables = planned()
    found = tables["orders"]["refresh"]
    assert (code, found["every"], found["index"], tables["orders"]["warnings"]) == (0, "1h", "by_day", [])
    assert "MAX(ratio)" in found["sql"]
    shown = plan().stdout
    assert re.search(r"refresh   every 1h, goes through about \d+ rows by index by_day for each window", shown)
    mariadb_shop.execute("ALTER TABLE orders DROP KEY by_day")
    code, tables = planned()
    (warning,) = [text for text in tables["orders"]["warnings"] if "late rows" in text]
    assert code == 0
    assert re.match(
        r"late rows will not be noticed: refresh\.key: no index leads to the rows.*allow_scan: true", warning
    )


def test_files_without_stable_names_are_planned_in_the_folder_of_the_run(shop: Deployment):
    shop.configure("""
        names: none
        tables:
          orders: {select_fields: [id], formats: [csv]}
          once: {table: orders, select_fields: [id], formats: [csv], names: copy}
        """)
    _, tables = planned()
    window = tables["orders"]["window"]
    assert [file["key"] for file in tables["orders"]["files"]] == [
        f"orders/{window}/<run>/orders.detail.csv",
        f"orders/{window}/manifest.json",
    ]
    assert [file["key"] for file in tables["once"]["files"]] == [
        f"once/{window}/once.detail.csv",
        f"once/{window}/manifest.json",
    ]


def test_people_read_the_names_of_files_as_they_are(shop: Deployment):
    shop.configure("tables: {订单: {table: orders, select_fields: [id], formats: [csv]}}")
    shown = CliRunner().invoke(main, ["plan"]).output
    assert "/订单.detail.csv" in shown
    assert "%E8" not in shown
