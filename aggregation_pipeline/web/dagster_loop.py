"""An event loop of its own for Dagster's pages, so that they cannot keep ours from answering.

Some of Dagster's handlers ask PostgreSQL in the event loop itself: the page of a run, when it begins to listen to the
run's log, reports of external assets, downloads. While PostgreSQL is frozen, such a handler holds the loop, and nothing
else in it is answered or even accepted. So they run in a loop in another thread, and ours in that of the server.
"""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

# A loop that is held does not end. Its thread then ends with the process.
_END_SECONDS: Final = 2.0


@contextmanager
def second_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Yield a loop that runs in a thread until the end, when it cancels what is left in it."""
    started: list[asyncio.AbstractEventLoop] = []
    ready, ended = threading.Event(), asyncio.Event()

    async def run() -> None:
        started.append(asyncio.get_running_loop())
        ready.set()
        await ended.wait()

    thread = threading.Thread(target=lambda: asyncio.run(run()), name="Dagster's pages", daemon=True)
    thread.start()
    ready.wait()
    try:
        yield started[0]
    finally:
        started[0].call_soon_threadsafe(ended.set)
        thread.join(_END_SECONDS)


class InSecondLoop:
    """An ASGI app that answers in `loop`: what a route leads to, so that the routes before it stay in the server's."""

    def __init__(self, app: ASGIApp, loop: asyncio.AbstractEventLoop) -> None:
        self._app = app
        self._loop = loop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or one websocket."""
        server = asyncio.get_running_loop()

        async def receive_there() -> Message:
            message: Message = await _in_loop(server, receive())  # type: ignore[arg-type]
            return message

        async def send_there(message: Message) -> None:
            await _in_loop(server, send(message))  # type: ignore[arg-type]

        await _in_loop(self._loop, self._app(scope, receive_there, send_there))  # type: ignore[arg-type]


async def _in_loop(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 - any message
    """Run a coroutine in another loop. If its result is not awaited any more, it is cancelled there."""
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, loop))
