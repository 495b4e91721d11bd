"""`plan` tells what a run would do and what it would fail at, and touches nothing."""

import json
import socket
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from aggregation_pipeline.cli.main import main
from aggregation_pipeline.config.format_names import FORMAT_NAMES
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.export.destination import Destination
from aggregation_pipeline.export.dry_run import plan_tables
from aggregation_pipeline.export.observer import SilentObserver
from aggregation_pipeline.export.window import export_window
from aggregation_pipeline.postgres.engine import create_engine
from aggregation_pipeline.source.mysql.connection import SourceOptions
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline.storage.lock import NoLock
from aggregation_pipeline_tests.support.deployment import Deployment
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, ZONE, options_for
from aggregation_pipeline_tests.support.servers.handles import MySQLServer, PostgresServer
from aggregation_pipeline_tests.support.servers.oss.server import OssServer

CONFIG = """
    source_limits: {max_scan_rows: 1000}
    tables:
      orders:
        group_by: [status]
        aggregations: [{function: COUNT, alias: n}]
        select_fields: [id, phone, ratio]
        where: created_at >= '2026-11-01'
        mask: {phone: partial}
        limit: 10
"""


def shop_on(server: MySQLServer, url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    shop = Deployment(folder, server, server.fresh_database(), url)
    (folder / "dagster.yaml").write_text((REPOSITORY / "dagster.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    shop.execute(
        """CREATE TABLE orders (id INT PRIMARY KEY AUTO_INCREMENT, status VARCHAR(10), phone VARCHAR(20), ratio FLOAT,
            created_at DATETIME, KEY by_day (created_at))""",
        "INSERT INTO orders (status, phone, created_at) VALUES ('paid', '13812345678', '2026-10-01')",
        *["INSERT INTO orders (status, phone, created_at) SELECT status, phone, created_at FROM orders"] * 11,
        "UPDATE orders SET created_at = '2026-11-20' WHERE id < 5",
    )
    shop.configure(CONFIG)
    shop.enter(monkeypatch)
    monkeypatch.chdir(folder)
    return shop


@pytest.fixture
def shop(mysql: MySQLServer, postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    return shop_on(mysql, postgres.fresh_database(), tmp_path, monkeypatch)


@pytest.fixture
def mariadb_shop(
    mariadb: MySQLServer, postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Deployment:
    """For what is the same whatever server is read."""
    return shop_on(mariadb, postgres.fresh_database(), tmp_path, monkeypatch)


def plan(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["plan", *arguments])


def planned(*arguments: str) -> tuple[int, dict[str, Any]]:
    result = plan("--json", *arguments)
    document = json.loads(result.stdout)
    return result.exit_code, {table["table"]: table for table in document["tables"]}


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


def test_a_dropped_column_and_a_missing_table_fail_the_plan_and_not_each_other(shop: Deployment):
    shop.execute("ALTER TABLE orders DROP COLUMN phone")
    shop.configure(
        CONFIG
        + "      gone: {}\n      whole: {table: orders, select_fields: ['*'], mask: {phone: drop}}\n      good: {table:"
        " orders}\n"
    )
    code, tables = planned()
    assert code == 1
    assert "Unknown column 'phone'" in tables["orders"]["problems"][0]
    assert [dataset["name"] for dataset in tables["orders"]["datasets"]] == ["summary", "detail"]
    assert "1146" in tables["gone"]["problems"][0]
    assert "mask: phone: no such column" in tables["whole"]["problems"][0]
    assert tables["good"]["problems"] == []
    assert planned("--tables", "good")[0] == 0


def test_a_wrong_name_is_planned_with_the_nearest_right_one_wherever_it_stands(shop: Deployment):
    shop.configure("""
        tables:
          order: {}
          by: {table: orders, select_fields: [id], order_by: [create_at DESC]}
          cut: {table: orders, select_fields: [id], partition: {column: createdat, every: day, start: 2026-11-01}}
          hidden: {table: orders, select_fields: ['*'], mask: {phne: drop}}
          away: {table: zzz, select_fields: [id], partition: {column: created_at, every: day, start: 2026-11-01}}
        """)
    code, tables = planned()
    problems = {name: " ".join(table["problems"]) for name, table in tables.items()}
    assert code == 1
    assert "Was orders meant?" in problems["order"]
    assert "It is used in order_by[0]. Was created_at meant?" in problems["by"]
    assert "createdat is not in it; its columns are" in problems["cut"]
    assert "Was created_at meant?" in problems["cut"]
    assert "mask: phne: no such column. Was phone meant?" in problems["hidden"]
    assert "1146" in problems["away"]


def test_a_scan_that_is_forbidden_fails_the_plan_and_one_that_is_not_warns(shop: Deployment):
    shop.configure(CONFIG + "      all: {table: orders, select_fields: [id]}\n")
    code, tables = planned("--tables", "all")
    assert code == 0
    assert "over max_scan_rows = 1,000" in tables["all"]["warnings"][0]
    shop.configure(CONFIG + "      all: {table: orders, select_fields: [id], source_limits: {on_scan: error}}\n")
    code, tables = planned("--tables", "all")
    assert code == 1
    assert "over max_scan_rows = 1,000" in tables["all"]["problems"][0]


DOWN = "postgresql://nobody@127.0.0.1:1/none"


@pytest.mark.parametrize(
    ("changes", "name", "words"),
    [
        ({"DAGSTER_PG_URL": DOWN}, "DAGSTER_PG_URL", "Dagster's PostgreSQL does not answer"),
        ({"BATCH_JOBS_URL": DOWN}, "batch_jobs", "batch_jobs cannot be reached"),
        (
            {"SUPABASE_URL": "http://127.0.0.1:1", "SUPABASE_KEY": "key"},
            "batch_jobs",
            "batch_jobs cannot be reached by",
        ),
        ({"STORAGE_DIR": "{folder}/a file"}, "files", "is no folder"),
        ({"TEMP_DIR": "{folder}/a file/temp"}, "TEMP_DIR", "is not a folder"),
        ({"DAGSTER_HOME": "{folder}/nowhere"}, "dagster.yaml", "is not the absolute path of a folder"),
    ],
)
def test_what_a_run_needs_and_does_not_find_fails_the_plan_and_not_its_tables(
    mariadb_shop: Deployment, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], name: str, words: str
):
    (mariadb_shop.folder / "a file").write_text("")
    for variable, value in changes.items():
        monkeypatch.setenv(variable, value.format(folder=mariadb_shop.folder))
    result = plan("--json")
    document = json.loads(result.stdout)
    assert (result.exit_code, document["ok"]) == (1, False)
    problems = {need["name"]: need["problem"] for need in document["needs"] if need["problem"]}
    assert list(problems) in ([name], [name, "batch_jobs"]), problems  # where batch_jobs is in Dagster's PostgreSQL
    assert words in problems[name]
    shown = plan()
    assert (shown.exit_code, f"missing  {name}: " in shown.stdout) == (1, True)


@pytest.mark.parametrize("cron", ["0 0 0 31 2 *", "61 * * * *", "every day"])
def test_a_cron_that_the_services_refuse_fails_the_plan(
    mariadb_shop: Deployment, monkeypatch: pytest.MonkeyPatch, cron: str
):
    monkeypatch.setenv("CRON_SCHEDULE", cron)
    result = plan()
    assert result.exit_code == 1
    assert "CRON_SCHEDULE" in result.output


def test_a_plan_leaves_nothing_behind(mariadb_shop: Deployment):
    assert planned()[0] == 0
    engine = create_engine(mariadb_shop.postgres_url, application_name="test")
    with engine.connect() as connection:
        assert tuple(
            connection.exec_driver_sql("SELECT to_regclass('public.batch_jobs'), to_regclass('runs')").one()
        ) == (None, None)
    assert {path.name for path in mariadb_shop.folder.iterdir()} == {"aggregation.yaml", "dagster.yaml"}


def test_a_wrong_password_is_told_once(mariadb_shop: Deployment, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DB_USER", "nobody_of_that_name")
    monkeypatch.setenv("DB_PASSWORD", "Hidden-Word-17")
    mariadb_shop.configure(CONFIG + "      other: {table: orders}\n")
    result = plan()
    assert result.exit_code == 1
    assert result.stdout.count("Access denied") + result.stdout.count("1045") + result.stdout.count("1698") in (
        1,
        2,
    ), result.stdout
    assert result.stdout.count("see orders") == 1


def test_a_missing_grant_is_named(mariadb: MySQLServer, tmp_path: Path):
    database = mariadb.fresh_database()
    with mariadb.connect(database=database) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE open_ (id INT PRIMARY KEY)")
        cursor.execute("CREATE TABLE closed (id INT PRIMARY KEY)")
        cursor.execute("CREATE OR REPLACE USER plan_reader@localhost")
        cursor.execute(f"GRANT SELECT ON {database}.open_ TO plan_reader@localhost")
    source = options_for(mariadb, database)
    requests = [(ReadRequest(TableEntry(name=name), "w", LOGICAL_TIME, ZONE), ["json"]) for name in ("open_", "closed")]
    reader = SourceOptions(database=database, user="plan_reader", socket=source.socket)
    good, bad = plan_tables(requests, lambda: reader, FolderStore(tmp_path), "")
    assert good.problems == []
    assert "1142" in bad.problems[0]
    assert "Grant SELECT on the table" in bad.problems[0]


def test_a_server_that_is_away_is_waited_for_once(tmp_path: Path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    connections: list[str] = []

    def source() -> SourceOptions:
        connections.append(str(port))
        return SourceOptions(database="x", user="root", host="127.0.0.1", port=port)

    requests = [(ReadRequest(TableEntry(name=name), "w", LOGICAL_TIME, ZONE), ["csv"]) for name in ("a", "b")]
    plans = list(plan_tables(requests, source, FolderStore(tmp_path), ""))
    assert len(connections) == 1
    assert "no server answers" in plans[0].problems[0]
    assert plans[1].problems == ["not asked: there is no way to the source database, see a"]
    assert [file.key for file in plans[1].files] == ["b/w/b.summary.csv", "b/w/manifest.json"]


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
    (before,) = plan_tables([(request, FORMAT_NAMES)], lambda: source, store, "p")
    destination = Destination(store, "p", "run", entry.options, tmp_path / "temp", NoLock())
    exported = export_window(request, source, FORMAT_NAMES, destination, SilentObserver())
    manifest = exported.manifest
    assert sorted(file.key for file in before.files if file.format != "manifest") == sorted(
        exported.stable_names.values()
    )
    assert [dataset.sql for dataset in before.datasets] == [dataset.sql for dataset in manifest.datasets]
    assert [dataset.masks for dataset in manifest.datasets] == [{}, {"phone": "drop"}]
    (after,) = plan_tables([(request, FORMAT_NAMES)], lambda: source, store, "p")
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


def test_a_bucket_without_a_rule_for_abandoned_parts_is_a_warning(shop: Deployment, monkeypatch: pytest.MonkeyPatch):
    with OssServer.start() as server:
        options = server.options()
        monkeypatch.setenv("OSS_BUCKET", options.bucket)
        monkeypatch.setenv("OSS_REGION", options.region)
        monkeypatch.setenv("OSS_ENDPOINT", options.endpoint)
        monkeypatch.setenv("OSS_ACCESS_KEY_ID", options.access_key_id)
        monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", options.access_key_secret)
        document = json.loads(plan("--json").stdout)
        assert "no lifecycle rule that removes abandoned parts" in document["store_warning"]
        assert document["ok"]


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
