"""The gate before Dagster's webserver: it refuses what `rules` refuses, and adds headers to every answer.

It is plain ASGI, because Starlette's BaseHTTPMiddleware never sees a websocket.
"""

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aggregation_pipeline.web.hosts import OwnHosts
from aggregation_pipeline.web.rules import Refusal, refusal

# With these, no page of another site can show ours in a frame, where people would click what they do not see, or load
# parts of it.
_HEADERS: Final = {
    "X-Frame-Options": "SAMEORIGIN",
    "Content-Security-Policy": "frame-ancestors 'self'",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Gate:
    """ASGI middleware that passes on every request that the rules do not refuse."""

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
            # uvicorn answers 403. A reason would cost a line in its log for each refusal.
            await send({"type": "websocket.close", "code": 1008, "reason": "refused"})
            return
        answer = self._app if refused is None else _response(refused)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    # In addition to Dagster's own: a browser obeys every policy that it gets.
                    headers.append(name, value)
            await send(message)

        await answer(scope, receive, send_guarded)


def _response(refused: Refusal) -> PlainTextResponse:
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    if refused.status == 405:
        headers["Allow"] = "POST"
    return PlainTextResponse(f"{refused.message}\n", refused.status, headers)
