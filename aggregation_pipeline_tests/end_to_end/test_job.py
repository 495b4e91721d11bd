"""The main job on real servers: the database, the files and batch_jobs agree."""

import csv
import json
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import openpyxl
import pyarrow.parquet as pq
import pytest

from aggregation_pipeline.assets.keys import export_key
from aggregation_pipeline.definitions import build_definitions
from aggregation_pipeline.local.instance import open_instance
from aggregation_pipeline.project import load_project
from aggregation_pipeline.settings.base import load_settings
from aggregation_pipeline_tests.end_to_end.shop_job import (
    assert_whole,
    manifest_of,
    row_of,
    run,
    window_folders,
)
from aggregation_pipeline_tests.support.deployment import Deployment
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.servers.chosen import once
from aggregation_pipeline_tests.support.servers.handles import PostgresServer

TICK = datetime.fromisoformat("2026-11-20T02:00:00+08:00")


@pytest.mark.sample
def test_every_format_says_what_the_database_says(shop: Deployment):
    result = run()
    assert (result.status, {name: (table.status, table.items) for name, table in result.tables.items()}) == (
        "completed",
        {"users": ("completed", 5), "订单 明细.v2": ("completed", 2)},
    )
    (folder,) = window_folders(shop, "users")
    assert_whole(shop, folder)
    assert len(folder.name) == len("2026-11-20T1400")

    document = json.loads((folder / "users.json").read_text(encoding="utf-8"))
    assert (document["table"], document["window"]) == ("users", folder.name)
    assert document["summary"] == [
        {"status": "new", "user_count": 1, "total": None},
        {"status": "vip", "user_count": 2, "total": "12345678901234.5677"},
    ]
    assert [row["id"] for row in document["detail"]] == ["2", "3", "9007199254740993"]
    assert document["detail"][2] == {
        "id": "9007199254740993",
        "name": "李雷😀",
        "balance": "12345678901234.5678",
        "created_at": "2026-11-20T10:00:00",
    }

    with (folder / "users.detail.csv").open(encoding="utf-8-sig", newline="") as file:
        assert list(csv.reader(file)) == [
            ["id", "name", "balance", "created_at"],
            ["2", "", "-0.0001", "2026-11-20 11:00:00"],
            ["3", "'=1+1", "", ""],
            ["9007199254740993", "李雷😀", "12345678901234.5678", "2026-11-20 10:00:00"],
        ]

    workbook = openpyxl.load_workbook(folder / "users.xlsx", read_only=True)
    assert workbook.sheetnames == ["summary", "detail", "about"]
    cells = [[cell.value for cell in row] for row in workbook["detail"].iter_rows()]
    workbook.close()
    assert [row[:3] for row in cells[1:]] == [
        ["2", None, "-0.0001"],
        ["3", "=1+1", None],
        ["9007199254740993", "李雷😀", "12345678901234.5678"],
    ]

    table = pq.read_table(folder / "users.detail.parquet")
    assert table["id"].to_pylist() == [2, 3, 9007199254740993]
    assert table["balance"].to_pylist() == [Decimal("-0.0001"), None, Decimal("12345678901234.5678")]


@once
def test_the_row_of_batch_jobs_counts_the_rows_of_the_datasets_once(shop: Deployment):
    result = run()
    row = row_of(shop, result.batch_job_id)
    assert (row["job_type"], row["status"], row["total_items"]) == ("data_collection", "completed", 7)
    assert sorted(row["platforms_processed"]) == ["shop", "users"]
    assert (row["metadata"]["users_items"], row["metadata"]["shop_items"]) == (5, 2)
    assert row["metadata"]["results"]["users"]["status"] == "completed"
    assert len(row["metadata"]["results"]["users"]["files"]) == 6
    figures = row["metadata"]["results"]["users"]["by_table"]["users"]
    assert (figures["status"], figures["items"], figures["files"]) == ("completed", 5, 6)
    # Formats are rendered while the rows are read: afterwards there may be nothing left to do.
    assert min(figures["stages"]["read"], figures["stages"]["publish"]) > 0
    assert sum(figures["stages"].values()) <= figures["seconds"] + 0.01
    assert row["started_at"] <= row["completed_at"]
    assert result.total_items == sum(
        manifest_of(folder).rows for table in result.tables for folder in window_folders(shop, table)
    )


@once
def test_names_with_spaces_dots_and_chinese_keep_them_in_the_files(shop: Deployment):
    run(tables=["订单 明细.v2"], formats=["csv", "json"])
    (folder,) = window_folders(shop, "订单 明细.v2")
    names = {"订单 明细.v2.detail.csv", "订单 明细.v2.json", "manifest.json"}
    assert {path.name for path in folder.iterdir() if path.is_file()} == names
    document = json.loads((folder / "订单 明细.v2.json").read_text(encoding="utf-8"))
    assert document["detail"] == [{"单 号": 1, "select": "a,b"}, {"单 号": 2, "select": ""}]


