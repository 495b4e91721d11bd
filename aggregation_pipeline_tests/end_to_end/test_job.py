"""The main job, end to end, on real servers: what the database says, what the files say, what batch_jobs says."""

import csv
import json
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from aggregation_pipeline.assets.keys import export_key
from aggregation_pipeline.cli.main import main
from aggregation_pipeline.definitions import build_definitions
from aggregation_pipeline.local.instance import open_instance
from aggregation_pipeline.local.results import RunResult
from aggregation_pipeline.local.run import run_tables
from aggregation_pipeline.postgres.engine import create_engine
from aggregation_pipeline.project import load_project
from aggregation_pipeline.settings.base import load_settings
from aggregation_pipeline.storage.crc64 import crc64_of_file
from aggregation_pipeline.storage.manifest import Manifest
from aggregation_pipeline_tests.support.deployment import Deployment
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.servers.handles import PostgresServer

CONFIG = """
tables:
  users:
    groupBy: ['status']
    selectFields: ['id', 'name', 'balance', 'created_at']
    aggregations:
      - {function: COUNT, field: id, alias: user_count}
      - {function: SUM, field: balance, alias: total}
  订单 明细.v2:
    table: '`订单 明细.v2`'
    platform: shop
    selectFields: ['*']
"""
SCHEMA = (
    (
        "CREATE TABLE users (id BIGINT PRIMARY KEY, name VARCHAR(50) NULL, balance DECIMAL(20,4), status VARCHAR(10),"
        " created_at DATETIME)"
    ),
    """INSERT INTO users VALUES (9007199254740993, '李雷😀', 12345678901234.5678, 'vip', '2026-11-20 10:00:00'),
        (2, NULL, -0.0001, 'vip', '2026-11-20 11:00:00'), (3, '=1+1', NULL, 'new', NULL)""",
    "CREATE TABLE `订单 明细.v2` (`单 号` INT PRIMARY KEY, `select` VARCHAR(20))",
    "INSERT INTO `订单 明细.v2` VALUES (1, 'a,b'), (2, '')",
)
TICK = datetime.fromisoformat("2026-11-20T02:00:00+08:00")


