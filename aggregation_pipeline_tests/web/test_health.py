"""What `/health` answers, and whom it tells what."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware

from aggregation_pipeline.health.probe import Probe
from aggregation_pipeline.health.probes import CODE_LOCATION
from aggregation_pipeline.web.api import build_api, routes_to
from aggregation_pipeline.web.gate.gate import Gate
from aggregation_pipeline.web.gate.hosts import OwnHosts
from aggregation_pipeline.web.health import OPEN_PATHS
from aggregation_pipeline_tests.web.asgi import ask

WHERE = "db.internal:3306 refuses connections"


def app_with(*probes: Probe) -> Starlette:
    """Return our endpoints behind the gate, without Dagster's."""
    own = OwnHosts.of("127.0.0.1", 3000)
    return Starlette(
        routes=routes_to(build_api(probes, own)), middleware=[Middleware(Gate, own=own, open_paths=OPEN_PATHS)]
    )


def good(name: str, *, required: bool = False) -> Probe:
    return Probe(name, lambda: None, required=required)


def bad(name: str, *, required: bool = False) -> Probe:
    return Probe(name, lambda: WHERE, required=required)


@contextmanager
def hanging(name: str, *, required: bool = False) -> Iterator[Probe]:
    free = threading.Event()

    def wait() -> None:
        free.wait(60)

    try:
        yield Probe(name, wait, required=required)
    finally:
        free.set()


def test_all_is_well():
    answer = ask(app_with(good("postgres", required=True), good("mysql")), "/health?strict=1")
    assert answer.status == 200
    assert answer.json["status"] == "healthy"
    assert {name: (check["ok"], check["required"]) for name, check in answer.json["checks"].items()} == {
        "postgres": (True, True),
        "mysql": (True, False),
    }
    assert set(answer.json["checks"]["mysql"]) == {"ok", "required", "ageSeconds"}


def test_the_answer_has_what_the_node_service_answered():
    answer = ask(app_with(), "/health")
    assert answer.json["status"] == "healthy"
    assert 0 <= answer.json["uptime"] < 60
    moment = answer.json["timestamp"]
    assert (len(moment), moment[10], moment[19], moment[-1]) == (24, "T", ".", "Z")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("query", "status"), [("", 200), ("?strict=1", 503), ("?strict=true", 503), ("?strict=0", 200), ("?other=1", 200)]
)
def test_what_the_service_can_do_without_makes_it_degraded(query: str, status: int):
    answer = ask(app_with(good("postgres", required=True), bad("mysql")), f"/health{query}")
    assert (answer.status, answer.json["status"]) == (status, "degraded")


@pytest.mark.parametrize("query", ["", "?strict=1", "?strict=0"])
def test_what_the_service_cannot_do_without_makes_it_unhealthy(query: str):
    answer = ask(app_with(bad("postgres", required=True), good("mysql"), bad("files")), f"/health{query}")
    assert (answer.status, answer.json["status"]) == (503, "unhealthy")


def test_dependencies_that_hang_take_two_seconds_together_and_then_none():
    with hanging("postgres", required=True) as postgres, hanging("mysql") as mysql:
        app = app_with(postgres, mysql, good("files"))
        began = time.monotonic()
        answer = ask(app, "/health")
        assert 1.9 < time.monotonic() - began < 3.5
        assert (answer.status, answer.json["checks"]["files"]["ok"]) == (503, True)
        assert answer.json["checks"]["mysql"]["problem"] == "no answer within 2 s"
        began = time.monotonic()
        assert [ask(app, "/health").status for _ in range(10)] == [503] * 10
        assert ask(app, "/health/live").status == 200
        assert time.monotonic() - began < 1.5


def test_live_asks_nothing():
    with hanging("postgres", required=True) as postgres:
        assert ask(app_with(postgres), "/health/live").json == {"status": "alive"}
        assert postgres.outcome().problem == "it was not asked yet"


def test_ready_asks_for_the_code_alone():
    with hanging("postgres", required=True) as postgres:
        answer = ask(app_with(postgres, good(CODE_LOCATION, required=True)), "/health/ready")
        assert (answer.status, answer.json) == (200, {"status": "ready"})
        answer = ask(app_with(postgres, bad(CODE_LOCATION, required=True)), "/health/ready")
        assert (answer.status, answer.json) == (503, {"status": "not ready"})
        assert postgres.outcome().problem == "it was not asked yet"


def test_what_is_wrong_is_told_on_this_machine():
    for host in ("127.0.0.1:3000", "localhost:3000", "LOCALHOST:3000", "[::1]:3000"):
        answer = ask(app_with(bad("mysql")), "/health", host=host, client="::1" if "[" in host else "127.0.0.1")
        assert answer.json["checks"]["mysql"]["problem"] == WHERE


ELSEWHERE: list[dict[str, Any]] = [
    {"client": "10.0.0.7"},
    {"client": "10.0.0.7", "host": "10.0.0.5:3000"},
    {"client": None},
    # A page of another site, by a name that leads here.
    {"host": "evil.example:3000"},
    {"host": ""},
    *({header: "10.0.0.7"} for header in ("x_forwarded_for", "forwarded", "x_real_ip", "via", "x_forwarded_host")),
]


@pytest.mark.parametrize("how", ELSEWHERE)
def test_others_are_told_that_something_is_wrong_and_not_what(how: dict[str, Any]):
    answer = ask(app_with(bad("mysql"), good("postgres", required=True)), "/health", **how)
    assert (answer.status, answer.json["checks"]["mysql"]["ok"]) == (200, False)
    assert b"db.internal" not in answer.body
    assert "problem" not in answer.json["checks"]["mysql"]


@pytest.mark.parametrize("path", OPEN_PATHS)
@pytest.mark.parametrize("host", ["10.0.0.5:3000", "10.0.0.5", "web", ""])
def test_load_balancers_and_containers_ask_under_any_host(path: str, host: str):
    assert ask(app_with(), path, host=host, client="10.0.0.7").status == 200
    assert ask(app_with(), f"{path}/", host=host, client="10.0.0.7").status == 200


@pytest.mark.parametrize("path", ["/openapi.json", "/openapi", "/health/x", "/healthx", "/x/health", "//health"])
def test_nothing_else_is_answered_under_a_foreign_host(path: str):
    assert ask(app_with(), path, host="evil.example:3000").status == 403


def test_nothing_but_reading_is_answered_under_a_foreign_host():
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert ask(app_with(), "/health", method=method, host="10.0.0.5:3000").status == 403


def test_pages_of_other_sites_do_not_read_it_either():
    for headers in ({"origin": "https://evil.example"}, {"sec_fetch_site": "cross-site"}):
        assert ask(app_with(), "/health", **headers).status == 403
        assert ask(app_with(), "/health", host="evil.example", **headers).status == 403
