"""Dagster's webserver with our gate and sign-in in front of it, and our endpoints beside its own."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import uvicorn
from dagster._core.workspace.context import WorkspaceProcessContext, WorkspaceRequestContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster_shared.check import CheckError
from dagster_webserver.version import __version__
from dagster_webserver.webserver import DagsterWebserver
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.websockets import WebSocket

from aggregation_pipeline.access.audit import Result
from aggregation_pipeline.config.hosts_and_urls import bracketed
from aggregation_pipeline.health.probes import open_probes
from aggregation_pipeline.local.instance import open_storage
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.web.api import build_api, routes_to
from aggregation_pipeline.web.bounded_connection import BoundedConnection, allow_many_connections
from aggregation_pipeline.web.common.current_project import CurrentProject
from aggregation_pipeline.web.common.peers import Peers, address_of
from aggregation_pipeline.web.common.principal import principal_of
from aggregation_pipeline.web.common.quiet_log import OnceAMinute
from aggregation_pipeline.web.corner_links import with_corner_links
from aggregation_pipeline.web.dagster_loop import InSecondLoop, second_loop
from aggregation_pipeline.web.endpoints import open_endpoints
from aggregation_pipeline.web.gate.gate import Gate
from aggregation_pipeline.web.gate.hosts import OwnHosts
from aggregation_pipeline.web.graphql.body import problem_of, problem_of_report
from aggregation_pipeline.web.graphql.fields import judge_fields
from aggregation_pipeline.web.graphql.websocket import ReadableWebSocket
from aggregation_pipeline.web.health import OPEN_PATHS
from aggregation_pipeline.web.roles.judged import judge
from aggregation_pipeline.web.roles.permissions import PrincipalContext
from aggregation_pipeline.web.roles.route_table import open_paths
from aggregation_pipeline.web.sign_in.access import Access, open_access
from aggregation_pipeline.web.sign_in.authentication import JUDGE_SECONDS, Authentication
from aggregation_pipeline.web.sign_in.identity import Identification
from aggregation_pipeline.web.sign_in.routes import sign_in_routes
from aggregation_pipeline.web.sign_in.start import prepare_access

_log = logging.getLogger(__name__)
# Dagster's PostgreSQL, with the numbers of `dagster-webserver`: how long a statement may take, how long a connection is
# kept, and how many connections there may be besides those that are kept.
_STATEMENT_MS: Final = 15_000
_RECYCLE_SECONDS: Final = 3600
_OVERFLOW: Final = 20
# How often a page asks for news of its assets.
_POLL_MS: Final = 2000
# For requests that are still being answered at the end. Without a limit, websockets would stay open for ever.
_SHUTDOWN_SECONDS: Final = 5
# Far above what Dagster's pages send; configurations of runs are the longest.
_MOST_BODY_BYTES: Final = 16 * 1024 * 1024
# These routes serve any notebook below the working folder as a page of ours, with its scripts. This project has none.
_NOTEBOOK_ROUTES: Final = ("/notebook", "/dagit/notebook")


class Webserver(DagsterWebserver[WorkspaceProcessContext, WorkspaceRequestContext]):
    """Dagster's webserver behind our gate and sign-in, with our endpoints and without the pages for notebooks.

    Each route is judged by the table of routes, and each field of GraphQL that needs a role by the tables of its own.
    Dagster's routes are answered in `loop`, which runs in another thread.
    """

    def __init__(
        self,
        context: WorkspaceProcessContext,
        own: OwnHosts,
        api: FastAPI,
        loop: asyncio.AbstractEventLoop,
        access: Access,
        path_prefix: str = "",
        judge_seconds: float = JUDGE_SECONDS,
    ) -> None:
        self._own = own
        self._api = api
        self._loop = loop
        self._access = access
        self._identification = Identification(access)
        self._prefix = path_prefix
        self._judge_seconds = judge_seconds
        super().__init__(context, path_prefix, live_data_poll_rate=_POLL_MS)

    def build_middleware(self) -> list[Middleware]:
        """Return ours, without Dagster's own, which tells everybody what each answer has cost."""
        unknown_hosts = [f"{self._prefix}{path}" for path in OPEN_PATHS]
        return [
            Middleware(Peers, listed=self._access.settings.trusted_proxies),
            Middleware(Gate, own=self._own, open_paths=unknown_hosts),
            Middleware(
                Authentication,
                access=self._access,
                identification=self._identification,
                # Those of health are answered with a slash at the end too.
                open_paths=[*open_paths(), *(f"{path}/" for path in OPEN_PATHS)],
                prefix=self._prefix,
                judge_seconds=self._judge_seconds,
            ),
            Middleware(RequestBodyLimitMiddleware, max_body_size=_MOST_BODY_BYTES),
        ]

    def build_routes(self) -> list[BaseRoute]:
        """Return our routes, and Dagster's without those for notebooks."""
        routes: list[BaseRoute] = super().build_routes()  # type: ignore[no-untyped-call]
        # Dagster's last route takes every path. With a prefix its routes are in a mount, which comes first.
        mounted = routes[0].routes if self._prefix and isinstance(routes[0], Mount) else None
        within = routes if mounted is None else mounted
        within[:] = [route for route in within if not (isinstance(route, Route) and route.path in _NOTEBOOK_ROUTES)]
        pages = sign_in_routes(self._access, self._identification)
        for route in within:
            judge(route, lambda app: InSecondLoop(app, self._loop))
        for route in (*pages, *(routes[1:] if mounted is not None else ())):
            judge(route)
        within[:0] = [*routes_to(self._api), *pages]
        return routes

    def build_graphql_schema(self) -> Any:  # noqa: ANN401 - graphene has no types
        """Return Dagster's schema with our judgement before its mutations and logs."""
        schema = super().build_graphql_schema()
        judge_fields(schema.graphql_schema, self._record)
        return schema

    async def graphql_http_endpoint(self, request: Request) -> Response:
        """Answer GraphQL, or 400 if the request cannot be read."""
        if (problem := await problem_of(request)) is not None:
            return PlainTextResponse(f"{problem}\n", 400)
        answer: Response = await super().graphql_http_endpoint(request)
        return answer

    async def graphql_ws_endpoint(self, websocket: WebSocket) -> None:
        """Answer a websocket, until it sends what cannot be read."""
        await super().graphql_ws_endpoint(ReadableWebSocket(websocket))

    async def download_debug_file_endpoint(self, request: Request) -> Response:
        """Return all events of a run, or 404 if there is no such run."""
        with self.request_context(request) as context:
            if not context.instance.has_run(request.path_params["run_id"]):
                raise HTTPException(404, "There is no such run.")
        answer: Response = await super().download_debug_file_endpoint(request)
        return answer

    async def download_captured_logs_endpoint(self, request: Request) -> Response:
        """Return what a run's own code has printed, or 404 if the path leads out of the folder of the logs."""
        try:
            answer: Response = await super().download_captured_logs_endpoint(request)
        except ValueError:
            raise HTTPException(404, "There are no logs at this path.") from None
        return answer

    async def report_asset_materialization_endpoint(self, request: Request) -> JSONResponse:
        """Take a report, or answer 400."""
        return await _reported(request, super().report_asset_materialization_endpoint)

    async def report_asset_check_endpoint(self, request: Request) -> JSONResponse:
        """Take a report, or answer 400."""
        return await _reported(request, super().report_asset_check_endpoint)

    async def report_asset_observation_endpoint(self, request: Request) -> JSONResponse:
        """Take a report, or answer 400."""
        return await _reported(request, super().report_asset_observation_endpoint)

    def index_html_endpoint(self, request: Request) -> HTMLResponse:
        """Return the page of Dagster's UI, with links to our pages."""
        page: HTMLResponse = super().index_html_endpoint(request)
        return with_corner_links(page, principal_of(request), self._prefix)

    def _make_request_context(self, conn: HTTPConnection) -> WorkspaceRequestContext:
        return PrincipalContext(super()._make_request_context(conn), principal_of(conn))

    def _record(self, context: PrincipalContext, what: str, result: Result, details: Mapping[str, object]) -> None:
        # A resolver runs in a thread that may wait.
        source = context.source
        address = address_of(source) if isinstance(source, HTTPConnection) else "unknown"
        self._access.audit.record(context.principal.name, what, address, result, details)


