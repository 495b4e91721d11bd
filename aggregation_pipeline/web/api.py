"""Our HTTP endpoints: one FastAPI app, behind single routes among those of Dagster's webserver.

The app is the endpoint of each route, not a mount: with a path prefix Dagster mounts everything of its own there, and a
second mount on one path gets nothing. To add a group of endpoints, write a router as in `health.py`, and open it in
`endpoints.py`; its routes follow from its paths.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi.security import HTTPBearer
from starlette.datastructures import MutableHeaders
from starlette.responses import HTMLResponse
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aggregation_pipeline.health.probe import Probe
from aggregation_pipeline.web import openapi_page
from aggregation_pipeline.web.common.answers import Problem
from aggregation_pipeline.web.gate.hosts import OwnHosts
from aggregation_pipeline.web.health import health_router
from aggregation_pipeline.web.roles.judged import judge, refusal_for
from aggregation_pipeline.web.roles.route_table import needs_of

# Beside what /openapi.json describes.
_FOR_PEOPLE: Final = ("/openapi", "/openapi.json", "/batches")
_DESCRIPTION: Final = "Beside Dagster's UI, on the same port. docs/http.md says how they are used."
_HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
# For the description only: sign-in has judged the token before.
_TOKEN: Final = HTTPBearer(auto_error=False, description="A token of `aggregation-pipeline tokens create`.")
_TEXT: Final = {"text/plain": {"schema": {"type": "string"}}}
_OF_THE_GATE: Final[dict[int | str, dict[str, Any]]] = {
    400: {"description": "The address holds the character U+0000.", "content": _TEXT}
}
_REFUSALS: Final[Mapping[int | str, dict[str, Any]]] = {
    401: {"description": "Nobody has signed in.", "content": _TEXT},
    403: {"model": Problem, "description": "The role, or the scope of the token, is not enough."},
}


def build_api(probes: Sequence[Probe], own: OwnHosts, routers: Sequence[APIRouter] = ()) -> FastAPI:
    """Return the app with our endpoints: those of health, and those of `routers`, which `endpoints.py` makes.

    `/openapi.json` describes them for programs, and `/openapi` for people: FastAPI's own pages load scripts from
    another site.
    """
    api = FastAPI(
        title="aggregation-pipeline",
        version="1",
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(_judge)],
        responses=_OF_THE_GATE,
    )
    # The route of /openapi.json, which is not FastAPI's own kind of route, and has no dependencies.
    for route in api.routes:
        judge(route)
    api.include_router(health_router(probes, own))
    for router in routers:
        api.include_router(router, responses={**_REFUSALS}, dependencies=[Depends(_TOKEN)])

    @api.get("/openapi", include_in_schema=False)
    async def show_openapi() -> HTMLResponse:
        return HTMLResponse(openapi_page.render(api.openapi()), headers=openapi_page.HEADERS)

    return api


async def _judge(request: Request) -> None:
    """Refuse what the table of routes does not allow."""
    refused = refusal_for(request, needs_of(request.scope["route"]))
    if refused is not None:
        raise HTTPException(403, refused)


def first_segments(api: FastAPI) -> list[str]:
    """Return with what our paths begin, as `health`: all below it is ours."""
    return sorted({path.split("/")[1] for path in (*api.openapi()["paths"], *_FOR_PEOPLE)})


def routes_to(api: FastAPI) -> list[BaseRoute]:
    """Return routes for the first segment of each path of `api`, and for all below it.

    What is not there then gets a 404. Dagster would answer it with its UI, and 200.
    """
    endpoint = _Endpoint(api)
    return [
        Route(path, endpoint=endpoint, methods=None)
        for first in first_segments(api)
        for path in (f"/{first}", f"/{first}/{{rest:path}}")
    ]


class _Endpoint:
    """The app as an endpoint. As Node's Express did, it answers HEAD too, and paths with a slash at the end."""

    def __init__(self, api: ASGIApp) -> None:
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        is_head = scope["method"] == "HEAD"

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
            elif is_head:
                message = {**message, "body": b""}
            await send(message)

        asked = {
            **scope,
            "method": "GET" if is_head else scope["method"],
            "path": scope["path"].rstrip("/"),
            "aggregation_pipeline.method": scope["method"],
        }
        await self._api(asked, receive, send_guarded)
