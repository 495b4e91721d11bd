"""Which passwords are refused, that each attempt costs the same, and that only a few are verified at once."""

import threading
import unicodedata
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregation_pipeline.access import passwords
from aggregation_pipeline.access.names import checked_name, normalized_name
from aggregation_pipeline.access.passwords import LONGEST_PASSWORD, is_password, new_password_hash
from aggregation_pipeline.errors import AccessBusyError, AccessError
from aggregation_pipeline_tests.support.waiting import until

GOOD = "four words 四个词 apart"


@pytest.fixture(scope="module", autouse=True)
def cheap() -> None:
    """Here they cost what they do in production."""


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("", "it has 0 characters, and at least 12 are expected"),
        ("elevenchars", "it has 11 characters"),
        ("x" * 40, "it repeats a few characters"),
        ("123412341234", "it repeats a few characters"),
        ("Alice1234567", "it is the user's name"),
        ("alice-ALICE-2026", "it is the user's name"),
        ("ａｌｉｃｅ１２３４５６７", "it is the user's name"),
        ("Password1234", "it is one of those that are tried first"),
        ("qwertyuiop123", "it is one of those that are tried first"),
        ("a line\nand another", "it holds a tab, a line break"),
        ("nul\0nul\0nul and more", "it holds a tab, a line break"),
        ("long " * 1000, "it has more than 1000 bytes"),
        ("字" * 400, "it has more than 1000 bytes"),
        ("\ufdfa" * 900, "it has more than 1000 bytes"),
        ("half a character \ud800", "characters that are none"),
    ],
)
def test_a_bad_password_is_refused_with_the_reason_and_not_repeated(password: str, words: str):
    with pytest.raises(AccessError, match=words) as caught:
        new_password_hash(password, user="alice")
    assert not password.strip() or password not in str(caught.value)


def test_a_password_is_the_same_however_it_is_typed():
    stored = new_password_hash("Ｃafé 十二个字符以上 １２３", user="alice")
    assert is_password(stored, unicodedata.normalize("NFD", "Café 十二个字符以上 123"))
    assert not is_password(stored, "café 十二个字符以上 123")


def test_a_common_password_is_long_enough_to_be_asked_about():
    assert {word for word in passwords._common() if len(word) < passwords.SHORTEST_PASSWORD} == set()


def test_each_hash_has_its_own_salt_and_holds_no_password():
    first, second = (new_password_hash(GOOD, user="alice") for _ in range(2))
    assert first != second
    assert first.startswith("$argon2id$")


class Counter:
    """Counts verifications in place of argon2, and can hold them."""

    def __init__(self) -> None:
        self.verified: list[str] = []
        self.free = threading.Event()
        self.free.set()

    def verify(self, stored: str, _password: bytes) -> bool:
        self.verified.append(stored)
        assert self.free.wait(60)
        return True


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Counter:
    counting = Counter()
    monkeypatch.setattr(passwords, "_hasher", counting)
    return counting


def test_who_does_not_exist_costs_one_verification_of_the_same_strength_and_is_not_let_in(counter: Counter):
    assert not is_password(None, GOOD)
    (stored,) = counter.verified
    import argon2

    ours = argon2.PasswordHasher()
    found = argon2.extract_parameters(stored)
    assert (found.memory_cost, found.time_cost, found.parallelism, found.type) == (
        ours.memory_cost,
        ours.time_cost,
        ours.parallelism,
        argon2.Type.ID,
    )


def test_the_hash_for_nobody_can_be_verified():
    """So that it takes as long: argon2 refuses one that cannot be read at once."""
    import argon2

    with pytest.raises(argon2.exceptions.VerifyMismatchError):
        argon2.PasswordHasher().verify(passwords._NOBODY, b"whatever it is")


@pytest.mark.parametrize("password", ["x" * (LONGEST_PASSWORD + 1), "字" * 400, "\ud800", "x" * 10_000_000])
def test_what_can_be_no_password_is_not_hashed(counter: Counter, password: str):
    assert not is_password("$argon2id$whatever", password)
    assert counter.verified == []


def test_two_are_verified_at_once_and_others_are_told_to_come_again(counter: Counter, monkeypatch: pytest.MonkeyPatch):
    counter.free.clear()
    threads = [threading.Thread(target=is_password, args=(None, GOOD)) for _ in range(2)]
    for thread in threads:
        thread.start()
    until("both to be verified", lambda: len(counter.verified) == 2, 20)
    monkeypatch.setattr(passwords, "_WAIT_SECONDS", 0.05)
    with pytest.raises(AccessBusyError, match="Try again in a few seconds"):
        is_password(None, GOOD)
    counter.free.set()
    for thread in threads:
        thread.join(20)
    assert not is_password(None, GOOD), "their turns are free again"
    assert len(counter.verified) == 3


@given(st.text())
def test_a_name_is_refused_or_normalized_for_good(text: str):
    name = ""
    with suppress(AccessError):
        name = checked_name(text, of="user")
    if name:
        assert checked_name(name, of="user") == name == normalized_name(text)
        assert "/" not in name
        assert name.isprintable()


@pytest.mark.parametrize(
    "text", ["", " ", "a b", "a/b", "-a", ".a", "a" * 65, "a\nb", "a\u200db", "a\u202eb", "<b>", "a" * 10**6]
)
def test_a_name_that_could_mislead_is_refused(text: str):
    with pytest.raises(AccessError, match="cannot be the name of a user"):
        checked_name(text, of="user")


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("Alice", "alice"),
        (" ALICE ", "alice"),
        ("Ａｌｉｃｅ", "alice"),
        ("张三", "张三"),
        ("STRASSE", "strasse"),
        ("a.b-c_d@e.f", "a.b-c_d@e.f"),
    ],
)
def test_names_are_the_same_however_they_are_typed(typed: str, name: str):
    assert checked_name(typed, of="user") == name
