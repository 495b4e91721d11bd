"""`/aggregate` over HTTP: what it takes, what it answers, and to whom."""

import json
import re
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
import uvicorn
from dagster import DagsterRunStatus, RunsFilter
from sqlalchemy.exc import OperationalError

from aggregation_pipeline.access.roles import Principal, Role
from aggregation_pipeline.runs import tags
from aggregation_pipeline.web.api import routes_to
from aggregation_pipeline_tests.support.freezing import frozen
from aggregation_pipeline_tests.support.waiting import until
from aggregation_pipeline_tests.web.aggregate.site import CONFIG, Site, end
from aggregation_pipeline_tests.web.served import Answer, ask, free_port

JSON = "Content-Type: application/json"
DAY = {"tables": ["orders"], "partition": "2026-11-20"}


def test_an_empty_post_of_an_old_script_runs_all_tables(site: Site):
    answer = site.posted()
    assert answer["success"] is True
    assert answer["status"] == "pending"
    assert answer["message"] == "Aggregation in the queue"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", answer["timestamp"])
    assert answer["replayed"] is False
    assert {name for batch in answer["batches"] for name in batch["tables"]} == {"users", "orders", "hours"}
    assert answer["batchJobId"] == answer["batches"][0]["batchJobId"]
    assert [skipped["table"] for skipped in answer["skipped"]] == ["broken"]
    assert "selekt: unknown key" in answer["skipped"][0]["reason"]
    (users,) = [batch for batch in answer["batches"] if batch["tables"] == ["users"]]
    run_id = users["batchJobId"]
    assert users["links"] == {"status": f"/status/{run_id}", "run": f"/runs/{run_id}"}
    assert answer["links"] == {"self": f"/aggregate/{answer['requestId']}"}
    assert {"totalItems", "tables", "files", "result"}.isdisjoint(answer)
    run = site.loaded.instance.get_run_by_id(run_id)
    assert run is not None
    assert run.tags[tags.REQUESTED_BY_TAG] == "ann"
    shown = site.shown(answer["requestId"])
    assert shown == answer | {"timestamp": shown["timestamp"]}


def test_who_waits_gets_the_result_after_the_work_and_others_ask_for_it(site: Site):
    answers: list[Answer] = []
    body = {"tables": ["users", "orders"], "formats": ["csv"]}
    waiting = threading.Thread(target=lambda: answers.append(site.post(body, query="?wait=60")))
    waiting.start()
    runs = until("the runs", lambda: len(found := site.loaded.instance.get_runs()) == 2 and found, 30)
    for run in runs:
        end(site, run.run_id)
    waiting.join(30)
    (answer,) = answers
    assert answer.status == 200
    found = json.loads(answer.body)
    assert (found["success"], found["status"], found["totalItems"]) == (True, "completed", 6)
    assert found["tables"] == {name: {"status": "completed", "items": 3} for name in ("users", "orders")}
    assert {file["table"]: file["rows"] for file in found["files"]} == {"users": 3, "orders": 3}
    assert found["result"]["summary"] == {"totalTables": 2, "totalRecords": 6, "successCount": 2, "errorCount": 0}
    assert found["result"]["tables"]["users"] == {"success": True, "recordCount": 3}
    assert found["result"]["outputFiles"] == [file["uri"] for file in found["files"]]
    later = site.shown(found["requestId"])
    assert {key: later[key] for key in ("status", "totalItems", "tables", "files")} == {
        key: found[key] for key in ("status", "totalItems", "tables", "files")
    }


def test_who_waits_for_a_run_that_fails_gets_500_and_a_run_that_goes_on_202(site: Site):
    key = f"Idempotency-Key: {uuid4()}"
    found = site.posted(DAY, key, query="?wait=1")
    assert found["status"] == "pending"
    run = site.loaded.instance.get_run_by_id(found["batchJobId"])
    assert run is not None
    site.loaded.instance.report_run_canceled(run)
    found = site.posted(DAY, key, query="?wait=60", status=500)
    assert (found["success"], found["message"], found["replayed"]) == (False, "Aggregation failed", True)
    assert found["error"] == f"Run {run.run_id} was cancelled, or ended without an error"
    assert site.posted(DAY, key, status=200)["success"] is False, "who does not wait is not told of an error of HTTP"


