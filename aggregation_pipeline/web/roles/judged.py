"""The judgement before each route: whether the role, or the scope of the token, is enough for it."""

from collections.abc import Callable, Mapping
from contextlib import suppress

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aggregation_pipeline.web.common.principal import found_principal
from aggregation_pipeline.web.roles.route_table import Need, is_static, method_of, needs_of


def judge(route: BaseRoute, within: Callable[[ASGIApp], ASGIApp] = lambda app: app) -> None:
    """Let a route ask the table first. What is not in the table is refused to everybody.

    `within` puts something around what the route leads to, behind the judgement.

    Raises:
        TypeError: this is no kind of route that can be judged.
    """
    if not isinstance(route, Route | WebSocketRoute | Mount):
        raise TypeError(f"{type(route).__name__} is no kind of route that can be judged.")
    route.app = _Judged(within(route.app), needs_of(route), may_be_stored=is_static(route))


def refusal_for(connection: HTTPConnection, needs: Mapping[str, Need]) -> str | None:
    """Return why this request is refused; None if it may pass."""
    need = needs.get(method_of(connection))
    principal = found_principal(connection)
    if need is None:
        return "Nobody may ask for this: it is not in the table of routes."
    if need.is_met_by(principal):
        return None
    role = need.role.name.lower() if need.role else "viewer"
    if principal is None or principal.scopes is None:
        return f"This needs the role {role}."
    if not need.scopes:
        return "No token may ask for this."
    scopes = " or ".join(sorted(need.scopes))
    return f"A token for this needs the scope {scopes}, and its owner the role {role}."


class _Judged:
    """An ASGI app behind its judgement. Its answers are stored nowhere, except scripts, styles and pictures."""

    def __init__(self, app: ASGIApp, needs: Mapping[str, Need], *, may_be_stored: bool) -> None:
        self._app = app
        self._needs = needs
        self._may_be_stored = may_be_stored

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or one websocket."""
        refused = refusal_for(HTTPConnection(scope), self._needs)

        async def send_unstored(message: Message) -> None:
            if message["type"] == "http.response.start" and not self._may_be_stored:
                MutableHeaders(scope=message).setdefault("Cache-Control", "no-store")
            await send(message)

        if refused is None:
            # Nobody is left to be answered.
            with suppress(ClientDisconnect):
                await self._app(scope, receive, send_unstored)
            return
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "refused"})
            return
        await PlainTextResponse(f"{refused}\n", 403, {"Cache-Control": "no-store"})(scope, receive, send)
