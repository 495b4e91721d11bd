"""Requests to an ASGI app in this process, from any address."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aggregation_pipeline.web.common.principal import LOCAL, set_principal


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class AsLocal:
    """An app whose requests come from the local admin, as sign-in says it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        set_principal(scope, LOCAL)
        await self._app(scope, receive, send)


def ask(
    app: ASGIApp, path: str, *, method: str = "GET", client: str | None = "127.0.0.1", root: str = "", **headers: str
) -> Answer:
    """Send a request as a server would hand it over. Without `host` in `headers` it has our own Host."""
    return asyncio.run(answer(app, path, method=method, client=client, root=root, **headers))


async def answer(app: ASGIApp, path: str, *, method: str, client: str | None, root: str, **headers: str) -> Answer:
    path, _, query = path.partition("?")
    given = {"host": "127.0.0.1:3000"} | {name.replace("_", "-"): value for name, value in headers.items()}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": root,
        "headers": [(name.encode(), value.encode()) for name, value in given.items() if value],
        "client": (client, 50000) if client else None,
        "server": ("127.0.0.1", 3000),
    }
    # Without authentication before the app, it is asked by whoever may do everything.
    set_principal(scope, LOCAL)
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start, *rest = sent
    found: dict[str, str] = {}
    for name, value in start["headers"]:
        found[name.decode()] = ", ".join(filter(None, (found.get(name.decode()), value.decode())))
    return Answer(start["status"], found, b"".join(message.get("body", b"") for message in rest))