def test_a_partition_and_a_range_are_named_in_the_batches(site: Site):
    (batch,) = site.posted(DAY)["batches"]
    assert (batch["partition"], "from" in batch) == ("2026-11-20", False)
    (batch,) = site.posted({"tables": ["orders"], "from": "2026-11-21", "to": "2026-11-23"})["batches"]
    assert (batch["from"], batch["to"], "partition" in batch) == ("2026-11-21", "2026-11-23", False)


def test_a_dry_run_says_what_would_be_launched_and_launches_nothing(site: Site):
    found = site.posted({"at": "2026-11-20T02:00", "dryRun": True}, status=200)
    assert {batch["tables"][0]: batch["windows"] for batch in found["batches"]} == {
        "users": ["2026-11-20"],
        "orders": ["2026-11-19"],
        "hours": ["2026-11-20-01:00"],
    }
    assert found["message"] == "This would be 3 runs. Nothing was launched"
    assert list(site.loaded.instance.get_runs()) == []


def test_a_window_that_is_written_already_is_409_and_names_the_batch(site: Site):
    first = site.posted(DAY)
    found = site.posted({"tables": ["users", "orders"], "partition": "2026-11-20"}, status=422)
    assert "'users' has no partition" in found["error"]
    found = site.posted({"partition": "2026-11-20"}, status=409)
    assert found["success"] is False
    run_id = first["batchJobId"]
    assert found["batches"] == [
        {"batchJobId": run_id, "tables": ["orders"], "links": {"status": f"/status/{run_id}", "run": f"/runs/{run_id}"}}
    ]
    assert site.loaded.instance.get_runs_count() == 1


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (400, '{"tables": [', "the body is no JSON"),
        (400, "tables=users", "the body is no JSON"),
        (422, {"tablez": ["users"]}, "tablez: unknown key; there are tables, formats, at, partition, from, to, dryRun"),
        (422, {"tables": "users"}, "tables: Input should be a valid list"),
        (422, {"tables": [1]}, "tables.0: Input should be a valid string"),
        (422, {"tables": []}, "tables: List should have at least 1 item"),
        (422, {"dryRun": "yes"}, "dryRun: Input should be a valid boolean"),
        (422, {"at": 20261120}, "at: Input should be a valid string"),
        (422, {"from": "2026-11-20"}, "from and to belong together"),
        (422, {"at": "2026-11-20", "partition": "2026-11-20"}, "exclude each other"),
        (422, {"tables": ["\ud800"]}, "tables.0: Input should be a valid string"),
        (422, {"formats": ["\ud800"]}, "formats.0: Input should be a valid string"),
        (422, {"at": "\ud800"}, "at: Input should be a valid string"),
        (422, ["users"], "should be a valid dictionary"),
        (422, {"tables": ["userz"]}, "no table named 'userz' is configured"),
        (422, {"tables": ["broken"]}, "selekt: unknown key"),
        (422, {"formats": ["xml"]}, "formats: expected one or more of json, csv"),
        (422, {"tables": ["orders"], "partition": "2020-01-01"}, "has no partition '2020-01-01'"),
        (422, {"tables": ["hours"], "from": "2026-11-20", "to": "2026-11-25"}, "aggregation-pipeline backfill"),
        (413, '{"tables": ["' + "x" * 300_000 + '"]}', "the body may have 262,144 bytes"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_by_the_name_of_the_key(site: Site, status: int, body: Any, words: str):
    found = site.posted(body, status=status)
    assert found["success"] is False
    assert words in found["error"]
    assert list(site.loaded.instance.get_runs()) == []


def test_json_may_be_said_to_be_json_or_nothing_and_an_empty_body_anything(site: Site):
    for kind in ("application/json; charset=utf-8", "application/vnd.api+json"):
        assert site.post({"dryRun": True}, f"Content-Type: {kind}").status == 200
    form = "Content-Type: application/x-www-form-urlencoded"
    found = site.posted({"dryRun": True}, form, status=415)
    assert "-H 'Content-Type: application/json'" in found["error"]
    assert site.post(None, form).status == 202


@pytest.mark.parametrize("query", ["?wait=-1", "?wait=3601", "?wait=soon"])
def test_a_wait_that_is_no_time_is_refused(site: Site, query: str):
    assert "wait" in site.posted(DAY, query=query, status=422)["error"]


def test_what_stands_in_the_address_instead_of_the_body_launches_nothing(site: Site):
    assert "dryRun: unknown parameter" in site.posted(query="?dryRun=true&wait=0", status=422)["error"]
    assert "two" in site.posted(DAY, "Idempotency-Key: a", "Idempotency-Key: b", status=422)["error"]
    assert list(site.loaded.instance.get_runs()) == []


def test_twenty_at_once_make_one_set_of_runs_with_one_key_and_are_refused_but_one_with_others(site: Site):
    key = f"Idempotency-Key: {uuid4()}"
    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(lambda _: site.posted(DAY, key), range(20)))
    assert sorted(one["replayed"] for one in found) == [False] + [True] * 19
    assert len({(one["requestId"], one["batchJobId"]) for one in found}) == 1
    with ThreadPoolExecutor(20) as pool:
        users = list(pool.map(lambda each: site.post({"tables": ["users"]}, f"{key} {each}").status, range(20)))
    assert sorted(users) == [202] + [409] * 19
    assert site.loaded.instance.get_runs_count() == 2


