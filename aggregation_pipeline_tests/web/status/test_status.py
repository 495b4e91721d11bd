"""`/status` and `/status/{batchJobId}` over a deployment that has run."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from dagster import DagsterRun, DagsterRunStatus
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    ScheduleInstigatorData,
)

from aggregation_pipeline_tests.support.runs import ORIGIN
from aggregation_pipeline_tests.support.waiting import until
from aggregation_pipeline_tests.web.asgi import ask
from aggregation_pipeline_tests.web.shop import Shop, opened_app

JAVASCRIPT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture(scope="module")
def status(shop: Shop) -> Any:
    answer = shop.get("/status")
    assert answer.status == 200, answer.body
    return answer.json


def test_the_old_fields_are_as_the_node_service_had_them(status: Any):
    assert set(status["status"]) == {"status", "isRunning", "lastRun", "nextRun"}
    assert (status["status"]["status"], status["status"]["isRunning"]) == ("idle", False)
    for name in ("lastRun", "nextRun"):
        assert JAVASCRIPT.fullmatch(status[name])
        assert status[name] == status["status"][name]
    assert status["lastRun"] < datetime.now(UTC).isoformat() < status["nextRun"]


def test_schedules_say_when_they_tick_in_their_zone(status: Any):
    second, first = sorted(status["schedules"], key=lambda schedule: schedule["name"])
    assert (first["name"], first["job"], first["tables"]) == ("aggregate_schedule", "aggregate", ["orders"])
    assert (first["crons"], first["timezone"], first["stopped"]) == (["0 2 * * *"], "Asia/Shanghai", False)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT02:00:00\+08:00", first["nextTick"])
    assert (second["tables"], second["nextTick"][11:]) == (["用户 明细"], "06:30:00+08:00")
    soonest = min(datetime.fromisoformat(schedule["nextTick"]) for schedule in status["schedules"])
    assert datetime.fromisoformat(status["nextRun"]) == soonest


def test_tables_say_what_they_have_published_and_how_it_went(status: Any, shop: Shop):
    orders, users, gone = status["tables"]
    assert (orders["name"], orders["platform"], orders["usable"]) == ("orders", "orders", True)
    assert orders["rows"] == {"summary": 1, "detail": 3}
    assert (orders["lastStatus"], orders["lastBatch"], orders["error"]) == ("completed", shop.runs["orders"], None)
    assert (orders["late"], orders["lateAfterSeconds"]) == (False, 26 * 3600)
    assert 0 <= orders["ageSeconds"] < 600
    assert users["newestWindow"] == "2026-11-03", "a window that was filled later is not the newest"
    assert (users["late"], users["rows"], users["lastStatus"]) == (None, {"summary": None, "detail": 1}, "completed")
    assert (gone["newestWindow"], gone["ageSeconds"], gone["lastStatus"]) == (None, None, "failed")
    assert "not_there" in gone["error"]
    assert users["refresh"] == {
        "at": "2026-11-05T01:00:00Z",
        "windows": 60,
        "launched": 1,
        "waiting": 2,
        "since": "2026-11-04T00:00:00Z",
        "unknown": 0,
        "problem": "",
    }
    assert orders["refresh"] is None


def test_figures_and_the_last_error(status: Any, shop: Shop):
    figures = status["figures"]
    assert (figures["completed"], figures["failed"], figures["days"]) == (3, 1, 7)
    assert (figures["successRate"], status["running"], status["queued"]) == (0.75, 0, 0)
    assert figures["averageItems"] == pytest.approx((4 + 2 + 1) / 3, abs=0.1)
    assert figures["averageSeconds"] > 0
    assert (status["lastError"]["batchJobId"], status["lastError"]["table"]) == (shop.runs["gone"], "gone")
    assert "not_there" in status["lastError"]["text"]
    assert (status["configUsable"], 0 <= status["ageSeconds"] < 60) == (True, True)


def test_batches_are_listed_and_paged_and_filtered(status: Any, shop: Shop):
    items = status["batches"]["items"]
    assert items == sorted(items, key=lambda item: item["createdAt"], reverse=True)
    assert (len(items), status["batches"]["next"]) == (4, None)
    paged: list[str] = []
    page: Any = {"next": ""}
    while page["next"] is not None:
        cursor = page["next"] and f"&cursor={page['next']}"
        page = shop.get(f"/status?limit=3{cursor}").json["batches"]
        paged += [item["batchJobId"] for item in page["items"]]
    assert paged == [item["batchJobId"] for item in items]

    def listed(query: str) -> set[str]:
        answer = shop.get(f"/status?{query}")
        assert answer.status == 200, answer.body
        return {item["batchJobId"] for item in answer.json["batches"]["items"]}

    today = datetime.now(shop.settings.zone).date()
    assert listed("status=failed") == {shop.runs["gone"]}
    assert listed("table=orders") == {shop.runs["orders"]}
    assert len(listed(f"table={quote('用户 明细')}")) == 2
    assert listed("table=unknown") == listed("jobType=other") == set()
    assert len(listed("jobType=*")) == len(listed(f"from={today}&to={today}")) == 4
    assert listed(f"to={today - timedelta(days=1)}") == listed(f"from={today + timedelta(days=1)}") == set()
    moment = quote(items[1]["createdAt"])
    assert listed(f"from={moment}") == {items[0]["batchJobId"], items[1]["batchJobId"]}
    assert listed(f"to={moment}") == {items[2]["batchJobId"], items[3]["batchJobId"]}


WRONG = ("status=done", "limit=0", "limit=101", "cursor=x", "from=yesterday", "to=2026-02-30", "table=", "table=%01")


@pytest.mark.parametrize("query", [*WRONG, "jobType=%01"])
def test_a_query_that_means_nothing_is_refused(shop: Shop, query: str):
    assert shop.get(f"/status?{query}").status == 422


ENDS = ("from=0001-01-01", "to=9999-12-31", "to=0001-01-01T00:00:00%2B14:00&from=9999-12-31T23:59:59-12:00")


@pytest.mark.parametrize("query", ENDS)
def test_the_ends_of_the_calendar_are_no_error(shop: Shop, query: str):
    assert shop.get(f"/status?{query}").status == 200


def test_one_batch_with_its_tables_files_stages_and_checks(shop: Shop):
    batch = shop.get(f"/status/{shop.runs['orders']}").json
    assert (batch["status"], batch["totalItems"], batch["deployment"]) == ("completed", 4, "test")
    (table,) = batch["tables"]
    assert (table["platform"], table["status"], table["tables"], table["items"]) == (
        "orders",
        "completed",
        ["orders"],
        4,
    )
    assert {(file["format"], file["dataset"]) for file in table["files"]} == {
        ("csv", "summary"), ("csv", "detail"), ("json", "all"),
    }  # fmt: skip
    (stages,) = batch["windows"]
    assert (stages["table"], {"read", "publish"} <= stages["stages"].keys()) == ("orders", True)
    checks = {check["name"]: check for check in batch["checks"]}
    assert (checks["snapshot_held"]["passed"], checks["max_rows"]["passed"]) == (True, False)
    assert checks["max_rows"]["severity"] == "warn"
    assert batch["links"] == {"self": f"/status/{shop.runs['orders']}", "run": f"/runs/{shop.runs['orders']}"}
    assert (batch["errors"], batch["mirrorError"]) == ([], None)
    assert batch["waitSeconds"] >= 0
    assert batch["runSeconds"] > 0
    for file in table["files"]:
        assert shop.get(file["link"]).status == 200


def test_a_failed_batch_says_why(shop: Shop):
    batch = shop.get(f"/status/{shop.runs['gone']}").json
    assert (batch["status"], batch["tables"][0]["status"], batch["errorTable"]) == ("failed", "failed", "gone")
    assert batch["errors"][-1]["table"] == "gone"
    assert batch["errors"][-1]["error"] == batch["error"]


def test_a_batch_is_named_by_the_beginning_of_its_id_in_any_spelling(shop: Shop):
    run_id = shop.runs["orders"]
    for spelling in (run_id[:8], run_id.upper(), run_id[:13], f"{run_id}/"):
        assert shop.get(f"/status/{spelling}").json["batchJobId"] == run_id, spelling
    missing = shop.get("/status/00000000-0000-0000-0000-000000000000")
    assert (missing.status, "no row" in missing.json["detail"]) == (404, True)
    for wrong in ("abc", "xyzw", "g" * 36, run_id + "0", "%00%00%00%00", "a" * 37):
        assert shop.get(f"/status/{wrong}").status == 422, wrong


def test_links_are_below_the_path_prefix(shop: Shop):
    batch = shop.get(f"/status/{shop.runs['orders']}", root="/dagster").json
    assert batch["links"]["run"] == f"/dagster/runs/{shop.runs['orders']}"
    assert batch["tables"][0]["files"][0]["link"].startswith("/dagster/files/")
    item = shop.get("/status", root="/dagster").json["batches"]["items"][0]
    assert item["links"]["self"].startswith("/dagster/status/")
    assert shop.get("/status").json["batches"]["items"][0]["links"]["self"].startswith("/status/")


def test_a_schedule_that_somebody_has_stopped_is_said_and_does_not_count(shop: Shop):
    for name in ("aggregate_schedule", "aggregate_daily_partitions_at_0630_schedule"):
        data = ScheduleInstigatorData("0 2 * * *")
        origin = ORIGIN.get_instigator_origin(name)
        shop.instance.add_instigator_state(
            InstigatorState(origin, InstigatorType.SCHEDULE, InstigatorStatus.STOPPED, data)
        )
    with opened_app(shop.settings, shop.instance) as app:
        answer = ask(app, "/status").json
    assert {schedule["stopped"] for schedule in answer["schedules"]} == {True}
    assert (answer["nextRun"], answer["status"]["status"]) == (None, "stopped")


def test_a_broken_configuration_leaves_the_tables_as_they_were(shop: Shop):
    path = shop.settings.aggregation_config
    assert path is not None
    whole = path.read_text("utf-8")
    assert len(shop.get("/status").json["tables"]) == 3
    path.write_text("tables: [", "utf-8")
    try:
        until("the broken file", lambda: not shop.get("/status").json["configUsable"], 30)
        assert len(shop.get("/status").json["tables"]) == 3
    finally:
        path.write_text(whole, "utf-8")


def test_a_run_that_was_launched_a_moment_ago_has_no_row_yet_and_is_not_said_to_be_missing(shop: Shop):
    run = DagsterRun("aggregate", run_id=str(uuid4()), status=DagsterRunStatus.STARTED)
    shop.instance.add_run(run)
    try:
        answer = shop.get(f"/status/{run.run_id}")
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        assert "has no row in batch_jobs yet" in answer.json["detail"]
        shop.instance.report_run_canceled(run)
        assert shop.get(f"/status/{run.run_id}").status == 404, "somebody has deleted its row"
    finally:
        shop.instance.delete_run(run.run_id)
