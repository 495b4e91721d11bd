"""The gate before Dagster's webserver. Plain ASGI: Starlette's BaseHTTPMiddleware never sees a websocket."""

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aggregation_pipeline.web.hosts import OwnHosts
from aggregation_pipeline.web.rules import Refusal, refusal

# On every answer: no page of another site shows ours in a frame (and lets people click what they do not see), or takes
# a piece of it.
_HEADERS: Final = {
    "X-Frame-Options": "SAMEORIGIN",
    "Content-Security-Policy": "frame-ancestors 'self'",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Gate:
    """Lets through what its rules do not refuse."""

    def __init__(self, app: ASGIApp, own: OwnHosts) -> None:
        self._app = app
        self._own = own

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or one websocket."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        refused = refusal(HTTPConnection(scope), self._own)
        if refused is not None and scope["type"] == "websocket":
            # uvicorn makes 403 of it. Words in the answer cost a line of its log for each.
            await send({"type": "websocket.close", "code": 1008, "reason": "refused"})
            return
        answer = self._app if refused is None else _words(refused)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    # Beside those of Dagster's: a page has to keep to every policy that it gets.
                    headers.append(name, value)
            await send(message)

        await answer(scope, receive, send_guarded)


def _words(refused: Refusal) -> PlainTextResponse:
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    if refused.status == 405:
        headers["Allow"] = "POST"
    return PlainTextResponse(f"{refused.words}\n", refused.status, headers)
