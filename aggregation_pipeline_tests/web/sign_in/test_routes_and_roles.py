"""Every route and every mutation of the installed version, asked by everybody."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from dagster._core.workspace.permissions import Permissions
from dagster_graphql.schema import create_schema
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    get_named_type,
)
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

from aggregation_pipeline.access.roles import Principal, Role
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.web.graphql.fields import IGNORED_MUTATIONS, MUTATIONS
from aggregation_pipeline.web.roles.permissions import ROLES as PERMISSION_ROLES
from aggregation_pipeline.web.roles.route_table import ROUTES, keys_of, needs_of
from aggregation_pipeline_tests.support.runs import open_instance
from aggregation_pipeline_tests.web.served import building, open_websocket
from aggregation_pipeline_tests.web.sign_in.people import JSON, ROLES, People, empty_workspace

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import PostgresServer

SCHEMA: GraphQLSchema = create_schema().graphql_schema
# Only where there is a provider.
OF_PROVIDERS = {"GET /sign-in/oidc", "GET /sign-in/oidc/callback"}
# Dagster answers UnauthorizedError too where there is no such partition or component.
ABSENT = {"addDynamicPartition", "deleteDynamicPartitions", "setAppManagedComponent", "deleteAppManagedComponent"}
EVERYBODY = ("nobody", *ROLES, *(f"{name}/{scope}" for name in ROLES for scope in ("read", "run")))
VALUES = {"String": '"x"', "ID": '"x"', "Int": "1", "Float": "1.0", "Boolean": "false"}


def principal(who: str) -> Principal | None:
    name, _, scope = who.partition("/")
    return Principal(who, ROLES[name], frozenset({scope}) if scope else None) if name in ROLES else None


@contextmanager
def routes_below(prefix: str, url: str, folder: Path) -> Iterator[list[BaseRoute]]:
    """Yield all routes that the service has, ours and Dagster's, those of FastAPI instead of what leads to them."""
    with open_instance(url) as instance:
        settings = Settings(dagster_pg_url=url, auth_file=folder / "auth.json")
        with building(instance, empty_workspace(folder), 3000, prefix, settings) as webserver:
            api = webserver._api

            def walk(given: list[BaseRoute]) -> Iterator[BaseRoute]:
                for route in given:
                    if isinstance(route, Mount) and route.routes:
                        yield from walk(route.routes)
                    elif not (isinstance(route, Route) and route.methods is None):
                        yield route

            ours = [route for route in api.routes if isinstance(route, Route)]
            routers = [each.original_router for each in api.routes if hasattr(each, "original_router")]
            assert routers
            yield [*walk(webserver.build_routes()), *ours, *(route for each in routers for route in each.routes)]


@pytest.fixture(scope="module")
def routes(postgres: "PostgresServer", tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[BaseRoute]]:
    with routes_below("", postgres.fresh_database(), tmp_path_factory.mktemp("routes")) as found:
        yield found


def test_every_route_is_in_the_table_and_every_entry_is_a_route(
    routes: list[BaseRoute], postgres: "PostgresServer", tmp_path: Path
):
    with routes_below("/below", postgres.fresh_database(), tmp_path) as below:
        for found in (routes, below):
            keys = {key for route in found for key in keys_of(route)}
            assert keys - set(ROUTES) == set()
            assert set(ROUTES) - keys <= OF_PROVIDERS


def test_a_route_that_is_not_in_the_table_is_refused_to_everybody():
    assert needs_of(Route("/download_everything", lambda _: None)) == {}


def path_of(route: BaseRoute) -> str:
    if isinstance(route, Mount):
        return f"{route.path}/nothing.js"
    assert isinstance(route, Route | WebSocketRoute)
    return re.sub(r"\{[^}]*\}", "00000000-0000-0000-0000-000000000000", route.path)


@pytest.mark.parametrize("who", EVERYBODY)
def test_every_route_asks_the_table_first(people: People, routes: list[BaseRoute], who: str):
    asks: Any = principal(who)
    # One for each entry of the table: scripts and pictures have hundreds of routes.
    one_each = {key: route for route in routes for key in keys_of(route)}
    for route in one_each.values():
        for method, need in needs_of(route).items():
            path = path_of(route)
            if path == "/sign-out" or path.startswith(("/openapi", "/health")):
                continue
            if method == "WEBSOCKET":
                status = open_websocket(people.port, *people.headers[who], path=path)
                assert status == (101 if need.is_met_by(asks) else 403)
                continue
            status = people.ask(who, f"{method} {path}", *([JSON] if method == "POST" else [])).status
            if need.role is not None and asks is None:
                assert status == 401, (method, path)
            else:
                assert (status not in {401, 403}) == need.is_met_by(asks) or status == 415, (method, path, status)


def minimal(of_type: Any) -> str:
    """The least literal of a type."""
    if isinstance(of_type, GraphQLNonNull):
        return minimal(of_type.of_type)
    if isinstance(of_type, GraphQLList):
        return f"[{minimal(of_type.of_type)}]"
    if isinstance(of_type, GraphQLEnumType):
        return next(iter(of_type.values))
    if isinstance(of_type, GraphQLInputObjectType):
        needed = {name: each for name, each in of_type.fields.items() if isinstance(each.type, GraphQLNonNull)}
        return "{" + ", ".join(f"{name}: {minimal(each.type)}" for name, each in needed.items()) + "}"
    return VALUES[of_type.name]


