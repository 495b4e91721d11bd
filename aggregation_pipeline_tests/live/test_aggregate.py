"""`POST /aggregate` under `serve`: by the queue to files and the row, and across the death of the web process."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any
from uuid import uuid4

import psycopg2
import pytest
from dagster import DagsterRunStatus

from aggregation_pipeline.postgres.window_lock import window_lock
from aggregation_pipeline_tests.live.conftest import DAYS
from aggregation_pipeline_tests.support.dev import Supervised
from aggregation_pipeline_tests.support.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def post(services: Supervised, body: Any = None, *, query: str = "", key: str | None = None) -> tuple[int, Any]:
    """Send a request; return the status and the answer."""
    headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
    url = f"http://127.0.0.1:{services.port}/aggregate{query}"
    request = urllib.request.Request(
        url, b"" if body is None else json.dumps(body).encode(), headers, method="POST"
    )  # our own webserver
    try:
        with urllib.request.urlopen(request, timeout=300) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_who_waits_has_the_files_and_the_row_names_who_asked(services: Supervised):
    services.remove_exports()
    status, answer = post(services, {"tables": ["orders"], "partition": DAYS[0], "formats": ["csv"]}, query="?wait=240")
    assert (status, answer["success"], answer["totalItems"]) == (200, True, 1), answer
    assert answer["tables"] == {"orders": {"status": "completed", "items": 1}}
    assert [file["uri"].rpartition("/")[2] for file in answer["files"]] == ["orders.detail.csv"]
    assert services.windows("orders") == [DAYS[0]]
    row = until("its row", lambda: services.row(answer["batchJobId"], "completed"), 60, said=services.log)
    dagster = row.metadata["dagster"]
    assert (dagster["requested_by"], dagster["request_id"]) == ("local", answer["requestId"])
    assert row.metadata["results"]["orders"]["files"] == answer["files"]


def test_a_backfill_that_is_at_work_counts_and_so_does_what_waits_behind_it(services: Supervised):
    with window_lock(services.url, "", "orders", DAYS[1], holder="the test", on_wait=pytest.fail):
        first = services.launched(DAYS[1], DagsterRunStatus.STARTED)
        status, answer = post(services, {"partition": DAYS[1]})
        assert (status, [batch["batchJobId"] for batch in answer["batches"]]) == (409, [first.run_id])
        status, behind = post(services, {"partition": DAYS[2]})
        assert (status, behind["status"]) == (202, "pending")
        status, answer = post(services, {"from": DAYS[1], "to": DAYS[2]})
        assert status == 409
        assert {batch["batchJobId"] for batch in answer["batches"]} == {first.run_id, behind["batchJobId"]}
    until("both", lambda: services.row(behind["batchJobId"], "completed"), 120, said=services.log)


@contextmanager
def stuck_before_the_queue(url: str) -> Iterator[None]:
    """Let nobody put a run into the queue: whoever tries waits. At the end, their sessions are ended."""
    with closing(psycopg2.connect(url.replace("+psycopg2", ""))) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("SELECT pg_advisory_lock(4711)")
        cursor.execute(
            """CREATE FUNCTION wait_before_queue() RETURNS trigger LANGUAGE plpgsql AS
               $$ BEGIN PERFORM pg_advisory_lock(4711); RETURN NEW; END $$;
               CREATE TRIGGER wait_before_queue BEFORE INSERT ON event_logs FOR EACH ROW
               WHEN (NEW.dagster_event_type = 'PIPELINE_ENQUEUED') EXECUTE FUNCTION wait_before_queue()"""
        )
        try:
            yield
        finally:
            cursor.execute(
                """SELECT pg_terminate_backend(pid) FROM pg_locks
                   WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted"""
            )
            until("their end", lambda: _waiting(cursor) == 0, 30)
            cursor.execute("DROP TRIGGER wait_before_queue ON event_logs; DROP FUNCTION wait_before_queue()")


def _waiting(cursor: Any) -> int:
    cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted")
    count: int = cursor.fetchone()[0]
    return count


def test_a_web_process_that_is_killed_between_creating_and_queueing_loses_nothing(services: Supervised):
    key, body = str(uuid4()), {"tables": ["orders"], "partition": DAYS[0]}
    with stuck_before_the_queue(services.url), ThreadPoolExecutor(1) as pool:
        sent = pool.submit(post, services, body, key=key)
        (run,) = until(
            "the run",
            lambda: [run for run in services.instance.get_runs() if run.status == DagsterRunStatus.NOT_STARTED],
            60,
            said=services.log,
        )
        services.service("aggregation_pipeline.web").kill()
        assert isinstance(sent.exception(60), OSError)
    until("the web process", lambda: _answers(services), 120, said=services.log)
    assert services.status(run) == DagsterRunStatus.NOT_STARTED
    status, answer = post(services, body, key=key, query="?wait=120")
    assert (status, answer["replayed"], answer["batchJobId"]) == (200, True, run.run_id), answer
    assert services.status(run) == DagsterRunStatus.SUCCESS


def _answers(services: Supervised) -> bool:
    try:
        return bool(services.ask("{ version }")["data"])
    except (OSError, ValueError):
        return False
