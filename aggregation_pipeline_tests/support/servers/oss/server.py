"""The HTTP side: a request comes in and is verified; an answer goes out, or the fault that was ordered."""

import base64
import contextlib
import hashlib
import itertools
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from aggregation_pipeline.storage.oss.options import OssOptions
from aggregation_pipeline_tests.support.servers.oss.bucket import Bucket
from aggregation_pipeline_tests.support.servers.oss.errors import OssRefusalError
from aggregation_pipeline_tests.support.servers.oss.faults import Fault, Faults
from aggregation_pipeline_tests.support.servers.oss.operations import Answer, Call, answer
from aggregation_pipeline_tests.support.servers.oss.rights import refuse
from aggregation_pipeline_tests.support.servers.oss.signing import AccessControl

# Reached by naming this server as the HTTP proxy: no name has to resolve.
DOMAIN = "files.example.test"
KEY_ID, SECRET, REGION, BUCKET = "LTAItestkeyid", "testsecret0123456789", "cn-hangzhou", "shop-exports"


@dataclass(frozen=True)
class Request:
    """What arrived, as the log keeps it: enough to count what a client sends."""

    method: str
    key: str
    query: dict[str, str]
    headers: dict[str, str]
    status: int
    signature: str
    sent: int


class OssServer:
    """A running server. `requests` is the log; a fault that breaks the connection leaves status 0 there."""

    def __init__(self) -> None:
        self.bucket = Bucket(BUCKET)
        self.access = AccessControl(REGION, {KEY_ID: SECRET})
        self.faults = Faults()
        self.requests: list[Request] = []
        self.request_ids = itertools.count(1)
        self.failures: list[BaseException | None] = []
        self.bytes_per_second = 0
        self._http = _Http(("127.0.0.1", 0), _Handler)
        self._http.oss = self

    @classmethod
    @contextmanager
    def start(cls) -> Iterator["OssServer"]:
        server = cls()
        thread = threading.Thread(target=server._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server._http.shutdown()
            server._http.server_close()
            thread.join(10)

    @property
    def port(self) -> int:
        return int(self._http.server_address[1])

    def options(self, **changes: Any) -> OssOptions:
        """Return options that reach this server, with short time-outs and pauses."""
        given = {
            "bucket": BUCKET,
            "region": REGION,
            "access_key_id": KEY_ID,
            "access_key_secret": SECRET,
            "endpoint": f"http://127.0.0.1:{self.port}",
            "backoff": 0.01,
            "connect_timeout": 2,
            "read_timeout": 10,
        }
        return OssOptions(**{**given, **changes})

    def fail(self, kind: Any, **how: Any) -> Fault:
        return self.faults.order(Fault(kind, **how))

    def reset(self) -> None:
        """Start again with an empty bucket, no faults and no log."""
        self.bucket = Bucket(BUCKET)
        self.access = AccessControl(REGION, {KEY_ID: SECRET})
        self.bytes_per_second = 0
        self.faults.clear()
        self.requests = []  # a handler that still hangs keeps writing to the old log

    def sent(self, method: str, matching: str = "") -> list[Request]:
        return [request for request in self.requests if request.method == method and matching in request.key]


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    oss: OssServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Record what is an error of this server. Broken connections and killed clients are no errors here."""
        if not isinstance(error := sys.exception(), OSError) and "closed file" not in str(error):
            self.oss.failures.append(error)


class _BrokenConnectionError(Exception):
    """The connection has to break now, without another byte."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Http
    log: list[Request]

    def _handle(self) -> None:
        oss, self.log = self.server.oss, self.server.oss.requests
        fault = oss.faults.take(self.command, self.path)
        key, status, signature, body = "", 0, "", b""
        query: dict[str, str] = {}
        try:
            key, query = self._target()
            self._misbehave_early(fault)
            body = self._body(fault)
            signature = oss.access.verify(self.command, self.path, dict(self.headers.items()), BUCKET, key or None)
            lower = {name.lower(): value for name, value in self.headers.items()}
            refuse(oss.access.denied, self.command, key, query, lower)
            if fault and fault.kind == "status":
                raise OssRefusalError(fault.status, fault.code, "Please retry later.")
            if fault and fault.kind == "damage_up" and body:
                body = bytes([body[0] ^ 1]) + body[1:]
            self._check_md5(body)
            reply = answer(oss.bucket, Call(self.command, key, query, lower, body))
            if fault and fault.kind == "lost_reply":
                raise _BrokenConnectionError
            status = reply.status
            self._log(key, query, status, signature, body)
            self._reply(reply, fault)
        except OssRefusalError as refusal:
            self._log(key, query, refusal.status, signature, body)
            self._refuse(refusal)
        except _BrokenConnectionError:
            self._log(key, query, 0, signature, body)
            self._break()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _target(self) -> tuple[str, dict[str, str]]:
        parts = urlsplit(self.path)
        path = unquote(parts.path).removeprefix("/")
        host = self.headers.get("Host", "").partition(":")[0]
        if host != DOMAIN:
            name, _, path = path.partition("/") if host == "127.0.0.1" else (host.partition(".")[0], "", path)
            if name != BUCKET:
                raise OssRefusalError(404, "NoSuchBucket", "The specified bucket does not exist.", {"BucketName": name})
        return path, dict(parse_qsl(parts.query, keep_blank_values=True))

    def _misbehave_early(self, fault: Fault | None) -> None:
        if fault is None:
            return
        if fault.kind in {"hang", "slow"}:
            time.sleep(fault.seconds)
        if fault.kind in {"hang", "reset"}:
            raise _BrokenConnectionError

    def _body(self, fault: Fault | None) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            return b"".join(self._chunks())
        length = int(self.headers.get("Content-Length", "0"))
        if fault and fault.kind == "cut_up":
            self.rfile.read(min(fault.at, length))
            raise _BrokenConnectionError
        body = self._read(length)
        if len(body) < length:  # the client is gone: OSS stores nothing then
            raise _BrokenConnectionError
        return body

    def _read(self, length: int) -> bytes:
        """Read the whole body; where the test sets it, at `bytes_per_second` a connection, as slow networks do."""
        pace = self.server.oss.bytes_per_second
        if not pace:
            return self.rfile.read(length)
        pieces: list[bytes] = []
        while length > 0 and (piece := self.rfile.read(min(length, pace // 20))):
            pieces.append(piece)
            length -= len(piece)
            time.sleep(len(piece) / pace)
        return b"".join(pieces)

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _check_md5(self, body: bytes) -> None:
        given = self.headers.get("Content-MD5")
        if given and base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode() != given:
            raise OssRefusalError(400, "InvalidDigest", "The Content-MD5 you specified is not valid.")

    def _reply(self, reply: Answer, fault: Fault | None) -> None:
        headers = dict(reply.headers)
        if fault and fault.kind == "no_crc":
            headers.pop("x-oss-hash-crc64ecma", None)
        content, status = reply.body, reply.status
        if fault and fault.kind == "damage_down" and content:
            content = content[:-1] + bytes([content[-1] ^ 1])
        if fault and fault.kind == "no_ranges" and status == 206:
            content, status = reply.whole, 200
        if fault and fault.kind == "cut_down":
            self._send(status, headers, content, until=fault.at)
            raise _BrokenConnectionError
        self._send(status, headers, content)

    def _refuse(self, refusal: OssRefusalError) -> None:
        request_id = f"{next(self.server.oss.request_ids):024X}"
        document = refusal.document(request_id, self.headers.get("Host", ""))
        # A HEAD has no body: OSS puts the document into a header.
        extra = {"x-oss-err": base64.b64encode(document).decode()} if self.command == "HEAD" else {}
        self._send(
            refusal.status,
            {"Content-Type": "application/xml", **extra},
            b"" if self.command == "HEAD" else document,
            request_id=request_id,
        )

    def _send(
        self, status: int, headers: dict[str, str], content: bytes, *, until: int | None = None, request_id: str = ""
    ) -> None:
        self.send_response_only(status)
        length = headers.pop("Content-Length", str(len(content)))
        date = format_datetime(self.server.oss.access.now(), usegmt=True)
        known = {
            "Server": "AliyunOSS",
            "Date": date,
            "x-oss-request-id": request_id or f"{next(self.server.oss.request_ids):024X}",
        }
        for name, value in {**known, **headers, "Content-Length": length}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content if until is None else content[:until])

    def _break(self) -> None:
        """Reset the connection instead of closing it in order, as routers and dying servers do."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            for end in (self.wfile, self.rfile, self.connection):  # the socket closes with the last of its files
                end.close()

    def _log(self, key: str, query: dict[str, str], status: int, signature: str, body: bytes) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.log.append(Request(self.command, key, query, headers, status, signature, len(body)))

    def log_message(self, *_: Any) -> None:
        """Do nothing: the log is `OssServer.requests`."""


for _method in ("GET", "PUT", "POST", "HEAD", "DELETE"):
    setattr(_Handler, f"do_{_method}", _Handler._handle)
