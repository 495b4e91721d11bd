"""`/status` while PostgreSQL is frozen, and while it is stopped: bounded, in words, and in nobody's way."""

import gc
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from aggregation_pipeline.embedded.postgres import THROWAWAY_OPTIONS, Postgres, start_postgres
from aggregation_pipeline.overview import kept
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline_tests.batch_jobs.any_rows import our_row, run_id, write
from aggregation_pipeline_tests.batch_jobs.test_pages import NOON
from aggregation_pipeline_tests.support.freezing import frozen
from aggregation_pipeline_tests.support.runs import new_batch_jobs, open_instance
from aggregation_pipeline_tests.support.waiting import until
from aggregation_pipeline_tests.web.served import Answer, ask, serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
# The time limits of the endpoints, and some for a busy machine.
ANSWER_SECONDS = 20.0
PATHS = ("/status", "/status?limit=5", f"/status/{run_id(1)}", "/status?table=orders&jobType=*")


@dataclass
class Place:
    port: int
    postgres: Postgres

    def get(self, path: str, seconds: float = ANSWER_SECONDS) -> Answer:
        began = time.monotonic()
        answer = ask(self.port, f"GET /dagster{path}")
        assert time.monotonic() - began < seconds, path
        return answer


@pytest.fixture
def place(server_folder: Path, tmp_path: Path) -> Iterator[Place]:
    """The whole webserver on a PostgreSQL of its own."""
    postgres = start_postgres(server_folder / "status-pg", report=print, options=THROWAWAY_OPTIONS)
    (tmp_path / "workspace.yaml").write_text("load_from: []\n", "utf-8")
    (tmp_path / "aggregation.yaml").write_text("tables: {orders: {select_fields: [id]}}\n", "utf-8")
    settings = Settings(
        dagster_pg_url=postgres.url(),
        aggregation_config=tmp_path / "aggregation.yaml",
        storage_dir=tmp_path / "exports",
        deployment_name="prod",
    )
    write(new_batch_jobs(postgres.url()), [our_row(1, NOON)])
    with (
        open_instance(postgres.url()) as instance,
        serving(instance, tmp_path / "workspace.yaml", "/dagster", settings) as port,
    ):
        place = Place(port, postgres)
        yield place
        place.postgres.stop()


def test_a_postgresql_that_is_frozen_or_stopped_keeps_nobody(
    place: Place, server_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    first, *_, of_table = answers = [place.get(path) for path in PATHS]
    assert {answer.status for answer in answers} == {200}
    assert '"self":"/dagster/status/' in first.body
    assert run_id(1) in of_table.body
    threads = threading.active_count()
    with frozen(place.postgres.child.pid):
        time.sleep(kept._FRESH_SECONDS)
        with ThreadPoolExecutor(12) as pool:
            found = list(pool.map(place.get, PATHS * 3))
            assert threading.active_count() < threads + 12 + 16
        known, *others = found[:4]
        assert (known.status, json.loads(known.body)["ageSeconds"] > 1) == (200, True)
        for answer in others:
            assert (answer.status, "Try again" in json.loads(answer.body)["detail"]) == (503, True)
            assert "127.0.0.1" not in answer.body
        for _ in range(10):
            assert place.get("/health/live", 5).status == 200
        assert place.get("/health", 10).status == 503
        for each in gc.get_objects():
            if type(each) is kept.Kept:
                monkeypatch.setattr(each, "_times", kept.Times(oldest=1.0))
        assert place.get("/status").status == 503, "what is too old is not shown"
    until("PostgreSQL again", lambda: {place.get(path).status for path in PATHS} == {200}, 120)
    place.postgres.stop()
    until("the outage", lambda: {place.get(path).status for path in PATHS} == {503}, 60)
    place.postgres = start_postgres(server_folder / "status-pg", report=print, options=THROWAWAY_OPTIONS)
    until("PostgreSQL again", lambda: {place.get(path).status for path in PATHS} == {200}, 60)
