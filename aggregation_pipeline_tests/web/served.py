"""Requests as they go over the wire: what a browser sends for a page, header by header."""

import base64
import os
import socket
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: str


def ask(port: int, line: str, *headers: str, body: str = "", host: str | None = None) -> Answer:
    """Send a request of exactly these lines to 127.0.0.1; `host` is another header Host, or none where it is empty."""
    if not any(header.startswith("Connection:") for header in headers):
        headers = (*headers, "Connection: close")
    own = f"Host: 127.0.0.1:{port}" if host is None else f"Host: {host}" if host else ""
    length = f"Content-Length: {len(body.encode())}" if body else ""
    lines = [f"{line} HTTP/1.1", *filter(None, (own, length, *headers)), "", body]
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall("\r\n".join(lines).encode())
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
            if answer.startswith(b"HTTP/1.1 101"):
                break
    head, _, text = answer.partition(b"\r\n\r\n")
    status, *found = head.decode().split("\r\n")
    pairs = (each.partition(": ") for each in found)
    named: dict[str, str] = {}
    for name, _, value in pairs:
        named[name.lower()] = f"{named[name.lower()]}, {value}" if name.lower() in named else value
    return Answer(int(status.split(" ")[1]), named, text.decode(errors="replace"))


def open_websocket(port: int, *headers: str, host: str | None = None, path: str = "/graphql") -> int:
    """Ask for a websocket as browsers do; the status, which is 101 where it opens."""
    key = base64.b64encode(os.urandom(16)).decode()
    upgrade = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}")
    return ask(port, f"GET {path}", *upgrade, "Sec-WebSocket-Protocol: graphql-ws", *headers, host=host).status


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
