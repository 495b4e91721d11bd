"""A web server in the place of group robots and webhooks: it keeps every request and answers as a test says."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Received:
    path: str
    query: dict[str, str]
    body: dict[str, Any]


@dataclass
class Sink:
    """The server. `answer` is the status and the JSON body of the next answers, `delay` the seconds before them."""

    port: int
    received: list[Received] = field(default_factory=list)
    answer: tuple[int, Any] = (200, {"errcode": 0, "code": 0})
    delay: float = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def webhook(self) -> str:
        """Its address as an entry of ALERT_URLS. The path is the secret part of a webhook."""
        return f"json://127.0.0.1:{self.port}/hooks/T0KEN-very-secret-1234567890"

    @contextmanager
    def serving(self) -> Iterator["Sink"]:
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                parts = urlsplit(self.path)
                if sink.delay:
                    threading.Event().wait(sink.delay)
                status, body = sink.answer
                if status < 300:
                    sink.received.append(Received(parts.path, dict(parse_qsl(parts.query)), json.loads(raw)))
                payload = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, *args: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def new_sink() -> Sink:
    """Return a sink that does not serve yet, on a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return Sink(probe.getsockname()[1])
