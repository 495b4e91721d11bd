"""Passwords: which are refused, and how they are stored and compared.

Passwords are compared after NFKC, as NIST SP 800-63B advises: one that was typed in full width, or with letters
composed in another way, is the same. Verifying takes 64 MiB and all of a processor for a moment, so only a few are
verified at once, in this process, whoever asks.
"""

import functools
import threading
import unicodedata
from importlib import resources
from typing import Final

import argon2

from aggregation_pipeline.access.names import normalized_name
from aggregation_pipeline.errors import AccessBusyError, AccessError

SHORTEST_PASSWORD: Final = 12
LONGEST_PASSWORD: Final = 1000
_FEWEST_CHARACTERS: Final = 5
_AT_ONCE: Final = 2
_WAIT_SECONDS: Final = 5.0
_hasher: Final = argon2.PasswordHasher()
_turns: Final = threading.BoundedSemaphore(_AT_ONCE)
# Compared where there is no such user, so that the answer takes as long. Nobody knows its password.
_NOBODY: Final = "$argon2id$v=19$m=65536,t=3,p=4$bm9ib2R5IGtub3dzIGl0IQ$ZXhhY3RseSAzMiBieXRlcyBvZiBub3RoaW5nIQ"


def new_password_hash(password: str, *, user: str) -> str:
    """Return the argon2 hash of a new password.

    Raises:
        AccessError: the password is too easy to guess, or no text that people can type. The message never holds it.
        AccessBusyError: too many passwords are being hashed.
    """
    if problem := _problem(password, user):
        raise AccessError(f"That password is refused: {problem}")
    with _Turn():
        return _hasher.hash(_normalized(password))


def is_password(stored: str | None, password: str) -> bool:
    """Return whether a password is the one that was stored; None, where there is no such user, takes as long.

    Raises:
        AccessBusyError: too many passwords are being verified.
    """
    if not _is_bounded(password):
        return False
    with _Turn():
        return _verified(stored or _NOBODY, _normalized(password)) and stored is not None


def _verified(stored: str, password: bytes) -> bool:
    try:
        return _hasher.verify(stored, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False


class _Turn:
    """One of the few turns at hashing, for as long as the block runs."""

    def __enter__(self) -> None:
        if not _turns.acquire(timeout=_WAIT_SECONDS):
            raise AccessBusyError("Too many people sign in at this moment. Try again in a few seconds")

    def __exit__(self, *_: object) -> None:
        _turns.release()


def _is_bounded(password: str) -> bool:
    """Whether a text is short enough to be looked at, and can be written as UTF-8."""
    if len(password) > LONGEST_PASSWORD:
        return False
    try:
        return len(_normalized(password)) <= LONGEST_PASSWORD
    except UnicodeEncodeError:
        return False


def _normalized(password: str) -> bytes:
    return unicodedata.normalize("NFKC", password).encode("utf-8")


def _problem(password: str, user: str) -> str:
    """Why a new password is refused; empty if it is not."""
    if not _is_bounded(password):
        return f"it has more than {LONGEST_PASSWORD} bytes, or characters that are none"
    text = _normalized(password).decode("utf-8")
    plain = text.casefold()
    for is_wrong, problem in (
        (
            len(text) < SHORTEST_PASSWORD,
            f"it has {len(text)} characters, and at least {SHORTEST_PASSWORD} are expected",
        ),
        (any(unicodedata.category(char) == "Cc" for char in text), "it holds a tab, a line break or the like"),
        (len(set(plain)) < _FEWEST_CHARACTERS, "it repeats a few characters"),
        (_is_name(plain, normalized_name(user)), "it is the user's name, and others would try that first"),
        (
            plain in _common(),
            "it is one of those that are tried first. Four words that do not belong together are good",
        ),
    ):
        if is_wrong:
            return problem
    return ""


@functools.cache
def _common() -> frozenset[str]:
    """Those that are tried first, of those that are long enough."""
    listed = resources.files(__package__).joinpath("common_passwords.txt").read_text(encoding="utf-8")
    return frozenset(listed.split())


def _is_name(password: str, name: str) -> bool:
    """Whether nothing but digits and signs is added to the name, however often it is repeated."""
    rest = password.replace(name, "")
    return name in password and not any(char.isalpha() for char in rest)
