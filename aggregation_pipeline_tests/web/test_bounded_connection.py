"""What a stranger sends: how much, and for how long."""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from aggregation_pipeline.web import bounded_connection
from aggregation_pipeline.web.bounded_connection import MOST_BYTES
from aggregation_pipeline_tests.web.served import ask, free_port, serving_app

GET = b"GET / HTTP/1.1\r\nHost: a\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


async def answer(request: Request) -> PlainTextResponse:
    try:
        body = await request.body()
    except ClientDisconnect:
        return PlainTextResponse("")
    await asyncio.sleep(float(request.query_params.get("seconds", "0")))
    return PlainTextResponse(f"{len(body)}")


async def answer_unread(_: Request) -> PlainTextResponse:
    return PlainTextResponse("early")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    port = free_port()
    with serving_app(
        Starlette(
            routes=[Route("/", answer, methods=["GET", "POST"]), Route("/early", answer_unread, methods=["POST"])]
        ),
        port,
    ):
        yield port


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_connection, "REQUEST_SECONDS", 1.0)


def rest(connection: socket.socket) -> bytes:
    """Return what comes until the other side closes."""
    found = b""
    with suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            found += piece
    return found


@pytest.mark.parametrize(
    ("first", "piece"),
    [
        (GET + b"X: ", b"x" * 65536),
        (GET, b"X-Many: 1\r\n" * 5000),
        (b"GET /", b"x" * 65536),
        (POST + b"1\r\na\r\n0\r\nX: ", b"x" * 65536),
        (POST, b"1;" + b"x" * 65536),
    ],
    ids=["one header", "many headers", "address", "trailer", "extension of a chunk"],
)
def test_a_head_without_end_is_refused(port: int, first: bytes, piece: bytes):
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(first)
        sent = 0
        with suppress(OSError):
            while sent < 100 * MOST_BYTES:
                connection.sendall(piece)
                sent += len(piece)
        # Some lies in buffers of the system.
        assert sent < 100 * MOST_BYTES
        assert rest(connection)[:12] in {b"", b"HTTP/1.1 400"}


def test_a_body_may_be_longer_also_in_pieces_and_several_requests_have_a_connection(port: int):
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        for _ in range(3):
            connection.sendall(POST)
            for _ in range(100):
                connection.sendall(b"2000\r\n" + b"x" * 0x2000 + b"\r\n")
            connection.sendall(b"0\r\n\r\n")
            found = b""
            while not found.endswith(b"819200"):
                found += connection.recv(65536)
            assert found.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("first", [b"", b"GET", GET, POST + b"5\r\nab", POST.replace(b"/ H", b"/early H") + b"5\r\nab"])
@pytest.mark.slow
@pytest.mark.usefixtures("short")
def test_a_request_that_does_not_come_to_its_end_is_cut_off_however_much_comes(port: int, first: bytes):
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(first)
        connection.setblocking(False)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            time.sleep(0.05)
            try:
                if first.startswith(b"GET /") or not first:
                    connection.sendall(b"\r\n" if not first else b"a")
                if connection.recv(1000) == b"":
                    return
            except BlockingIOError:
                continue
            except ConnectionError:
                return
    pytest.fail("it was not cut off")


def test_who_sends_many_requests_and_goes_away_before_the_answers_costs_no_traceback(
    port: int, caplog: pytest.LogCaptureFixture
):
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            connection.sendall((b"GET /?seconds=0.2 HTTP/1.1\r\nHost: a\r\n\r\n" + GET + b"\r\n") * 10)
            assert connection.recv(12) == b"HTTP/1.1 200"
    assert ask(port, "GET /?seconds=0.5").status == 200
    assert not caplog.records


@pytest.mark.slow
@pytest.mark.usefixtures("short")
def test_an_answer_may_take_its_time(port: int):
    assert ask(port, "GET /?seconds=2.5").body == "0"
    assert ask(port, "POST /?seconds=2.5", body="abc").body == "3"
