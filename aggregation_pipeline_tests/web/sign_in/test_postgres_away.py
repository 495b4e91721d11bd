"""PostgreSQL is frozen, and many people ask: tokens work, sessions are told to wait, and nothing waits for them."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aggregation_pipeline.embedded.postgres import THROWAWAY_OPTIONS, Postgres, start_postgres
from aggregation_pipeline.web.sign_in.routes import UNKNOWN_NAME
from aggregation_pipeline_tests.support.freezing import frozen
from aggregation_pipeline_tests.support.runs import open_instance
from aggregation_pipeline_tests.support.waiting import until
from aggregation_pipeline_tests.web.served import access_settings, ask, serving
from aggregation_pipeline_tests.web.sign_in.people import PASSWORD, People, empty_workspace, people_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
# What one answer may take: eight seconds, and some for a busy machine.
ANSWER_SECONDS = 20.0
ASKING = 100


@pytest.fixture(scope="module")
def postgres_here(server_folder: Path) -> Iterator[Postgres]:
    postgres = start_postgres(server_folder / "sign-in-pg", report=print, options=THROWAWAY_OPTIONS)
    try:
        yield postgres
    finally:
        postgres.stop()


@pytest.fixture(scope="module")
def people(postgres_here: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    folder = tmp_path_factory.mktemp("away")
    with open_instance(postgres_here.url()) as instance:
        settings = access_settings(instance, folder)
        with (
            serving(instance, empty_workspace(folder), access=settings) as port,
            people_of(port, instance, settings) as found,
        ):
            yield found


def test_tokens_work_and_sessions_are_told_to_come_again(people: People, postgres_here: Postgres):
    assert people.ask("vera", "GET /openapi").status == 200
    with frozen(postgres_here.child.pid), ThreadPoolExecutor(ASKING) as many:
        # What PostgreSQL has answered lately counts for two seconds.
        until("sessions to be away", lambda: people.ask("vera", "GET /openapi").status == 503, 60)
        headers = [f"Cookie: aggregation_session={'x' * 40}{number}" for number in range(ASKING)]
        asking = [many.submit(ask, people.port, "GET /openapi", header) for header in headers]
        started = time.monotonic()
        # Others work while those wait.
        for _ in range(5):
            assert people.ask("vera/read", "GET /openapi").status == 200
            assert ask(people.port, "GET /health/live").status == 200
        assert time.monotonic() - started < ANSWER_SECONDS
        answers = [each.result() for each in asking]
        assert {answer.status for answer in answers} == {503}
        assert all(int(answer.headers["retry-after"]) for answer in answers)
        assert time.monotonic() - started < 2 * ANSWER_SECONDS
        page = people.sign_in("vera", PASSWORD)
        assert page.status == 503
        assert "You cannot be signed in at this moment" in page.body
    until("sessions to be back", lambda: people.ask("vera", "GET /openapi").status == 200, 60)
    # Right passwords that could not be used are no failures.
    assert people.sign_in("vera", PASSWORD).status == 303
    assert threading.active_count() < 100


def test_what_the_audit_log_lacks_is_one_line_of_json_in_the_services_log(
    people: People, postgres_here: Postgres, caplog: pytest.LogCaptureFixture
):
    with frozen(postgres_here.child.pid), ThreadPoolExecutor(ASKING) as many:
        # So many wait that a row is not even tried.
        headers = [f"Cookie: aggregation_session={'y' * 40}{number}" for number in range(ASKING)]
        asking = [many.submit(ask, people.port, "GET /openapi", header) for header in headers]
        until("the queue to be full", lambda: any(each.done() for each in asking), 60)
        assert people.sign_in("eve\n2026-11-20 INFO all is well", "a wrong password").status == 403
    messages = [each.getMessage() for each in caplog.records if '"what": "sign-in"' in each.getMessage()]
    assert messages
    for message in messages:
        row = json.loads(message.partition("The audit log lacks: ")[2])
        assert (row["what"], row["address"], row["result"]) == ("sign-in", "127.0.0.1", "failed")
        assert row["who"] == UNKNOWN_NAME
    until("sessions to be back", lambda: people.ask("vera", "GET /openapi").status == 200, 60)
