"""What may stand in a row: text that PostgreSQL takes and that gives nothing away."""

import math
import re
from collections.abc import Iterable, Mapping

# JSON can carry these, jsonb and TEXT cannot hold them: NUL and halves of surrogate pairs.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

_SECRETS = (
    # scheme://user:password@host
    (re.compile(r"(?P<before>\b[a-z][a-z0-9+.\-]*://[^\s:/@]*:)[^\s@]+(?=@)", re.IGNORECASE), r"\g<before>***"),
    # password=..., 'secret': '...', AccessKeySecret: ..., Authorization: Bearer ...; the value up to a blank, comma or
    # closing mark
    (
        re.compile(
            r"(?P<before>(?:password|passwd|pwd|secret|token|api_?key|access_?key_?(?:id|secret)|signature|authorization)[\"']?\s*[=:]\s*"
            r"(?:(?:bearer|basic|oss)\s+)?)(?P<mark>[\"']?)[^\s,;&\"')\]}]+(?P=mark)",
            re.IGNORECASE,
        ),
        r"\g<before>***",
    ),
)


def storable(text: str) -> str:
    """The text with � for every character that PostgreSQL refuses."""
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def storable_json(value: object) -> object:
    """The same for a whole JSON value, keys included; numbers that JSON does not know (NaN, infinity) become null."""
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
    """The text without the given secrets, and without whatever looks like one."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def first_lines(text: str, *, lines: int = 10, characters: int = 2_000) -> str:
    """The beginning of an error's text: enough to act on, bounded, as people put whole result sets into messages."""
    kept = "\n".join(line.rstrip() for line in text.strip().splitlines()[:lines])
    return kept if len(kept) <= characters else f"{kept[: characters - 1]}…"
