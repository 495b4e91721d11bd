"""`compat: node`: after a tick, files with the names, the shape and the values of the Node.js service."""

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from dagster import DagsterInstance, SensorResult, build_sensor_context

from aggregation_pipeline.automation.node_files import SENSOR
from aggregation_pipeline.definitions import build_definitions
from aggregation_pipeline.local.api import collect_all
from aggregation_pipeline.local.instance import open_instance
from aggregation_pipeline.local.run import run_tables
from aggregation_pipeline.project import Project, load_project
from aggregation_pipeline.runs.logical_time import tick_name, tick_tags
from aggregation_pipeline.runs.tags import TICK_RUN_TAG, TICK_TAG
from aggregation_pipeline.settings.base import load_settings
from aggregation_pipeline_tests.support.deployment import Deployment
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.servers.chosen import once

CONFIG = """
compat: {node: {formats: all}}
tables:
  orders:
    group_by: [status]
    aggregations: [{function: COUNT, alias: n}, {function: SUM, field: amount, alias: revenue}]
    select_fields: [id]
  users: {select_fields: ["*"], mask: {phone: partial}}
  empty: {group_by: [id]}
  gone: {table: missing}
  by_hand: {table: orders, schedule: none}
"""
STATEMENTS = (
    "CREATE TABLE orders (id INT PRIMARY KEY, status VARCHAR(9), amount DECIMAL(10,2))",
    "INSERT INTO orders VALUES (1, 'new', 10.50), (2, 'new', 0.25), (3, 'paid', 7)",
    "CREATE TABLE users (id INT PRIMARY KEY, name VARCHAR(20), phone VARCHAR(20), born DATE, seen DATETIME)",
    """INSERT INTO users VALUES (1, '=1+1, "张三"', '13812345678', '2000-02-29', '2026-11-20 14:05:06'),
        (2, NULL, NULL, NULL, NULL)""",
    "CREATE TABLE empty (id INT PRIMARY KEY)",
)
TICK = datetime(2026, 11, 20, 2, 0, tzinfo=ZoneInfo("Asia/Shanghai"))
FOLDER = "data-aggregation/2026/11/20"

pytestmark = [once, pytest.mark.slow]


