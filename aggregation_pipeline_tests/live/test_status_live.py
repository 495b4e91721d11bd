"""From a run under `serve` to its answer, its files and their content."""

import json
import urllib.request
from typing import Any

import pytest
from dagster import DagsterRunStatus

from aggregation_pipeline_tests.support.dev import Supervised
from aggregation_pipeline_tests.support.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def read(services: Supervised, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{services.port}{path}", timeout=60) as answer:
        content: bytes = answer.read()
        return content


def asked(services: Supervised, path: str) -> Any:
    return json.loads(read(services, path))


def test_a_run_is_seen_with_its_table_and_its_files(services: Supervised):
    run = services.launch("2026-11-02", DagsterRunStatus.SUCCESS)
    until("its row", lambda: services.row(run.run_id, "completed"), 60)
    status = until(
        "the answer",
        lambda: (found := asked(services, "/status"))["tables"][0]["lastBatch"] == run.run_id and found,
        60,
    )
    (table,) = status["tables"]
    assert (table["name"], table["newestWindow"], table["lastStatus"]) == ("orders", "2026-11-02", "completed")
    assert (status["batches"]["items"][0]["batchJobId"], status["schedules"]) == (run.run_id, [])
    batch = asked(services, f"/status/{run.run_id[:8]}")
    (orders,) = batch["tables"]
    links = {file["format"]: file["link"] for file in orders["files"]}
    assert set(links) == {"csv", "json"}
    folder = services.folder / "exports" / "orders" / "2026-11-02"
    for path in links.values():
        assert read(services, path) == (folder / path.rpartition("/")[2]).read_bytes()
    assert read(services, "/files/orders/latest/orders.json") == (folder / "orders.json").read_bytes()
    assert batch["windows"][0]["stages"]["read"] >= 0
    assert all(check["passed"] for check in batch["checks"])
    # The page of the run is there too.
    assert b"_next/static" in read(services, batch["links"]["run"])
