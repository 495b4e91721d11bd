"""The gate before Dagster's webserver: it refuses what `rules` refuses, and adds headers to every answer.

It is plain ASGI, because Starlette's BaseHTTPMiddleware never sees a websocket.
"""

from collections.abc import Collection
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aggregation_pipeline.web.gate.hosts import OwnHosts
from aggregation_pipeline.web.gate.rules import Refusal, refusal

# With these, no page of another site can show ours in a frame, where people would click what they do not see, or load
# parts of it.
_HEADERS: Final = {
    "X-Frame-Options": "SAMEORIGIN",
    "Content-Security-Policy": "frame-ancestors 'self'",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_NOSNIFF: Final = "X-Content-Type-Options"


class Gate:
    """ASGI middleware that passes on every request that the rules do not refuse.

    `open_paths` are whole paths, with the prefix, that may be read under every Host.
    """

    def __init__(self, app: ASGIApp, own: OwnHosts, open_paths: Collection[str] = ()) -> None:
        self._app = app
        self._own = own
        self._open_paths = frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or one websocket."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        refused = refusal(HTTPConnection(scope), self._own, self._open_paths)
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
                headers.setdefault(_NOSNIFF, "nosniff")
                if message["status"] >= 300 and message["status"] != 304:
                    # Browsers and proxies keep 404 and some others where nothing is said. What succeeds says it itself,
                    # or is a script or a picture, which may be kept.
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await answer(scope, receive, send_guarded)


def _response(refused: Refusal) -> PlainTextResponse:
    headers = {"Cache-Control": "no-store"}
    if refused.status == 405:
        headers["Allow"] = "POST"
    return PlainTextResponse(f"{refused.message}\n", refused.status, headers)
