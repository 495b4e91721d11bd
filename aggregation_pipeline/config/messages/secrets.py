"""What a message may repeat of the file: no password of a URL, of user:password@host, or of a key that is called so."""

import re
from collections.abc import Sequence
from typing import Final

HIDDEN: Final = "***"
# Beginning where a word begins, and with bounds, so that the time does not grow with the square of a text's length.
_NAMES: Final = r"(?:passw|passphrase|(?<![a-z])pass(?![a-z])|pwd|secret|token|credential|api_?key|密码|口令)"
_WORD: Final = rf"{_NAMES}[\w-]{{0,80}}"
_SECRET_KEY: Final = re.compile(_NAMES, re.IGNORECASE)
# Everything up to the last @, because a password may hold / : and @ too; once, where a name is repeated.
_IN_URL: Final = re.compile(r"([:：]//)(?!\*{3}@)[^\n]{0,2000}[@＠]")
# A URL that was cut before its @, or whose host is missing. A number behind the colon is a port.
_CUT_URL: Final = re.compile(r"([:：]//[^\s/:：@＠'\"]*[:：])(?!\d{1,5}(?:[\s/?#'\",;)]|$))[^\s@＠]+")
_USER: Final = r"\s:：@＠'\"`(\[{=,;/"
_BEFORE_HOST: Final = re.compile(rf"(?<![^{_USER}])([^{_USER}]+[:：])(?!//)\S{{0,1000}}[@＠]")
_ASSIGNED: Final = re.compile(
    rf"({_WORD}\s{{0,9}}={{1,2}}\s{{0,9}})(?:\"(?:[^\"\\]|\\.)*\"|'[^']*'|[^\s&;,'\"]+)", re.IGNORECASE
)
# In a value alone, whose end is known, a password may hold blanks, quotes and line breaks.
_IN_VALUE: Final = (
    (re.compile(r"([:：]//).*[@＠]", re.DOTALL), rf"\1{HIDDEN}@"),
    (re.compile(r"(?<!\S)([^\s:：@＠]+[:：])(?!//).*[@＠]", re.DOTALL), rf"\1{HIDDEN}@"),
    (re.compile(rf"({_WORD}[\"']?\s{{0,9}}[:：=]\s{{0,9}}).*", re.IGNORECASE | re.DOTALL), rf"\1{HIDDEN}"),
)
# What is longer is shown in part at most.
_LONGEST: Final = 1000


def without_secrets(message: str) -> str:
    """A message, without the passwords of URLs and the like that it repeats."""
    for pattern, kept in ((_IN_URL, rf"\1{HIDDEN}@"), (_CUT_URL, rf"\1{HIDDEN}"), (_BEFORE_HOST, rf"\1{HIDDEN}@")):
        message = pattern.sub(kept, message)
    return _ASSIGNED.sub(rf"\1{HIDDEN}", message)


def shown_text(value: str) -> str:
    """A text of the file as a message may repeat it, a very long one in part. Cut it only afterwards: of half a URL
    not all is known.
    """
    value = value[:_LONGEST]
    for pattern, kept in _IN_VALUE:
        value = pattern.sub(kept, value)
    return without_secrets(value)


def is_secret(path: Sequence[str | int]) -> bool:
    """Whether what stands at a path of the file may be a password, by its keys.

    Names of tables and sources count only for what stands there itself: the keys below a table `tokens` are no secrets.
    """
    keys = [str(part) for number, part in enumerate(path) if number != 1 or number + 1 == len(path)]
    return any(map(mentions_secret, keys))


def mentions_secret(text: str) -> bool:
    """Whether a key is called like a password, or a text holds such a word."""
    return _SECRET_KEY.search(text) is not None
