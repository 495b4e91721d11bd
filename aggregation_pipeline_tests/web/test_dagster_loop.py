"""Dagster's pages are answered in a loop of their own, which nothing of ours waits for."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from starlette.types import Message, Receive, Scope, Send

from aggregation_pipeline.web.dagster_loop import InSecondLoop, second_loop
from aggregation_pipeline_tests.support.waiting import until


@dataclass
class Pages:
    """An app that says in which thread it answers. `/held` holds its loop, `/long` waits in it."""

    free: threading.Event = field(default_factory=threading.Event)
    cancelled: threading.Event = field(default_factory=threading.Event)
    began: threading.Event = field(default_factory=threading.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.began.set()
        if scope["path"] == "/held":
            # As a statement in PostgreSQL does.
            self.free.wait(60)
        if scope["path"] == "/long":
            try:
                await asyncio.sleep(600)
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
        asked = await receive()
        await send({"type": "told", "thread": threading.current_thread().name, "asked": asked["body"]})


@dataclass
class Places:
    pages: Pages
    app: InSecondLoop

    async def get(self, path: str, kind: str = "http") -> list[Message]:
        sent: list[Message] = []

        async def receive() -> Message:
            return {"body": threading.current_thread().name}

        async def send(message: Message) -> None:
            sent.append(message)

        await self.app({"type": kind, "path": path}, receive, send)
        return sent


@pytest.fixture
def places() -> Iterator[Places]:
    pages = Pages()
    with second_loop() as loop:
        yield Places(pages, InSecondLoop(pages, loop))


HERE = threading.current_thread().name
THERE = "Dagster's pages"


def runs() -> bool:
    """Whether there is a second loop."""
    return any(thread.name == THERE for thread in threading.enumerate())


def test_requests_and_websockets_are_answered_in_the_second_loop(places: Places):
    for kind in ("http", "websocket"):
        assert asyncio.run(places.get("/runs", kind)) == [{"type": "told", "thread": THERE, "asked": HERE}]


def test_a_page_that_holds_its_loop_does_not_hold_ours(places: Places):
    async def ask() -> list[Message]:
        held = asyncio.create_task(places.get("/held"))
        assert await asyncio.to_thread(places.pages.began.wait, 30)
        for _ in range(10):
            await asyncio.sleep(0)
        assert not held.done()
        places.pages.free.set()
        return await held

    assert len(asyncio.run(ask())) == 1


def test_a_request_that_is_given_up_is_cancelled_there_too(places: Places):
    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(places.get("/long"), 0.2)

    asyncio.run(give_up())
    until("the request to be cancelled", places.pages.cancelled.is_set, 30)


def test_an_error_of_a_page_comes_out_as_it_is(places: Places):
    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("as it is")

    places.app._app = fail
    with pytest.raises(ValueError, match="as it is"):
        asyncio.run(places.get("/runs"))


def test_the_end_cancels_what_is_left_and_waits_for_no_page_that_holds_the_loop():
    left, held = Pages(), Pages()
    with second_loop() as loop:
        asyncio.run_coroutine_threadsafe(left({"path": "/long"}, asyncio.sleep, asyncio.sleep), loop)  # type: ignore[arg-type]
        until("the request", left.began.is_set, 30)
    assert left.cancelled.is_set()
    assert not runs()
    with second_loop() as loop:
        asyncio.run_coroutine_threadsafe(held({"path": "/held"}, asyncio.sleep, asyncio.sleep), loop)  # type: ignore[arg-type]
        until("the request", held.began.is_set, 30)
    held.free.set()
    until("the thread to end", lambda: not runs(), 30)