@once
def test_a_failing_table_leaves_the_others_completed_and_says_why(shop: Deployment):
    shop.execute("ALTER TABLE users DROP COLUMN balance")
    result = run()
    assert result.status == "failed"
    assert {name: table.status for name, table in result.tables.items()} == {
        "users": "failed",
        "订单 明细.v2": "completed",
    }
    assert "1054" in str(result.tables["users"].error)
    row = row_of(shop, result.batch_job_id)
    assert (row["status"], row["total_items"], row["platforms_processed"]) == ("failed", 2, ["shop"])
    assert row["metadata"]["results"]["users"]["status"] == "failed"
    assert "balance" in json.dumps(row["metadata"]["errors"])
    assert not (shop.exports / "users").exists()
    assert not list((shop.folder / "temp").iterdir())


@once
def test_a_window_that_is_run_again_is_replaced_as_a_whole(shop: Deployment, monkeypatch: pytest.MonkeyPatch):
    run(moment=TICK)
    (folder,) = window_folders(shop, "users")
    assert folder.name == "2026-11-20"
    first = assert_whole(shop, folder)
    again = run(moment=TICK)
    assert again.status == "completed"
    assert assert_whole(shop, folder) == first, "the same data gives the same bytes, and the manifest stays"
    shop.execute("UPDATE users SET name = 'other' WHERE id = 2")
    run(moment=TICK, formats=["csv"])
    changed = assert_whole(shop, folder)
    assert {file.format for file in changed.files} == {"csv"}, "files of the old data do not stay beside the new"


RUN_TOO = """
import sys
from datetime import datetime
from aggregation_pipeline.definitions import build_definitions
from aggregation_pipeline.project import load_project
from aggregation_pipeline.local.instance import open_instance
from aggregation_pipeline.local.run import run_tables
from aggregation_pipeline.settings.base import load_settings

project = load_project(load_settings())
moment = datetime.fromisoformat("2026-11-20T02:00:00+08:00")
print("ready", flush=True)
sys.stdin.readline()
with open_instance(project) as instance:
    result = run_tables(project, build_definitions(project), instance, tables=["users"], formats=None, moment=moment)
print(result.status)
if result.status != "completed":
    with open_instance(project) as instance:
        told = [entry.user_message for entry in instance.all_logs(result.batch_job_id) if entry.level >= 40]
    print(result.tables, told, file=sys.stderr)
"""


@pytest.mark.slow
@once
def test_two_runs_of_one_table_at_once_leave_one_consistent_window(
    shop: Deployment, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
):
    """One in this process, one in another."""
    # On a database in which neither finds Dagster's tables: they are made at once, too.
    shop = replace(shop, postgres_url=postgres.fresh_database())
    shop.enter(monkeypatch)
    shop.execute("INSERT INTO users (id, status) SELECT 100000 + id, 'x' FROM users")
    # A pipe that nobody reads yet could hold up the other one, and what it has locked.
    errors = shop.folder / "errors"
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with (
        errors.open("w") as sink,
        subprocess.Popen([sys.executable, "-c", RUN_TOO], cwd=REPOSITORY, stderr=sink, **pipes) as other,
    ):
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        other.stdin.write("\n")
        other.stdin.flush()
        here = run(tables=["users"], moment=TICK)
        output, _ = other.communicate(timeout=120)
    assert (here.status, output.strip()) == ("completed", "completed"), (
        here.tables,
        errors.read_text(encoding="utf-8")[-2000:],
    )
    (folder,) = window_folders(shop, "users")
    assert assert_whole(shop, folder).rows == 6 + 3


@once
def test_a_format_on_its_own_is_rendered_from_the_stored_extract_without_the_database(shop: Deployment):
    run(tables=["users"], formats=["csv"])
    (folder,) = window_folders(shop, "users")
    before = (folder / "users.detail.csv").read_bytes()
    shop.execute("DROP TABLE users")
    project = load_project(load_settings())
    with open_instance(project) as instance:
        job = build_definitions(project).resolve_job_def("aggregate")
        done = job.execute_in_process(instance=instance, asset_selection=[export_key("users", "json")])
        materialized = {
            event.asset_key.to_user_string()
            for event in done.all_events
            if event.is_step_materialization and event.asset_key
        }
    assert done.success
    assert materialized == {"export/users_json", "export/users_manifest"}, "the manifest comes along"
    assert_whole(shop, folder)
    assert (folder / "users.detail.csv").read_bytes() == before
    assert len(json.loads((folder / "users.json").read_text(encoding="utf-8"))["detail"]) == 3
