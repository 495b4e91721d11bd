"""Requests that a test holds back, so that they land late: on their way to the OSS server, or just before a rename.

    fences = Fences()
    held = fences.hold("PUT", "manifest.json")
    ...                       # in a thread, something puts a manifest
    held.wait_until_there()
    ...                       # other runs go on
    held.let_go()

`oss_proxy(fences, port)` is a real HTTP proxy: a held request is carried out even if its client is dead by then.
`folder_fence(fences, root)` stops a thread that is about to make a file of a FolderStore visible, or to remove one.
"""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import unquote

import sqlalchemy as sa

from aggregation_pipeline.postgres.advisory_lock import AdvisoryLock, lock_key
from aggregation_pipeline_tests.support.waiting import until

_PATIENCE_SECONDS = 120.0


class HeldRequest:
    """One request from when it comes until it is let go: the `nth` of those that match; the others pass."""

    def __init__(self, method: str, part: str, nth: int) -> None:
        self.method, self.part, self.nth = method, part, nth
        self.key = ""
        self._there, self._free = threading.Event(), threading.Event()

    def is_there(self) -> bool:
        return self._there.is_set()

    def wait_until_there(self, seconds: float = 30) -> None:
        assert self._there.wait(seconds), f"no {self.method} with {self.part!r} came within {seconds} s"

    def let_go(self) -> None:
        self._free.set()

    def stop(self, key: str) -> None:
        self.key = key
        self._there.set()
        assert self._free.wait(_PATIENCE_SECONDS), f"{self.method} {key} was never let go"


class Fences:
    """The requests to hold. Methods are HTTP's; in a folder a rename is a PUT."""

    def __init__(self) -> None:
        self._waiting: list[HeldRequest] = []
        self._lock = threading.Lock()

    def hold(self, method: str, part: str, nth: int = 1) -> HeldRequest:
        """Hold the `nth` request of `method` whose key (with its query, on OSS) contains `part`."""
        held = HeldRequest(method, part, nth)
        with self._lock:
            self._waiting.append(held)
        return held

    def let_all_go(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for held in waiting:
            held.let_go()

    def pass_by(self, method: str, key: str) -> None:
        """Wait until a request may be carried out; called just before."""
        with self._lock:
            matching = [
                held for held in self._waiting if held.method == method and held.part in key and not held.is_there()
            ]
            for held in matching:
                held.nth -= 1
            stopped = next((held for held in matching if held.nth == 0), None)
        if stopped is not None:
            stopped.stop(key)


@contextmanager
def oss_proxy(fences: Fences, port: int) -> Iterator[str]:
    """Run a proxy that passes the fences, and give its address; it leads to `port` on the loopback."""
    server = _Proxy(("127.0.0.1", 0), _Handler)
    server.fences, server.upstream = fences, port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        fences.let_all_go()
        server.shutdown()
        server.server_close()
        thread.join(10)


@contextmanager
def folder_fence(fences: Fences, root: Path) -> Iterator[None]:
    """Let renames to and removals of files below `root` pass the fences."""
    replace, unlink = Path.replace, Path.unlink

    def fenced_replace(path: Path, target: Any) -> Path:
        if Path(target).is_relative_to(root):
            fences.pass_by("PUT", Path(target).relative_to(root).as_posix())
        return replace(path, target)

    def fenced_unlink(path: Path, **options: bool) -> None:
        if path.is_relative_to(root) and not path.name.startswith(".%"):
            fences.pass_by("DELETE", path.relative_to(root).as_posix())
        unlink(path, **options)

    with patch.object(Path, "replace", fenced_replace), patch.object(Path, "unlink", fenced_unlink):
        try:
            yield
        finally:
            fences.let_all_go()


def take_lock_away(engine: sa.Engine, prefix: str, table: str, window: str) -> None:
    """End the PostgreSQL session that holds a window's lock, as a restart of the server or a cut connection does."""
    holders = sa.text("""
        SELECT pid FROM pg_locks
        WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND (classid::bigint << 32 | objid::bigint) = :key
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    """)
    key = {"key": lock_key(AdvisoryLock.WINDOW, prefix, table, window)}
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        held = connection.execute(holders, key).scalars().all()
        assert held, f"nobody holds the lock on {table}, {window}"
        for pid in held:
            connection.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        until("the lock to be free", lambda: not connection.execute(holders, key).scalars().all(), 10)


class _Proxy(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    fences: Fences
    upstream: int

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Do nothing: clients are killed on purpose."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Proxy

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.server.fences.pass_by(self.command, unquote(self.path))
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.upstream, timeout=_PATIENCE_SECONDS)
        try:
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                upstream.putheader(name, value)
            upstream.endheaders(body)
            reply = upstream.getresponse()
            content = reply.read()
            with suppress(BrokenPipeError, ConnectionResetError):
                self.send_response_only(reply.status)
                for name, value in reply.getheaders():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)
        except (http.client.HTTPException, ConnectionError):  # the server broke the connection, so the proxy does
            self.close_connection = True
        finally:
            upstream.close()

    def log_message(self, *_: Any) -> None:
        """Do nothing."""


for _method in ("GET", "PUT", "POST", "HEAD", "DELETE"):
    setattr(_Handler, f"do_{_method}", _Handler._handle)
