"""ASGI middleware that lets nobody pass who has not signed in, except to open paths.

It is between the gate and the routes. Those judge what the role of somebody is enough for.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Collection
from typing import Final
from urllib.parse import urlencode

from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aggregation_pipeline.access.audit import Result
from aggregation_pipeline.errors import AccessError
from aggregation_pipeline.web.common.principal import set_principal
from aggregation_pipeline.web.sign_in.access import Access
from aggregation_pipeline.web.sign_in.identity import Identification, Identity

_log = logging.getLogger(__name__)
IDENTITY: Final = "aggregation_pipeline.identity"
# How often an open websocket is judged again.
JUDGE_SECONDS: Final = 30.0
_TELL_EVERY_SECONDS: Final = 60.0
_POLICY_VIOLATION: Final = 1008
_TRY_AGAIN_LATER: Final = 1013
_SAFE_METHODS: Final = ("GET", "HEAD", "OPTIONS")
_REFUSALS: Final = (401, 403)
# Whatever is done there is in the audit log under its own name.
_NOTED_ELSEWHERE: Final = ("/graphql", "/sign-in", "/sign-out", "/account/password")
# What somebody may do with a password that a program has made.
_BEFORE_CHANGE: Final = ("/account/password", "/sign-out")


class Authentication:
    """Finds out who sends a request, and sends nobody to the sign-in page.

    Attributes of a request's scope: `principal_of` reads who it is, and `IDENTITY` how that is known.
    `open_paths`, whole and without the prefix, are answered to everybody, and nothing is looked up for them.
    """

    def __init__(
        self,
        app: ASGIApp,
        access: Access,
        identification: Identification,
        open_paths: Collection[str],
        prefix: str = "",
        judge_seconds: float = JUDGE_SECONDS,
    ) -> None:
        self._app = app
        self._access = access
        self._identification = identification
        self._open_paths = frozenset(f"{prefix}{path}" for path in open_paths)
        self._prefix = prefix
        self._judge_seconds = judge_seconds
        self._told_at = float("-inf")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or one websocket."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        set_principal(scope, None)
        scope[IDENTITY] = None
        if scope["type"] == "http" and scope["path"] in self._open_paths:
            await self._app(scope, receive, send)
            return
        try:
            identity = await self._identification.identify(connection)
        except AccessError as error:
            self._tell(error)
            await _refuse(scope, receive, send, _unavailable(), _TRY_AGAIN_LATER)
            return
        refusal = self._refusal(connection, identity)
        if refusal is not None or identity is None:
            await _refuse(scope, receive, send, refusal or _unknown(), _POLICY_VIOLATION)
            return
        set_principal(scope, identity.principal)
        scope[IDENTITY] = identity
        if scope["type"] == "websocket":
            await self._watch(connection, identity, receive, send)
            return
        status = 0

        async def send_noting(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        await self._app(scope, receive, send_noting)
        await self._note(connection, identity, status)

    async def _note(self, connection: HTTPConnection, identity: Identity, status: int) -> None:
        """Note refusals, and what is neither a question nor noted elsewhere, such as runs that a script launches."""
        method, path = connection.scope["method"], connection.scope["path"]
        is_noted = method in _SAFE_METHODS or path.removeprefix(self._prefix) in _NOTED_ELSEWHERE
        if status in _REFUSALS or not is_noted:
            result: Result = "refused" if status in _REFUSALS else "failed" if status >= 400 else "ok"
            details = {"request": f"{method} {path}", "status": status}
            await self._access.note(connection, identity.principal.name, "request", result, details)

    def _tell(self, error: AccessError) -> None:
        """Log why sessions cannot be looked up, not for each of the requests of that minute."""
        now = time.monotonic()
        if now - self._told_at > _TELL_EVERY_SECONDS:
            self._told_at = now
            _log.warning("Nobody can be recognized by a session: %s", error)

    def _refusal(self, connection: HTTPConnection, identity: Identity | None) -> Response | None:
        path = connection.scope["path"].removeprefix(self._prefix)
        if identity is None:
            return self._to_sign_in(connection) if _is_visit(connection) else _unknown()
        if identity.must_change and path not in _BEFORE_CHANGE:
            if _is_visit(connection):
                return RedirectResponse(f"{self._prefix}/account/password", 303, {"Cache-Control": "no-store"})
            return PlainTextResponse("Change the password first: it was made by a program.\n", 403)
        return None

    def _to_sign_in(self, connection: HTTPConnection) -> Response:
        # As it was sent: a percent sign stands for itself only there.
        path, query = connection.scope["raw_path"].decode("latin-1"), connection.url.query
        there = f"{path}{f'?{query}' if query else ''}"
        where = f"{self._prefix}/sign-in"
        # Most people come to the first page, and need no address to come back to.
        if there.rstrip("/") != self._prefix:
            where += f"?{urlencode({'next': there})}"
        return RedirectResponse(where, 303, {"Cache-Control": "no-store"})

    async def _watch(self, connection: HTTPConnection, first: Identity, receive: Receive, send: Send) -> None:
        """Let a websocket go on for as long as whoever has opened it may."""
        answering = asyncio.ensure_future(self._app(connection.scope, receive, send))
        try:
            while not (await asyncio.wait({answering}, timeout=self._judge_seconds))[0]:
                if not await self._still_is(connection, first):
                    break
            else:
                await answering
                return
        finally:
            if not answering.done():
                answering.cancel()
                await asyncio.wait({answering})
        # The browser may have left meanwhile.
        with contextlib.suppress(RuntimeError):
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": "signed out"})

    async def _still_is(self, connection: HTTPConnection, first: Identity) -> bool:
        try:
            now = await self._identification.identify(connection)
        except AccessError:
            return False
        return now is not None and now.principal == first.principal and not now.must_change


def _is_visit(connection: HTTPConnection) -> bool:
    """Return whether somebody has opened a page, rather than a page or a program having asked for something."""
    headers = connection.headers
    return (
        connection.scope["type"] == "http"
        and connection.scope["method"] in _SAFE_METHODS
        and headers.get("sec-fetch-mode", "navigate") == "navigate"
        and "text/html" in headers.get("accept", "")
    )


def _unknown() -> Response:
    return PlainTextResponse(
        "Nobody has signed in. Open /sign-in in a browser; programs send Authorization: Bearer TOKEN, with a token of"
        " `aggregation-pipeline tokens create`.\n",
        401,
        {"WWW-Authenticate": 'Bearer realm="aggregation-pipeline"', "Cache-Control": "no-store"},
    )


def _unavailable() -> Response:
    return PlainTextResponse(
        "Sessions cannot be looked up at this moment, because Dagster's PostgreSQL does not answer. Tokens work.\n",
        503,
        {"Retry-After": "5", "Cache-Control": "no-store"},
    )


async def _refuse(scope: Scope, receive: Receive, send: Send, answer: Response, code: int) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": code, "reason": "refused"})
        return
    await answer(scope, receive, send)