@pytest.fixture
def shop(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    deployment.configure(CONFIG)
    deployment.execute(*STATEMENTS)
    deployment.enter(monkeypatch, OUTPUT_FORMAT="json")
    monkeypatch.chdir(REPOSITORY)
    return deployment


def found(shop: Deployment) -> dict[str, Path]:
    files = sorted((shop.exports / "data-aggregation").rglob("*_*.*"))
    return {str(path.relative_to(shop.exports)): path for path in files}


def test_a_tick_writes_all_its_tables_in_the_old_shape_although_one_failed(shop: Deployment):
    project = load_project(load_settings())
    with open_instance(project) as instance:
        result = run_tables(project, build_definitions(project), instance, tables=None, formats=None, moment=TICK)
    assert {name: table.status for name, table in result.tables.items()} == {
        **dict.fromkeys(("orders", "users", "empty", "by_hand"), "completed"),
        "gone": "failed",
    }
    files = found(shop)
    assert [*files] == [
        f"{FOLDER}/{name}_20261120_020000.{ext}"
        for name, ext in (("aggregated", "excel"), ("aggregated", "json"), ("orders", "csv"), ("users", "csv"))
    ]
    check_json(json.loads(files[f"{FOLDER}/aggregated_20261120_020000.json"].read_bytes()), files)
    rows = list(csv.reader(io.StringIO(files[f"{FOLDER}/users_20261120_020000.csv"].read_text("utf-8"))))
    assert rows == [
        ["id", "name", "phone", "born", "seen"],
        [
            *("1", '=1+1, "张三"', "138****5678", "Tue Feb 29 2000 00:00:00 GMT+0800 (China Standard Time)"),
            "Fri Nov 20 2026 14:05:06 GMT+0800 (China Standard Time)",
        ],
        ["2", "", "", "", ""],
    ]
    assert files[f"{FOLDER}/orders_20261120_020000.csv"].read_text() == "status,n,revenue\nnew,2,10.75\npaid,1,7.00\n"
    check_workbook(files[f"{FOLDER}/aggregated_20261120_020000.excel"])


def check_json(document: Any, files: dict[str, Path]) -> None:
    stamp = "2026-11-19T18:00:00.000Z"
    assert [*document] == ["timestamp", "tables", "summary", "outputFiles"]
    assert document["timestamp"] == stamp
    assert document["summary"] == {"totalTables": 4, "totalRecords": 4, "successCount": 3, "errorCount": 1}
    tables = document["tables"]
    assert [*tables] == ["orders", "users", "empty", "gone"]
    assert tables["orders"]["data"] == [
        {"status": "new", "n": 2, "revenue": "10.75"},
        {"status": "paid", "n": 1, "revenue": "7.00"},
    ]
    assert tables["users"]["data"] == [
        {
            "id": 1,
            "name": '=1+1, "张三"',
            "phone": "138****5678",
            "born": "2000-02-28T16:00:00.000Z",
            "seen": "2026-11-20T06:05:06.000Z",
        },
        {"id": 2, "name": None, "phone": None, "born": None, "seen": None},
    ]
    schema = [{"Field": "id", "Type": "int"}]
    assert tables["empty"] == {
        "success": True,
        "recordCount": 0,
        "data": [],
        "metadata": {"schema": schema, "totalRecords": 0, "lastUpdated": stamp},
    }
    assert (tables["gone"]["success"], tables["gone"]["recordCount"], [*tables["gone"]]) == (
        *(False, 0),
        ["success", "error", "recordCount"],
    )
    assert "missing" in tables["gone"]["error"]
    listed = document["outputFiles"]
    assert {each["filePath"] for each in listed} == set(files)
    assert [each.get("tableName") for each in listed] == ["orders", "users", None, None]
    assert all(files[each["filePath"]].stat().st_size == each["size"] for each in listed if each["type"] != "json")


def check_workbook(path: Path) -> None:
    workbook = openpyxl.load_workbook(io.BytesIO(path.read_bytes()))
    assert workbook.sheetnames == ["汇总信息", "orders", "users"]
    assert list(workbook["汇总信息"].values) == [
        ("汇总时间", "2026-11-19T18:00:00.000Z"),
        *(("总表数", 4), ("总记录数", 4), ("成功表数", 3), ("失败表数", 1)),
    ]
    assert list(workbook["orders"].values)[1:] == [("new", 2, "10.75"), ("paid", 1, "7.00")]
    name, born, seen = (workbook["users"].cell(2, column) for column in (2, 4, 5))
    assert (name.value, name.data_type) == ('=1+1, "张三"', "s")
    assert (born.value, seen.value) == tuple(map(datetime.fromisoformat, ("2000-02-29", "2026-11-20T14:05:06")))
    assert born.number_format == "m/d/yy"


def test_a_run_over_some_tables_writes_none_and_one_by_hand_over_all_writes_its_own(shop: Deployment):
    collect_all(tables="orders,users")
    assert found(shop) == {}
    collect_all()
    (document,) = (json.loads(path.read_bytes()) for path in found(shop).values() if path.suffix == ".json")
    assert document["summary"]["successCount"] == 3


def evaluate(instance: DagsterInstance, project: Project, cursor: str | None) -> SensorResult:
    definitions = build_definitions(project)
    context = build_sensor_context(instance, cursor=cursor, definitions=definitions)
    return definitions.resolve_sensor_def(SENSOR).evaluate_tick(context)  # type: ignore[return-value]


def test_the_sensor_asks_for_the_files_of_each_whole_run_once_it_has_ended(shop: Deployment):
    project = load_project(load_settings())
    definitions = build_definitions(project)
    with open_instance(project) as instance:
        before = evaluate(instance, project, None)
        assert before.run_requests == []
        job = definitions.resolve_job_def("aggregate")
        whole = job.execute_in_process(instance=instance, raise_on_error=False)
        keys = [key for key in job.asset_layer.executable_asset_keys if "orders" in key.path[-1]]
        job.execute_in_process(instance=instance, asset_selection=keys)
        asked = evaluate(instance, project, before.cursor)
        assert [(request.run_key, request.tags[TICK_RUN_TAG]) for request in asked.run_requests or ()] == [
            (whole.run_id, whole.run_id)
        ]
        (request,) = asked.run_requests or ()
        written = definitions.resolve_job_def("node_files").execute_in_process(
            instance=instance, tags=dict(request.tags), asset_selection=request.asset_selection
        )
        assert written.success
        (first,) = [path for path in found(shop).values() if path.suffix == ".json"]
        assert definitions.resolve_job_def("node_files").execute_in_process(instance=instance).success
    (by_hand,) = (path for path in found(shop).values() if path.suffix == ".json" and path != first)
    assert "has no published window yet" in json.loads(by_hand.read_bytes())["tables"]["gone"]["error"]
    document = json.loads(first.read_bytes())
    assert [name for name, table in document["tables"].items() if not table["success"]] == ["gone"]
    # The partial run came later and published its windows anew; the tick's own windows are those of its moment.
    assert document["tables"]["orders"]["recordCount"] == 2
    assert datetime.fromisoformat(document["timestamp"]) <= datetime.now(UTC)


def test_of_a_divided_tick_the_files_come_after_its_last_run_and_hold_all_tables(shop: Deployment):
    shop.configure("runs: per_table\n" + CONFIG.lstrip())
    project = load_project(load_settings())
    definitions = build_definitions(project)
    job = definitions.resolve_job_def("aggregate")
    with open_instance(project) as instance:
        asked = evaluate(instance, project, None)
        tick = tick_tags(TICK, TICK.tzinfo, more_than_daily=False) | {TICK_TAG: tick_name("aggregate", TICK)}  # type: ignore[arg-type]
        ids = []
        assert asked.run_requests == []
        for name in ("orders", "users", "empty", "gone"):
            keys = [key for key in job.asset_layer.executable_asset_keys if name in key.path[-1].split("_")]
            done = job.execute_in_process(instance=instance, asset_selection=keys, tags=tick, raise_on_error=False)
            ids.append(done.run_id)
        asked = evaluate(instance, project, asked.cursor)
        (request,) = asked.run_requests or ()
        # Before them, those of other tests for the same tick.
        assert (request.run_key, request.tags[TICK_RUN_TAG].split(",")[-4:]) == (ids[-1], ids)
        assert (
            definitions.resolve_job_def("node_files")
            .execute_in_process(instance=instance, tags=dict(request.tags), asset_selection=request.asset_selection)
            .success
        )
    (document,) = (json.loads(path.read_bytes()) for path in found(shop).values() if path.suffix == ".json")
    assert (document["summary"]["successCount"], document["summary"]["errorCount"]) == (3, 1)
    assert "missing" in document["tables"]["gone"]["error"]


def test_run_writes_them_of_a_divided_job_too(shop: Deployment):
    shop.configure("runs: per_table\n" + CONFIG.lstrip())
    result = collect_all()
    assert len(result.batches) == 5
    (document,) = (json.loads(path.read_bytes()) for path in found(shop).values() if path.suffix == ".json")
    assert document["summary"]["successCount"] == 3
