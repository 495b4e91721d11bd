"""Connections of strangers: a request has to come in time, and what is not its body may not be long.

uvicorn bounds neither. One stranger could fill the memory with one header, or take every connection there is with
requests that never end.
"""

import asyncio
import resource
from collections import deque
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

# From the beginning of a connection, or the end of the answer before, to the end of the request.
REQUEST_SECONDS: Final = 60.0
# Address, headers, and what stands between the pieces of a body.
MOST_BYTES: Final = 256 * 1024

_MOST_CONNECTIONS: Final = 10_000


class BoundedConnection(HttpToolsProtocol):
    """A connection that is closed if a request takes too long to come, or has too much beside its body."""

    _timer: asyncio.TimerHandle | None = None
    _bytes: int = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._open: deque[RequestResponseCycle] = deque()
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Answer nothing more. Of several requests that came at once, uvicorn tells only the last one."""
        self._wait_no_more()
        for cycle in self._open:
            cycle.disconnected = True
            cycle.message_event.set()
        self.pipeline.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, if that is not too much."""
        if self._bytes > MOST_BYTES:
            self.send_400_response("The headers are too long.")
            return
        self._bytes += len(data)
        super().data_received(data)

    def handle_websocket_upgrade(self) -> None:
        """Wait no more: websockets are open for hours."""
        self._wait_no_more()
        super().handle_websocket_upgrade()

    def on_message_begin(self) -> None:
        """Count from here."""
        self._bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Begin to answer, unless it is a websocket, or another request is answered first."""
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:
            self._open.append(self.cycle)

    def on_body(self, body: bytes) -> None:
        """Leave a body to the app, which has limits of its own."""
        self._bytes = max(0, self._bytes - len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Wait no more: the app answers now, and may take its time. Unless it has answered already."""
        if self.cycle is None or not self.cycle.response_complete:
            self._wait_no_more()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        # Requests are answered in the order in which they came.
        self._open.popleft()
        if not self.transport.is_closing():
            self._wait()
        super().on_response_complete()

    def _wait(self) -> None:
        self._wait_no_more()
        self._timer = self.loop.call_later(REQUEST_SECONDS, self.transport.close)

    def _wait_no_more(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def allow_many_connections() -> None:
    """Let this process have thousands of connections and files, if it may. Many systems begin with 1024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_CONNECTIONS if hard == resource.RLIM_INFINITY else min(hard, _MOST_CONNECTIONS)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
