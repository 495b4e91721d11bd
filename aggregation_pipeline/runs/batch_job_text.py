"""Texts as rows of PostgreSQL may hold them: no character that it refuses, no secret, bounded in length."""

import math
import re
from collections.abc import Iterable, Mapping

# NUL and halves of surrogate pairs: JSON can carry them, jsonb and TEXT refuse them.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

_SECRETS = (
    # scheme://user:password@host
    (re.compile(r"(?P<before>\b[a-z][a-z0-9+.\-]*://[^\s:/@]*:)[^\s@]+(?=@)", re.IGNORECASE), r"\g<before>***"),
    # password=..., 'secret': '...', AccessKeySecret: ..., Authorization: Bearer ...
    # The value ends at a blank, a comma or a closing mark.
    (
        re.compile(
            r"(?P<before>(?:password|passwd|pwd|secret|token|api_?key|access_?key_?(?:id|secret)|signature|authorization)"
            r"[\"']?\s*[=:]\s*"
            r"(?:(?:bearer|basic|oss)\s+)?)(?P<mark>[\"']?)[^\s,;&\"')\]}]+(?P=mark)",
            re.IGNORECASE,
        ),
        r"\g<before>***",
    ),
)


def storable(text: str) -> str:
    """Return the text with � for every character that PostgreSQL refuses."""
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def storable_json(value: object) -> object:
    """Do the same for a whole JSON value, keys included. NaN and infinity, which JSON has not, become null."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {storable(str(key)): storable_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [storable_json(item) for item in value]
    return value if value is None or isinstance(value, (bool, int)) else storable(str(value))


def without_secrets(text: str, secrets: Iterable[str] = ()) -> str:
    """Return the text with *** for each of the secrets, and for whatever looks like one."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def first_lines(text: str, *, lines: int = 10, characters: int = 2_000) -> str:
    """Return the beginning of an error's text. It is bounded, because some messages hold whole result sets."""
    return shorten("\n".join(line.rstrip() for line in text.strip().splitlines()[:lines]), characters)


def shorten(text: str, longest: int) -> str:
    """Return the text, cut to `longest` characters, the last of which is then an ellipsis."""
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"