def test_a_client_that_goes_away_does_not_stop_the_runs(site: Site):
    with socket.create_connection(("127.0.0.1", site.port)) as connection:
        connection.sendall(b"POST /aggregate?wait=600 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n")
        until("the first run", site.loaded.instance.get_runs_count, 30)
    queued = RunsFilter(statuses=[DagsterRunStatus.QUEUED])
    until("all runs", lambda: site.loaded.instance.get_runs_count(queued) == 3, 30)
    for run in site.loaded.instance.get_runs():
        end(site, run.run_id)
    assert site.posted(status=202)["status"] == "pending", "what was waited for is over, so it is launched anew"


def test_who_waits_while_the_web_process_is_stopped_is_told_that_the_runs_go_on(site: Site):
    server = uvicorn.Server(uvicorn.Config(site, port=free_port(), log_level="critical", timeout_graceful_shutdown=1))
    with ThreadPoolExecutor() as pool:
        pool.submit(server.run)
        until("the server", lambda: server.started, 30)
        waiting = pool.submit(ask, server.config.port, "POST /aggregate?wait=60", body='{"tables": ["users"]}')
        until("the run", lambda: list(site.loaded.instance.get_runs()), 30)
        server.should_exit = True
        answer = waiting.result(30)
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert "Runs that are launched go on" in json.loads(answer.body)["error"]


def test_a_key_that_stands_for_something_else_is_refused(site: Site):
    key = f"Idempotency-Key: {uuid4()}"
    first = site.posted(DAY, key)
    again = site.posted(DAY, key, JSON)
    assert (again["requestId"], again["replayed"]) == (first["requestId"], True)
    assert "stands for another request" in site.posted({"tables": ["users"]}, key, status=422)["error"]
    assert site.post(DAY, "Idempotency-Key: " + "x" * 256).status == 422


def test_a_request_that_nobody_has_made_is_404_and_no_id_422(site: Site):
    for path, status in ((f"/aggregate/{uuid4()}", 404), ("/aggregate/no-id", 422), ("/aggregate/x/y", 404)):
        assert ask(site.port, f"GET {path}").status == status
    assert ask(site.port, "GET /aggregate").status == 405


