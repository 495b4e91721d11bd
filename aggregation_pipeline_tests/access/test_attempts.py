"""Who tries passwords is slowed, and no stranger can keep anybody out: told by random histories of many people."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from aggregation_pipeline.access import attempts as module
from aggregation_pipeline.access.attempts import Attempts

OWNER, HOME, OFFICE = "alice", "192.0.2.1", "198.51.100.1"
STRANGERS = [f"203.0.113.{number}" for number in range(4)]
NAMES = [OWNER, "bob", "carol", "nobody"]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def attempts(clock: Clock) -> Attempts:
    return Attempts(clock)


def tried(attempts: Attempts, clock: Clock, name: str, address: str, seconds: float, every: float = 0.01) -> int:
    """How many attempts are admitted to one who tries all the time, for so long."""
    end, admitted = clock.now + seconds, 0
    while clock.now < end:
        wait = attempts.wait(name, address)
        admitted += wait == 0
        clock.now += max(every, wait)
    return admitted


def test_some_slips_cost_nothing_and_the_pauses_after_more_double_up_to_a_minute(attempts: Attempts, clock: Clock):
    pauses = []
    for _ in range(10):
        pauses.append(wait := attempts.wait(OWNER, HOME))
        clock.now += wait
    assert pauses[:4] == [0, 0, 0, 0]
    assert [round(pause) for pause in pauses if pause] == [1, 2, 4]
    for _ in range(20):
        pauses.append(wait := attempts.wait(OWNER, HOME))
        clock.now += wait
    assert max(pauses) == 60


def test_who_waits_long_enough_is_forgiven(attempts: Attempts, clock: Clock):
    tried(attempts, clock, OWNER, HOME, 600)
    clock.now += 6 * 3600
    assert [attempts.wait(OWNER, HOME) for _ in range(3)] == [0, 0, 0]


def test_one_name_from_one_address_is_tried_about_once_a_minute(attempts: Attempts, clock: Clock):
    assert tried(attempts, clock, OWNER, STRANGERS[0], 3600) < 80


def test_an_address_that_tries_many_names_is_slowed(attempts: Attempts, clock: Clock):
    admitted = 0
    for number in range(2000):
        admitted += attempts.wait(f"user{number}", STRANGERS[0]) == 0
        clock.now += 1
    assert admitted < 120


def test_attempts_at_once_count_before_any_is_answered(attempts: Attempts):
    assert sum(attempts.wait(OWNER, STRANGERS[0]) == 0 for _ in range(1000)) <= 4


def test_success_of_an_own_account_does_not_free_an_address_that_tries_many_names(attempts: Attempts, clock: Clock):
    admitted = 0
    for number in range(2000):
        admitted += attempts.wait(f"user{number}", STRANGERS[0]) == 0
        if attempts.wait("mallory", STRANGERS[0]) == 0:
            attempts.succeeded("mallory", STRANGERS[0])
        clock.now += 1
    assert admitted < 120


def test_all_addresses_of_one_ipv6_network_are_one(attempts: Attempts):
    assert sum(attempts.wait(OWNER, f"2001:db8:1:2::{number:x}") == 0 for number in range(100)) <= 4
    assert attempts.wait(OWNER, "2001:db8:1:3::1") == 0
    assert attempts.wait(OWNER, "::ffff:192.0.2.1") == 0
    for _ in range(10):
        attempts.wait(OWNER, "192.0.2.1")
    assert attempts.wait(OWNER, "::ffff:192.0.2.1") > 0


def test_names_are_counted_as_they_are_compared(attempts: Attempts):
    spellings = ["alice", "ALICE", "Ａlice", " alice "]
    assert sum(attempts.wait(spellings[number % 4], HOME) == 0 for number in range(40)) <= 4


def test_memory_is_bounded_whatever_comes(attempts: Attempts, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_MOST_REMEMBERED", 50)
    for number in range(500):
        attempts.wait(f"{'x' * 10_000}{number}" if number % 2 else f"n{number}", f"10.0.{number // 250}.{number % 250}")
        attempts.succeeded(f"n{number}", f"10.1.0.{number % 250}")
    sizes = [len(rule._by_key) for rule in (attempts._pairs, attempts._addresses, attempts._names)]
    assert max(*sizes, len(attempts._known)) <= 51


def pause(attempts: Attempts, address: str, now: float) -> float:
    """How long the owner has to wait before the next attempt from an address."""
    pair = (OWNER, address)
    of_address = 0.0 if pair in attempts._known else attempts._addresses.wait(address, now)
    return max(attempts._pairs.wait(pair, now), of_address)


class People(RuleBasedStateMachine):
    """The owner signs in from home and sometimes mistypes; strangers try what they like, as often as they like."""

    @initialize()
    def begin(self) -> None:
        self.clock = Clock()
        self.attempts = Attempts(self.clock)
        # What the owner has to wait for own failures alone: the same history without strangers.
        self.alone = Attempts(self.clock)

    @rule(seconds=st.floats(0, 4000))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule(
        name=st.sampled_from(NAMES),
        address=st.sampled_from(STRANGERS),
        times=st.integers(1, 200),
        patient=st.booleans(),
    )
    def stranger_tries(self, name: str, address: str, times: int, *, patient: bool) -> None:
        for _ in range(times):
            wait = self.attempts.wait(name, address)
            self.clock.now += wait if patient else 0.0

    @rule(address=st.sampled_from(STRANGERS))
    def stranger_signs_in_with_another_account(self, address: str) -> None:
        if self.attempts.wait("mallory", address) == 0:
            self.attempts.succeeded("mallory", address)

    @rule(address=st.sampled_from([HOME, OFFICE]))
    def owner_mistypes(self, address: str) -> None:
        if self.attempts.wait(OWNER, address) == 0:
            self.alone.wait(OWNER, address)

    @rule(address=st.sampled_from([HOME, OFFICE]), times=st.integers(1, 20))
    def owner_is_told_that_the_service_is_busy(self, address: str, times: int) -> None:
        for _ in range(times):
            if self.attempts.wait(OWNER, address) == 0:
                self.attempts.not_judged(OWNER, address)

    @rule(address=st.sampled_from([HOME, OFFICE]))
    def owner_signs_in(self, address: str) -> None:
        if self.attempts.wait(OWNER, address) == 0:
            self.alone.wait(OWNER, address)
            self.attempts.succeeded(OWNER, address)
            self.alone.succeeded(OWNER, address)

    @invariant()
    def strangers_delay_the_owner_by_ten_seconds_at_most(self) -> None:
        if not hasattr(self, "attempts"):
            return
        for address in (HOME, OFFICE):
            own, all_in_all = (pause(each, address, self.clock.now) for each in (self.alone, self.attempts))
            assert all_in_all <= max(own, 10.0) + 1e-6
            if (OWNER, address) in self.attempts._known:
                assert all_in_all <= own + 1e-6, "known from here: strangers delay nothing at all"


TestPeople = People.TestCase
TestPeople.settings = settings(max_examples=30, deadline=None)
