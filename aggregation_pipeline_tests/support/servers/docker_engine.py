"""The part of Docker Engine's HTTP API that a launcher speaks, on a unix socket: containers that do nothing."""

import json
import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar


class DockerEngine:
    """Containers by id: what they were created with, and their state."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.created: dict[str, dict[str, Any]] = {}
        self.states: dict[str, str] = {}
        self.stop_timeouts: list[str] = []

    @contextmanager
    def serving(self) -> Iterator["DockerEngine"]:
        """Serve until the end."""
        handler = type(
            "Handler", (_Handler,), {"engine": self, "do_GET": _Handler.handle_one, "do_POST": _Handler.handle_one}
        )
        with _UnixServer(str(self.socket), handler) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join(10)

    def answer(self, method: str, path: str, query: str, body: Any) -> tuple[int, Any]:
        """Return status and JSON."""
        path = re.sub(r"^/v[0-9.]+", "", path)
        if (method, path) == ("GET", "/version"):
            return 200, {"ApiVersion": "1.44", "Version": "25.0.0"}
        if (method, path) == ("POST", "/containers/create"):
            number = f"{len(self.created) + 1:064x}"
            self.created[number], self.states[number] = body, "created"
            return 201, {"Id": number, "Warnings": []}
        match = re.fullmatch(r"/containers/([0-9a-f]+)/(json|start|stop)", path)
        if match is None or match[1] not in self.created:
            return 404, {"message": "No such container"}
        container, action = match[1], match[2]
        if action == "json":
            state = {"Status": self.states[container], "ExitCode": 137 if self.states[container] == "exited" else 0}
            return 200, {"Id": container, "State": state, "Image": "sha256:0", "Name": "/run"}
        self.states[container] = "running" if action == "start" else "exited"
        if action == "stop":
            self.stop_timeouts.append(query)
        return 204, None


class _UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False


class _Handler(BaseHTTPRequestHandler):
    engine: ClassVar[DockerEngine]
    protocol_version = "HTTP/1.1"

    def handle_one(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        path, _, query = self.path.partition("?")
        status, answer = self.engine.answer(self.command, path, query, body)
        data = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def address_string(self) -> str:
        return "unix socket"

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