@pytest.fixture
def shop(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    deployment.configure(CONFIG)
    deployment.execute(*SCHEMA)
    deployment.enter(monkeypatch)
    monkeypatch.chdir(REPOSITORY)
    return deployment


def run(**options: Any) -> RunResult:
    project = load_project(load_settings())
    with open_instance(project) as instance:
        return run_tables(project, build_definitions(project), instance, **{"tables": None, "formats": None} | options)


def row_of(deployment: Deployment, run_id: str) -> dict[str, Any]:
    engine = create_engine(deployment.postgres_url, application_name="test")
    with engine.connect() as connection:
        return dict(
            connection.execute(sa.text("SELECT * FROM public.batch_jobs WHERE id = :id"), {"id": run_id})
            .mappings()
            .one()
        )


def window_folders(deployment: Deployment, table: str) -> list[Path]:
    return sorted(path for path in (deployment.exports / table).iterdir() if path.is_dir() and path.name != "latest")


def manifest_of(folder: Path) -> Manifest:
    path = folder / "manifest.json"
    return Manifest.from_json(path.read_bytes(), where=str(path))


def assert_whole(deployment: Deployment, folder: Path) -> Manifest:
    """Every file that the manifest names stands there with its size and checksum, under its stable name too, and
    nothing else does.
    """
    manifest = manifest_of(folder)
    for file in manifest.files:
        for path in (deployment.exports / file.key, folder / file.name, folder.parent / "latest" / file.name):
            assert crc64_of_file(path) == (file.bytes, file.crc64)
    names = {path.name for path in folder.iterdir() if path.is_file()}
    assert names == {*(file.name for file in manifest.files), "manifest.json"}
    assert names - {"manifest.json"} == {path.name for path in (folder.parent / "latest").iterdir()}
    return manifest


@pytest.mark.sample56
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


def test_the_row_of_batch_jobs_counts_the_rows_of_the_datasets_once(shop: Deployment):
    result = run()
    row = row_of(shop, result.batch_job_id)
    assert (row["job_type"], row["status"], row["total_items"]) == ("data_collection", "completed", 7)
    assert sorted(row["platforms_processed"]) == ["shop", "users"]
    assert (row["metadata"]["users_items"], row["metadata"]["shop_items"]) == (5, 2)
    assert row["metadata"]["results"]["users"]["status"] == "completed"
    assert len(row["metadata"]["results"]["users"]["files"]) == 6
    assert row["started_at"] <= row["completed_at"]
    assert result.total_items == sum(
        manifest_of(folder).rows for table in result.tables for folder in window_folders(shop, table)
    )


def test_names_with_spaces_dots_and_chinese_keep_them_in_the_files(shop: Deployment):
    run(tables=["订单 明细.v2"], formats=["csv", "json"])
    (folder,) = window_folders(shop, "订单 明细.v2")
    names = {"订单 明细.v2.detail.csv", "订单 明细.v2.json", "manifest.json"}
    assert {path.name for path in folder.iterdir() if path.is_file()} == names
    document = json.loads((folder / "订单 明细.v2.json").read_text(encoding="utf-8"))
    assert document["detail"] == [{"单 号": 1, "select": "a,b"}, {"单 号": 2, "select": ""}]


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
from aggregation_pipeline.running import open_instance, run_tables
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


def cli(shop: Deployment, *arguments: str, **changes: str) -> "subprocess.CompletedProcess[str]":
    """Type a command: over MariaDB in a process of its own, and over other servers in this one, which takes a fifth of
    the time.

    What a process adds (its exit code, what Python prints when it ends) is the same whatever server is read.
    """
    if shop.source.name != "mariadb":
        said = CliRunner().invoke(main, arguments, env=changes)
        return subprocess.CompletedProcess(arguments, said.exit_code, said.stdout, said.stderr)
    return subprocess.run(
        [sys.executable, "-c", "from aggregation_pipeline.cli.main import main; main()", *arguments],
        env=shop.variables(**changes),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_run_prints_one_json_object_and_its_exit_code_tells(shop: Deployment):
    done = cli(shop, "run", "--tables", "users", "--formats", "csv,excel", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert set(said) == {"batch_job_id", "batches", "status", "total_items", "tables", "files"}
    assert (said["status"], said["total_items"], said["tables"]) == (
        "completed",
        5,
        {"users": {"status": "completed", "items": 5, "error": None}},
    )
    assert [set(file) for file in said["files"]] == [
        {"table", "format", "dataset", "uri", "rows", "bytes", "crc64"}
    ] * 3
    assert row_of(shop, said["batch_job_id"])["status"] == "completed"

    shop.execute("ALTER TABLE users DROP COLUMN balance")
    failed = cli(shop, "run", "--tables", "users", "--json")
    assert failed.returncode == 1
    assert json.loads(failed.stdout)["tables"]["users"]["status"] == "failed"


def test_a_batch_jobs_that_is_away_stops_no_export_and_is_told_on_the_terminal(shop: Deployment):
    done = cli(shop, "run", "--tables", "users", "--json", BATCH_JOBS_URL="postgresql://nobody@127.0.0.1:1/none")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "completed"
    assert done.stderr.startswith("warning batch_jobs: batch_jobs cannot be reached")
    (folder,) = window_folders(shop, "users")
    assert_whole(shop, folder)


def test_a_wrong_table_or_format_is_answered_with_the_right_names(shop: Deployment):
    unknown = CliRunner().invoke(main, ["run", "--tables", "usres"])
    assert (unknown.exit_code, "'usres'" in unknown.output, "users" in unknown.output) == (1, True, True)
    wrong = CliRunner().invoke(main, ["run", "--formats", "pdf"])
    assert (wrong.exit_code, "json, csv, excel, parquet" in wrong.output) == (2, True)


def test_secrets_are_in_no_output_log_or_row(shop: Deployment):
    with shop.source.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE USER secret_reader IDENTIFIED BY 'Hidden-Word-17'")
    done = cli(
        shop, "run", "--tables", "users", DB_USER="secret_reader", DB_PASSWORD="Hidden-Word-17", LOG_LEVEL="debug"
    )
    assert done.returncode == 1
    assert "1044" in done.stderr or "1142" in done.stderr, "the reader was let in, and may read nothing"
    logs = "".join(path.read_text(encoding="utf-8") for path in (shop.folder / "logs").glob("*.log"))
    assert "1044" in logs or "1142" in logs
    assert "Hidden-Word-17" not in done.stdout + done.stderr + logs


def test_a_broken_configuration_is_one_message_with_every_mistake(shop: Deployment):
    shop.configure("""
        tables:
          users:
            groupBy: ['status']
            agregations: []
            limit: many
            where: 'id = SLEEP(5)'
        """)
    done = CliRunner().invoke(main, ["run"])
    assert done.exit_code == 1
    for words in ("aggregation.yaml:5:", "agregations", "aggregations", "limit", "SLEEP"):
        assert words in done.output
    assert "Traceback" not in done.output
