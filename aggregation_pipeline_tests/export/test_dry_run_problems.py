"""`plan` names what a run would fail at in the source database."""

import socket
from pathlib import Path

import pytest

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.export.dry_run import plan_tables
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline_tests.export.planned_shop import CONFIG, plan, planned
from aggregation_pipeline_tests.support.deployment import Deployment
from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, ZONE, options_for
from aggregation_pipeline_tests.support.servers.handles import MySQLServer


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
    good, bad = plan_tables(requests, lambda _: reader, FolderStore(tmp_path), "")
    assert good.problems == []
    assert "1142" in bad.problems[0]
    assert "Grant SELECT on the table" in bad.problems[0]


def test_a_server_that_is_away_is_waited_for_once(tmp_path: Path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    connections: list[str | None] = []

    def source(name: str | None) -> SourceOptions:
        connections.append(name)
        return SourceOptions(database="x", user="root", host="127.0.0.1", port=port, name=name)

    entries = [TableEntry(name="a"), TableEntry(name="b"), TableEntry(name="c", source="crm")]
    requests = [(ReadRequest(entry, "w", LOGICAL_TIME, ZONE), ["csv"]) for entry in entries]
    plans = list(plan_tables(requests, source, FolderStore(tmp_path), ""))
    # Of another server nothing is known yet.
    assert connections == [None, "crm"]
    assert "no server answers" in plans[2].problems[0]
    assert plans[2].source == "c of crm"
    assert "no server answers" in plans[0].problems[0]
    assert plans[1].problems == ["not asked: there is no way to the source database, see a"]
    assert [file.key for file in plans[1].files] == ["b/w/b.summary.csv", "b/w/manifest.json"]