def call(name: str, field: GraphQLField) -> str:
    def needed(argument: GraphQLArgument) -> bool:
        return isinstance(argument.type, GraphQLNonNull)

    given = ", ".join(f"{each}: {minimal(argument.type)}" for each, argument in field.args.items() if needed(argument))
    has_fields = hasattr(get_named_type(field.type), "fields") or hasattr(get_named_type(field.type), "types")
    return f"{name}{f'({given})' if given else ''}{' { __typename }' if has_fields else ''}"


def is_refused(answer: dict[str, Any], name: str) -> bool:
    found = (answer.get("data") or {}).get(name)
    typename = found.get("__typename") if isinstance(found, dict) else None
    return typename == "UnauthorizedError" or "needs the role" in json.dumps(answer.get("errors", ""))


def test_the_table_has_every_mutation_and_every_permission():
    assert SCHEMA.mutation_type is not None
    assert len(SCHEMA.mutation_type.fields) == 41
    assert set(MUTATIONS) | set(IGNORED_MUTATIONS) == set(SCHEMA.mutation_type.fields)
    assert set(PERMISSION_ROLES) == set(Permissions)


# Tokens act as viewers there, whoever has them: one of them is enough for the quick tests.
SOME = {"nobody", *ROLES, "ada/read"}


@pytest.mark.parametrize("who", [pytest.param(who, marks=() if who in SOME else pytest.mark.slow) for who in EVERYBODY])
def test_every_mutation_is_for_those_whose_role_is_enough(people: People, who: str):
    assert SCHEMA.mutation_type is not None
    asks = principal(who)
    wrong = []
    for name, field in SCHEMA.mutation_type.fields.items():
        query = f"mutation {{ {call(name, field)} }}"
        answer = people.ask(who, "POST /graphql", JSON, body=json.dumps({"query": query}))
        if asks is None or (asks.scopes is not None and "read" not in asks.scopes):
            assert answer.status == (401 if asks is None else 403), name
            continue
        role = Role.VIEWER if asks.scopes else asks.role
        may = name in IGNORED_MUTATIONS or role >= PERMISSION_ROLES[MUTATIONS[name]]
        if is_refused(json.loads(answer.body), name) == may and not (may and name in ABSENT):
            wrong.append((name, answer.status, answer.body[:300]))
    assert wrong == []


def test_several_mutations_in_one_document_are_judged_each_on_its_own(people: People):
    query = 'mutation { reloadWorkspace { __typename } a: deleteRun(runId: "x") { __typename } ...more }'
    query += ' fragment more on Mutation { b: terminateRun(runId: "x") { __typename } }'
    answer = json.loads(people.ask("otto", "POST /graphql", JSON, body=json.dumps({"query": query})).body)
    assert {name: found["__typename"] for name, found in answer["data"].items()} == {
        "reloadWorkspace": "UnauthorizedError",
        "a": "UnauthorizedError",
        "b": "RunNotFoundError",
    }


def test_what_dagster_asks_no_permission_for_does_nothing(people: People, tmp_path: Path):
    query = """mutation { setNuxSeen logTelemetry(action: "a", clientTime: "1", clientId: "c", metadata: "{}") {
        ... on LogTelemetrySuccess { action } } }"""
    answer = json.loads(people.ask("vera", "POST /graphql", JSON, body=json.dumps({"query": query})).body)
    assert answer["data"] == {"setNuxSeen": True, "logTelemetry": {"action": "a"}}
    shown = people.ask("vera", "POST /graphql", JSON, body='{"query": "{ shouldShowNux }"}').body
    assert json.loads(shown)["data"] == {"shouldShowNux": False}


@pytest.mark.parametrize(("who", "may"), [("vera", False), ("vera/read", False), ("otto", True), ("otto/read", False)])
def test_what_a_runs_own_code_prints_is_for_operators(people: People, who: str, may: bool):
    for field in ('capturedLogs(logKey: ["x"]) { cursor }', 'capturedLogsMetadata(logKey: ["x"]) { stdoutLocation }'):
        answer = people.ask(who, "POST /graphql", JSON, body=json.dumps({"query": f"{{ {field} }}"}))
        assert (answer.status == 200, "need the role operator" in answer.body) == (may, not may), answer.body


@pytest.mark.parametrize(("who", "shown"), [("vera", False), ("otto", False), ("ada", True), ("ada/read", False)])
def test_the_configuration_of_the_instance_is_for_admins(people: People, who: str, shown: bool):
    answer = people.ask(who, "POST /graphql", JSON, body='{"query": "{ instance { info } }"}')
    assert (json.loads(answer.body)["data"]["instance"]["info"] is not None) == shown


def test_dagsters_ui_is_told_what_is_disabled_and_why(people: People):
    query = '{"query": "{ permissions { permission value disabledReason } }"}'
    for who, role in (*ROLES.items(), ("ada/read", Role.VIEWER)):
        found = json.loads(people.ask(who, "POST /graphql", JSON, body=query).body)["data"]["permissions"]
        told = {each["permission"]: (each["value"], each["disabledReason"]) for each in found}
        assert told["wipe_assets"] == (
            (True, None) if role == Role.ADMIN else (False, f"Your role is {role.name.lower()}. This needs admin.")
        )
        assert told["launch_pipeline_execution"][0] == (role >= Role.OPERATOR)
