"""A dependency is asked in one thread at a time, whoever asks and however long it takes; what is known is kept."""

import logging
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from aggregation_pipeline.errors import SourceLostError
from aggregation_pipeline.health import probe as module
from aggregation_pipeline.health.probe import LIMIT_SECONDS, Probe
from aggregation_pipeline_tests.support.waiting import until


class Dependency:
    """Answers at once with `problem`; while it is held, it does not answer."""

    def __init__(self) -> None:
        self.problem: str | None = None
        self.asked = 0
        self.free = threading.Event()
        self.free.set()

    def __call__(self) -> str | None:
        self.asked += 1
        self.free.wait(60)
        return self.problem


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.now))


def threads() -> int:
    """How many threads wait for a dependency."""
    return sum(thread.name == "health of mysql" for thread in threading.enumerate())


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def ask(probe: Probe) -> str | None:
    """Ask, wait for the answer, and return what is wrong."""
    asking = probe.ask()
    if asking is not None:
        asking.result(30)
    return probe.outcome().problem


def test_what_is_known_is_kept_and_its_age_is_told(clock: Clock):
    dependency = Dependency()
    probe = Probe("mysql", dependency)
    assert probe.outcome().problem == "it was not asked yet"
    assert ask(probe) is None
    clock.now += 14.9
    assert (ask(probe), dependency.asked, round(probe.outcome().age, 1)) == (None, 1, 14.9)
    clock.now += 0.2
    dependency.problem = "it refuses the account"
    assert (ask(probe), dependency.asked, probe.outcome().age) == ("it refuses the account", 2, 0.0)


def test_a_failure_is_looked_at_again_sooner(clock: Clock):
    dependency = Dependency()
    dependency.problem = "it is away"
    probe = Probe("mysql", dependency)
    assert ask(probe) == "it is away"
    dependency.problem = None
    clock.now += 4.9
    assert ask(probe) == "it is away"
    clock.now += 0.2
    assert ask(probe) is None


def test_a_dependency_that_hangs_takes_one_thread_and_nobodys_time(clock: Clock):
    """For hours: whoever asks later waits for nothing, and leaves nothing behind on the question that hangs."""
    dependency = Dependency()
    dependency.free.clear()
    probe = Probe("mysql", dependency)
    first = probe.ask()
    assert first is not None
    assert all(probe.ask() is first for _ in range(100))
    assert probe.outcome().problem == "it was not asked yet"
    clock.now += LIMIT_SECONDS
    for _ in range(1000):
        clock.now += 10
        assert probe.ask() is None
        assert probe.outcome().problem == "no answer within 2 s"
    assert probe.outcome().age == 10_000
    assert (dependency.asked, threads()) == (1, 1)
    dependency.free.set()
    first.result(30)
    assert (ask(probe), probe.outcome().age, dependency.asked) == (None, 0.0, 1)
    until("the thread to end", lambda: threads() == 0, 30)


def test_two_hundred_who_ask_at_once_ask_one_question():
    dependency = Dependency()
    dependency.free.clear()
    probe = Probe("mysql", dependency)
    asked = [threading.Thread(target=probe.ask) for _ in range(200)]
    for thread in asked:
        thread.start()
    for thread in asked:
        thread.join()
    assert (dependency.asked, threads()) == (1, 1)
    dependency.free.set()
    assert ask(probe) is None


def raises(error: Exception) -> Callable[[], str | None]:
    def check() -> str | None:
        raise error

    return check


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (SourceLostError("db.internal:3306 refuses connections"), "db.internal:3306 refuses connections"),
        (RuntimeError("password=secret"), "unexpected RuntimeError"),
    ],
)
def test_an_error_is_told_in_our_words_or_by_its_type_alone(error: Exception, told: str):
    assert ask(Probe("mysql", raises(error))) == told


def test_the_log_says_what_is_wrong_when_it_begins_and_when_it_ends(clock: Clock, caplog: pytest.LogCaptureFixture):
    """Those who ask over the network learn no more than that something is."""
    caplog.set_level(logging.INFO, "aggregation_pipeline.health")
    dependency = Dependency()
    probe = Probe("mysql", dependency)
    for problem in (None, None, "away", "away", None):
        dependency.problem = problem
        ask(probe)
        clock.now += 20
    assert caplog.messages == ["Health: mysql: away", "Health: mysql: it works again"]


def test_time_is_real():
    """The other tests have a clock of their own."""
    dependency = Dependency()
    dependency.free.clear()
    probe = Probe("mysql", dependency)
    began = time.monotonic()
    asking = probe.ask()
    assert asking is not None
    until("the end of the limit", lambda: probe.outcome().problem == "no answer within 2 s", 10)
    assert time.monotonic() - began >= LIMIT_SECONDS
    dependency.free.set()
    asking.result(30)
