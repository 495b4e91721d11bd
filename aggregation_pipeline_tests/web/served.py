"""The webserver in this process, and requests with exactly the headers that a test gives."""

import base64
import os
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from dagster import DagsterInstance
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from starlette.types import ASGIApp

from aggregation_pipeline.health.probe import Probe
from aggregation_pipeline.health.probes import open_probes
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.web.api import build_api
from aggregation_pipeline.web.bounded_connection import BoundedConnection
from aggregation_pipeline.web.common.current_project import CurrentProject
from aggregation_pipeline.web.dagster_loop import second_loop
from aggregation_pipeline.web.endpoints import open_endpoints
from aggregation_pipeline.web.gate.hosts import OwnHosts
from aggregation_pipeline.web.server import Webserver
from aggregation_pipeline.web.sign_in.access import open_access
from aggregation_pipeline_tests.support.waiting import until


@dataclass(frozen=True)
class Answer:
    """The answer to one request."""

    status: int
    headers: dict[str, str]
    body: str


def ask(port: int, line: str, *headers: str, body: str = "", host: str | None = None) -> Answer:
    """Send a request of exactly these lines to 127.0.0.1. `host` replaces the header Host; "" leaves it out."""
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
    """Ask for a websocket as browsers do; return the status, which is 101 if it opens."""
    key = base64.b64encode(os.urandom(16)).decode()
    upgrade = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}")
    return ask(port, f"GET {path}", *upgrade, "Sec-WebSocket-Protocol: graphql-ws", *headers, host=host).status


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def building(
    instance: DagsterInstance,
    workspace: Path,
    port: int,
    prefix: str = "",
    settings: Settings | None = None,
    *,
    access: Settings | None = None,
    judge_seconds: float = 30.0,
) -> Iterator[Webserver]:
    """Build the webserver. `settings` name what to probe, and `access` who signs in how; without it nobody has to."""
    own = OwnHosts.of("127.0.0.1", port, ["dagster.example"])
    with WorkspaceProcessContext(instance, WorkspaceFileTarget([str(workspace)])) as context, ExitStack() as stack:
        probes: Sequence[Probe] = ()
        if settings is not None:
            project = CurrentProject(settings)
            probes = stack.enter_context(open_probes(settings, context, project.sources(), project.queues))
        routers = () if settings is None else stack.enter_context(open_endpoints(settings, context, probes))
        loop = stack.enter_context(second_loop())
        access = access or settings or access_settings(instance, workspace.parent)
        opened = stack.enter_context(open_access(access, "127.0.0.1"))
        api = build_api(probes, own, routers)
        yield Webserver(context, own, api, loop, opened, prefix, judge_seconds)


@contextmanager
def serving(
    instance: DagsterInstance,
    workspace: Path,
    prefix: str = "",
    settings: Settings | None = None,
    *,
    access: Settings | None = None,
    judge_seconds: float = 30.0,
) -> Iterator[int]:
    """Serve the UI behind gate and sign-in, in a thread of this process; yields the port."""
    port = free_port()
    with (
        building(instance, workspace, port, prefix, settings, access=access, judge_seconds=judge_seconds) as webserver,
        serving_app(webserver.create_asgi_app(), port),
    ):
        yield port


def access_settings(instance: DagsterInstance, folder: Path, **variables: Any) -> Settings:
    """Return settings with accounts in `folder`, and with sessions where the instance is stored."""
    storage: Any = instance.run_storage
    return Settings(dagster_pg_url=storage.postgres_url, auth_file=folder / "auth.json", **variables)


@contextmanager
def serving_app(app: ASGIApp, port: int) -> Iterator[None]:
    """Serve an app on a port of 127.0.0.1, in a thread of this process."""
    server = uvicorn.Server(
        uvicorn.Config(app, port=port, log_level="warning", http=BoundedConnection, proxy_headers=False)
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    until("the webserver", lambda: server.started, 30)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