async def _reported(request: Request, take: Callable[[Request], Awaitable[JSONResponse]]) -> JSONResponse:
    problem = await problem_of_report(request)
    try:
        return await take(request) if problem is None else JSONResponse({"error": problem}, 400)
    except CheckError:
        return JSONResponse({"error": "A value is of another type than Dagster expects."}, 400)


def serve(settings: Settings, workspace: Sequence[Path], *, host: str, port: int, path_prefix: str = "") -> None:
    """Serve Dagster's UI of the workspace on `host` and `port` until SIGINT or SIGTERM.

    Raises:
        SettingsError: there is no dagster.yaml, or PostgreSQL does not answer.
    """
    own, project = OwnHosts.of(host, port, settings.allowed_hosts), CurrentProject(settings)
    prepare_access(settings, host, port)
    # After uvicorn has ended, it raises the signal again. As an exception that signal ends the contexts below too.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with suppress(KeyboardInterrupt), open_storage(settings) as instance:
        instance.optimize_for_webserver(_STATEMENT_MS, _RECYCLE_SECONDS, _OVERFLOW)
        target = WorkspaceFileTarget(paths=[str(path) for path in workspace])
        with (
            WorkspaceProcessContext(instance, target, version=__version__, code_server_log_level="WARNING") as context,
            open_probes(settings, context, project.sources(), project.queues) as probes,
            open_endpoints(settings, context, probes) as routers,
            open_access(settings, host) as access,
            second_loop() as loop,
        ):
            api = build_api(probes, own, routers)
            app = Webserver(context, own, api, loop, access, path_prefix).create_asgi_app()
            _log.info("Dagster's UI: http://%s:%s%s", bracketed(host), port, path_prefix)
            allow_many_connections()
            logging.getLogger("uvicorn.error").addFilter(OnceAMinute())
            uvicorn.run(
                app,
                http=BoundedConnection,
                host=host,
                port=port,
                log_level="warning",
                # Anybody can send a proxy's headers. Those of listed proxies are read by `Peers`.
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
            )
