"""Our endpoints among Dagster's routes, and their description."""

import copy
import itertools
import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, assume, given, settings

from aggregation_pipeline.health.probe import Probe
from aggregation_pipeline.web.api import build_api, routes_to
from aggregation_pipeline.web.gate.hosts import OwnHosts
from aggregation_pipeline_tests.support.runs import open_instance
from aggregation_pipeline_tests.web.asgi import ask
from aggregation_pipeline_tests.web.served import Answer, free_port, serving, serving_app
from aggregation_pipeline_tests.web.served import ask as ask_port
from aggregation_pipeline_tests.web.test_health import app_with, bad, good

if TYPE_CHECKING:
    import schemathesis

OWN = OwnHosts.of("127.0.0.1", 3000)
DOCUMENT: dict[str, Any] = build_api([Probe("mysql", lambda: None)], OWN).openapi()
PATHS = tuple(DOCUMENT["paths"])


@pytest.fixture(scope="module", params=["", "/dagster"])
def place(
    request: pytest.FixtureRequest, dagster_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[int, str]]:
    """The whole webserver, at the root and below a path: its port, and the path."""
    workspace = tmp_path_factory.mktemp("web") / "workspace.yaml"
    workspace.write_text("load_from: []\n")
    with (
        open_instance(dagster_database) as instance,
        serving(instance, workspace, request.param) as port,
    ):
        yield port, request.param


def get(place: tuple[int, str], path: str, method: str = "GET") -> Answer:
    port, prefix = place
    return ask_port(port, f"{method} {prefix}{path}")


def test_our_endpoints_and_dagsters_pages_are_on_one_port(place: tuple[int, str]):
    for path in (*PATHS, "/openapi.json"):
        answer = get(place, path)
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json"), path
        assert answer.headers["cache-control"] == "no-store"
        assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]
    assert json.loads(get(place, "/server_info").body)["dagster_version"]
    for page in ("/", "/runs", "/locations/aggregation_pipeline/jobs"):
        assert "/_next/static" in get(place, page).body


def test_a_path_below_ours_that_is_not_there_is_not_dagsters_ui(place: tuple[int, str]):
    for path in ("/health/nothing", "/health/live/x", "/openapi/x", "/openapi.json/x"):
        assert get(place, path).status == 404, path
    assert get(place, "/health", "POST").status == 405
    assert get(place, "/health?strict=perhaps").status == 422


def test_head_and_a_slash_at_the_end_are_answered_too(place: tuple[int, str]):
    for path in PATHS:
        assert (get(place, path, "HEAD").status, get(place, path, "HEAD").body) == (200, "")
        assert get(place, f"{path}/").body[:10] == get(place, path).body[:10]


def test_the_gate_lets_health_through_under_every_host_and_nothing_else(place: tuple[int, str]):
    port, prefix = place
    assert ask_port(port, f"GET {prefix}/health/live", host="10.0.0.5").status == 200
    assert ask_port(port, f"GET {prefix}/health/live/", host="10.0.0.5:8080").status == 200
    for path in ("/openapi.json", "/", "/graphql?query={version}", "/health/live/../../graphql", "/server_info"):
        assert ask_port(port, f"GET {prefix}{path}", host="10.0.0.5").status == 403, path
    if prefix:
        assert ask_port(port, "GET /health", host="10.0.0.5").status == 403


def test_the_description_names_the_path_below_which_all_is(place: tuple[int, str]):
    servers = json.loads(get(place, "/openapi.json").body).get("servers")
    assert servers == ([{"url": place[1]}] if place[1] else None)


def test_every_field_and_every_parameter_is_explained():
    check_explanations(DOCUMENT)


def check_explanations(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    ours = {name: schema for name, schema in schemas.items() if "Validation" not in name}
    for name, schema in ours.items():
        assert schema["description"], name
        constant = {field for field, about in schema["properties"].items() if "const" in about or "enum" in about}
        explained = {field for field, about in schema["properties"].items() if about.get("description")}
        assert set(schema["properties"]) == explained | constant, name
    for methods in document["paths"].values():
        for operation in methods.values():
            assert operation["description"]
            assert all(parameter["description"] for parameter in operation.get("parameters", ()))


def test_the_page_shows_every_endpoint_and_loads_nothing():
    page = ask(app_with(good("mysql")), "/openapi")
    text = page.body.decode()
    assert "default-src 'none'; style-src 'sha256-" in page.headers["content-security-policy"]
    assert not re.search(r"<script|<img|<link|@import|url\(|https?://", text)
    for path in PATHS:
        assert f"<code>GET {path}</code>" in text
    for word in ("strict", "ageSeconds", "DependencyHealth", "healthy or degraded or unhealthy", "503"):
        assert word in text


def test_routes_take_no_path_of_dagsters():
    assert {route.path.split("/")[1] for route in routes_to(build_api([], OWN))} == {  # type: ignore[attr-defined]
        "batches",
        "health",
        "openapi",
        "openapi.json",
    }


@pytest.mark.parametrize("state", ["degraded", "unhealthy"])
def test_answers_are_what_the_description_says(state: str):
    """For requests as the description allows them, and for others."""
    from schemathesis import GenerationMode

    port = free_port()
    with serving_app(app_with(Probe("codeLocation", lambda: None), bad("mysql", required=state == "unhealthy")), port):
        for path, mode in itertools.product(PATHS, GenerationMode):
            # An endpoint without parameters cannot be asked wrongly.
            if mode == GenerationMode.POSITIVE or DOCUMENT["paths"][path]["get"].get("parameters"):
                try_out(DOCUMENT, path, mode, port)


def described(document: dict[str, Any], path: str, method: str) -> Any:
    """Return an operation for requests without tokens: sign-in, which asks for them, is tested in sign_in/."""
    from schemathesis import openapi

    changed = copy.deepcopy(document)
    changed["paths"][path][method.lower()].pop("security", None)
    return openapi.from_dict(changed)[path][method]


def try_out(document: dict[str, Any], path: str, mode: "schemathesis.GenerationMode", port: int) -> None:
    from schemathesis import Case, checks

    operation = described(document, path, "GET")

    @settings(max_examples=10, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def fits(case: Case[Any]) -> None:
        # No route of Starlette's takes a line break in a path.
        assume(not any("\n" in unquote(str(value)) for value in (case.path_parameters or {}).values()))
        # The answer of an unhealthy service is a server error, and documented.
        case.call_and_validate(base_url=f"http://127.0.0.1:{port}", excluded_checks=[checks.not_a_server_error])

    fits()