@pytest.mark.parametrize(
    ("principal", "may_launch", "may_look"),
    [
        (Principal("viewer", Role.VIEWER), False, True),
        (Principal("admin", Role.ADMIN), True, True),
        (Principal("run token", Role.OPERATOR, frozenset({"run"})), True, True),
        (Principal("read token", Role.OPERATOR, frozenset({"read"})), False, True),
        (Principal("other token", Role.OPERATOR, frozenset()), False, False),
    ],
)
def test_who_may_launch_is_an_operator_or_has_a_token_for_it(
    site: Site, principal: Principal, *, may_launch: bool, may_look: bool
):
    made = site.posted(DAY)["requestId"]
    site.principal = principal
    assert site.post({"tables": ["users"]}).status == (202 if may_launch else 403)
    assert ask(site.port, f"GET /aggregate/{made}").status == (200 if may_look else 403)


def test_where_dagster_is_read_only_nothing_is_launched(site: Site, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(site.loaded.context, "_read_only", True)
    assert "read-only" in site.posted(DAY, status=403)["error"]


def test_who_has_launched_something_is_told_its_id_even_if_postgresql_goes_away_then(
    site: Site, monkeypatch: pytest.MonkeyPatch
):
    def away(*_: object) -> None:
        raise OperationalError("SELECT", {}, Exception("gone"))

    monkeypatch.setattr(site.loaded.instance, "get_run_records", away)
    found = site.posted(DAY, f"Idempotency-Key: {uuid4()}", status=503)
    assert "Dagster's PostgreSQL does not answer" in found["error"]
    monkeypatch.undo()
    assert list(site.loaded.instance.get_runs()) == [], "it could not look for runs that write the same"
    made = site.posted(DAY)["requestId"]
    monkeypatch.setattr(site.loaded.instance, "get_run_records", away)
    assert f"Request {made} is launched" in ask(site.port, f"GET /aggregate/{made}").body


def test_a_configuration_that_is_not_loaded_is_503_with_the_time_to_try_again(site: Site):
    before = site.loaded.config.read_text(encoding="utf-8")
    try:
        site.loaded.config.write_text(CONFIG.replace("  users: {}", "  users: {}\n  new: {}"), encoding="utf-8")
        answer = site.post()
    finally:
        site.loaded.config.write_text(before, encoding="utf-8")
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert "has not loaded it" in json.loads(answer.body)["error"]


def test_a_configuration_that_cannot_be_read_is_503_and_says_why(site: Site):
    hidden = site.loaded.config.rename(site.loaded.config.with_suffix(".hidden"))
    try:
        assert "there is no such file" in site.posted(status=503)["error"]
        site.loaded.config.mkdir()
        assert "the file cannot be read: Is a directory" in site.posted(status=503)["error"]
        site.loaded.config.rmdir()
    finally:
        hidden.rename(site.loaded.config)
    site.posted({"dryRun": True}, status=200)


def test_the_endpoints_are_beside_those_of_health(site: Site):
    assert {route.path for route in routes_to(site.api)} >= {"/aggregate", "/aggregate/{rest:path}"}  # type: ignore[attr-defined]


@pytest.mark.slow
def test_while_postgresql_is_frozen_requests_are_refused_in_bounded_time_and_others_are_answered(
    site: Site, postgres: Any
):
    made = site.posted(DAY)["requestId"]
    with frozen(postgres.server.child.pid), ThreadPoolExecutor(30) as pool:
        posts = [pool.submit(site.post, {"tables": ["users"]}) for _ in range(12)]
        gets = [pool.submit(ask, site.port, f"GET /aggregate/{made}") for _ in range(12)]
        # The event loop is free meanwhile.
        assert ask(site.port, "GET /openapi.json").status == 200
        assert {each.result(60).status for each in (*posts, *gets)} == {503}
    assert site.shown(made)["status"] == "pending"
