"""An answer that is kept: who waits for whom."""

import asyncio
import threading
import time

import pytest

from aggregation_pipeline.errors import MirrorError
from aggregation_pipeline.health import probe
from aggregation_pipeline.overview import kept
from aggregation_pipeline.overview.kept import Kept, Times
from aggregation_pipeline_tests.support.waiting import until

ALWAYS_ANEW = Times(fresh=0.0, recent=0.0)


class Source:
    """What is read; it hangs while `free` is not set."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.free.set()
        self.asked = 0
        self.problem: Exception | None = None

    def __call__(self) -> int:
        self.asked += 1
        self.free.wait(60)
        if self.problem is not None:
            raise self.problem
        return self.asked


async def together(of: Kept[int], number: int) -> list[int | None]:
    found = await asyncio.gather(*(of.wait() for _ in range(number)))
    return [None if known is None else known.value for known in found]


def test_many_who_ask_at_once_cost_one_question():
    source = Source()
    of = Kept("test", source)
    assert asyncio.run(together(of, 50)) == [1] * 50
    assert asyncio.run(together(of, 50)) == [1] * 50
    assert source.asked == 1


def test_what_is_old_is_read_again():
    of = Kept("test", Source(), ALWAYS_ANEW)
    assert [asyncio.run(together(of, 1)) for _ in range(3)] == [[1], [2], [3]]


def test_nobody_waits_for_the_next_answer_while_there_is_a_recent_one():
    source = Source()
    of = Kept("test", source, Times(fresh=0.0))
    asyncio.run(of.wait())
    source.free.clear()
    began = time.monotonic()
    assert asyncio.run(together(of, 20)) == [1] * 20
    assert time.monotonic() - began < probe.LIMIT_SECONDS
    source.free.set()
    until("the next answer", lambda: (known := of.known()) and known.value == 2, 20)


def test_while_it_hangs_the_last_answer_is_given_with_its_age_and_then_none(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(probe, "LIMIT_SECONDS", 0.3)
    source = Source()
    of = Kept("test", source, ALWAYS_ANEW)
    asyncio.run(of.wait())
    source.free.clear()
    began = time.monotonic()
    assert asyncio.run(together(of, 20)) == [1] * 20
    assert asyncio.run(together(of, 20)) == [1] * 20
    assert time.monotonic() - began < 5
    known = of.known()
    assert known is not None
    assert known.age >= 0.3
    assert source.asked == 2, "one question hangs, and there is no other"
    monkeypatch.setattr(of, "_times", Times(oldest=0.0))
    assert of.known() is None
    source.free.set()
    monkeypatch.setattr(of, "_times", ALWAYS_ANEW)
    until("the answer", lambda: (known := of.known()) and known.value == 2, 20)


@pytest.mark.parametrize("problem", [MirrorError("PostgreSQL at db.internal"), ValueError("a secret")])
def test_a_failure_is_logged_once_without_what_a_library_says(caplog: pytest.LogCaptureFixture, problem: Exception,
                                                              monkeypatch: pytest.MonkeyPatch):  # fmt: skip
    monkeypatch.setattr(kept, "_FRESH_SECONDS", 0.0)
    source = Source()
    source.problem = problem
    of = Kept("test", source, ALWAYS_ANEW)
    assert [asyncio.run(together(of, 1)) for _ in range(3)] == [[None]] * 3
    source.problem = None
    assert asyncio.run(together(of, 1)) == [4]
    words = "PostgreSQL at db.internal" if isinstance(problem, MirrorError) else "unexpected ValueError"
    assert [record.getMessage() for record in caplog.records] == [
        f"Health: test: {words}",
        "Health: test: it works again",
    ]


def test_an_answer_with_times_of_its_own_is_kept_by_these_and_a_failure_is_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(kept, "_FRESH_SECONDS", 0.0)
    source = Source()
    of = Kept("test", source, Times(fresh=1000.0, recent=1000.0, oldest=1000.0))
    assert [asyncio.run(together(of, 1)) for _ in range(3)] == [[1]] * 3
    assert (source.asked, of.is_failing) == (1, False)
    of = Kept("test", source, Times(fresh=0.0, recent=0.0, oldest=1000.0))
    assert asyncio.run(together(of, 1)) == [2]
    source.problem = MirrorError("away")
    assert (asyncio.run(together(of, 1)), of.is_failing) == ([2], True)
    source.problem = None
    assert (asyncio.run(together(of, 1)), of.is_failing) == ([4], False)


def test_a_failure_is_tried_again_soon_however_long_answers_are_kept(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(kept, "_FRESH_SECONDS", 0.0)
    source = Source()
    source.problem = MirrorError("away")
    of = Kept("test", source, Times(fresh=1000.0, recent=1000.0, oldest=1000.0))
    assert asyncio.run(together(of, 1)) == [None]
    source.problem = None
    assert asyncio.run(together(of, 1)) == [2]


def test_a_question_without_an_answer_in_its_time_is_a_failure(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(kept, "_FIRST_LIMIT_SECONDS", 0.2)
    source = Source()
    source.free.clear()
    of = Kept("test", source)
    assert (asyncio.run(together(of, 1)), of.is_failing) == ([None], True)
    source.free.set()
    until("the answer", lambda: of.known() is not None and not of.is_failing, 20)
