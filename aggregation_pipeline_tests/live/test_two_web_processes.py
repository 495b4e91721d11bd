"""Two web processes of one deployment: `serve`, and beside it `serve --only web` on another port."""

import dataclasses
import itertools
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from dagster import DagsterRunStatus, RunsFilter

from aggregation_pipeline.access.editing import set_disabled
from aggregation_pipeline.postgres.window_lock import window_lock
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline_tests.live.conftest import DAYS
from aggregation_pipeline_tests.support.dev import DAILY_ORDERS, Supervised, deployed_dev, make_orders
from aggregation_pipeline_tests.support.waiting import until
from aggregation_pipeline_tests.web.served import ask, free_port
from aggregation_pipeline_tests.web.sign_in.people import HTML, JSON, PASSWORD, People, add_people, cookies_of

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import MySQLServer, PostgresServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@dataclasses.dataclass(frozen=True)
class Two:
    """Both, with the same accounts and tokens. `first` runs the code server and the daemon too."""

    first: Supervised
    second: Supervised
    people: People

    @property
    def ports(self) -> tuple[int, int]:
        return self.first.port, self.second.port

    def post(self, port: int, body: Any, *, key: str, query: str = "") -> tuple[int, Any]:
        """Send a request with the token of an operator; return the status and the answer."""
        headers = (*self.people.headers["otto/run"], JSON, f"Idempotency-Key: {key}")
        answer = ask(port, f"POST /aggregate{query}", *headers, body=json.dumps(body))
        return answer.status, json.loads(answer.body)

    def at(self, port: int) -> People:
        """Return the people as they come to this port."""
        return dataclasses.replace(self.people, port=port)


def is_ready(service: Supervised) -> bool:
    with suppress(OSError, IndexError):
        return ask(service.port, "GET /health/ready").status == 200
    return False


@pytest.fixture(scope="module")
def two(mariadb: "MySQLServer", postgres: "PostgresServer", server_folder: Path) -> Iterator[Two]:
    source = make_orders(mariadb, [f"({number}, 'new', '{day} 10:00:00')" for number, day in enumerate(DAYS)])
    folder = server_folder / "two_web"
    with deployed_dev(folder, DAILY_ORDERS, source, postgres.fresh_database(), Supervised) as first:
        auth_file = folder / "home" / "auth.json"
        first.environment = {**first.environment, "AUTH_FILE": str(auth_file)}
        second = dataclasses.replace(first, port=free_port(), options=("--only", "web"))
        settings = Settings(dagster_pg_url=first.url, auth_file=auth_file)
        people = People(first.port, first.instance, settings, add_people(settings))
        try:
            for service in (first, second):
                service.begin()
                until("the web process", lambda service=service: is_ready(service), 120, said=first.log)  # type: ignore[misc]
            yield Two(first, second, people)
        finally:
            second.stop()


def held(two: Two, day: str) -> AbstractContextManager[object]:
    """Hold the window of this day, so that no run of it ends."""
    return window_lock(two.first.url, "", "orders", day, holder="the test", on_wait=pytest.fail)


def at_once(two: Two, bodies: list[tuple[Any, str]]) -> list[tuple[int, Any]]:
    """Send all of these, each with its key, half of them to each process."""
    with ThreadPoolExecutor(len(bodies)) as pool:
        sent = [pool.submit(two.post, two.ports[n % 2], body, key=key) for n, (body, key) in enumerate(bodies)]
        return [each.result() for each in sent]


def test_one_key_at_both_is_one_set_of_runs_and_different_keys_for_one_window_are_one_and_refusals(two: Two):
    key, body = str(uuid4()), {"tables": ["orders"], "from": DAYS[0], "to": DAYS[1]}
    with held(two, DAYS[0]):
        found = at_once(two, [(body, key)] * 20)
        assert {status for status, _ in found} == {202}, found
        assert sorted(answer["replayed"] for _, answer in found) == [False] + [True] * 19
        assert len({(answer["requestId"], answer["batchJobId"]) for _, answer in found}) == 1
        others = at_once(two, [({"partition": DAYS[2]}, str(uuid4())) for _ in range(20)])
        assert sorted(status for status, _ in others) == [202] + [409] * 19
        assert two.first.instance.get_runs_count() == 2
    until("both runs", lambda: all(run.is_finished for run in two.first.instance.get_runs()), 120, said=two.first.log)


def started(two: Two, day: str) -> Any:
    """Return the run of this day that is at work, if there is one."""
    wanted = RunsFilter(tags={"dagster/partition": day}, statuses=[DagsterRunStatus.STARTED])
    return next(iter(two.first.instance.get_runs(wanted)), None)


def test_who_waits_at_one_is_answered_while_the_other_is_killed_and_its_request_goes_on_there(two: Two):
    first, second = two.ports
    mine, theirs = str(uuid4()), str(uuid4())
    before = two.first.instance.get_runs_count()
    with ThreadPoolExecutor(2) as pool:
        with held(two, DAYS[0]), held(two, DAYS[1]):
            waiting = pool.submit(two.post, first, {"partition": DAYS[0]}, key=mine, query="?wait=240")
            lost = pool.submit(two.post, second, {"partition": DAYS[1]}, key=theirs, query="?wait=240")
            run = until("the run that waits", lambda: started(two, DAYS[0]), 120, said=two.first.log)
            until("the other", lambda: two.first.instance.get_runs_count() == before + 2, 60, said=two.first.log)
            two.second.service("aggregation_pipeline.web").kill()
            assert isinstance(lost.exception(60), OSError | ValueError | IndexError)
            status, answer = two.post(first, {"partition": DAYS[1]}, key=theirs)
            assert (status, answer["replayed"]) == (202, True), answer
            assert not waiting.done()
        status, answer = waiting.result(240)
    assert (status, answer["success"], answer["batchJobId"]) == (200, True, run.run_id), answer
    until("the second again", lambda: is_ready(two.second), 120, said=two.first.log)
    status, answer = two.post(second, {"partition": DAYS[1]}, key=theirs, query="?wait=240")
    assert (status, answer["success"], answer["replayed"]) == (200, True, True), answer


def test_who_signs_out_at_one_or_whose_account_changes_is_out_at_both(two: Two):
    first, second = two.ports
    signed_in = two.at(first).sign_in("vera", PASSWORD)
    session = f"Cookie: aggregation_session={cookies_of(signed_in)['aggregation_session']}"
    for port in two.ports:
        assert ask(port, "GET /account", session, HTML).status == 200
    page = ask(second, "GET /account", session, HTML)
    assert two.at(second).send_form("/sign-out", page, session).status == 303
    for port in two.ports:
        until("the end of the session", lambda port=port: status_of(port, session) == 401, 30)  # type: ignore[misc]
    token = two.people.headers["ada/read"][0]
    assert {status_of(port, token) for port in two.ports} == {200}
    set_disabled(two.people.settings.auth_path, "ada", disabled=True)
    assert {status_of(port, token) for port in two.ports} == {401}


def status_of(port: int, header: str) -> int:
    return ask(port, "GET /openapi.json", header).status


def test_attempts_to_sign_in_are_slowed_by_both(two: Two):
    for port in two.ports:
        # On a slow machine the first pauses, of some seconds, are over before the next attempt comes. They double.
        answers = (two.at(port).sign_in("otto", "wrong").status for _ in range(30))
        until_slowed = list(itertools.takewhile(lambda status: status != 429, answers))
        assert 4 <= len(until_slowed) < 30, "each counts what it sees"
        assert set(until_slowed) == {403}
