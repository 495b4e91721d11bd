"""Words for a value of the file that is not what was expected."""

import json
from typing import Final

from aggregation_pipeline.config.messages.likely_causes import likely_cause
from aggregation_pipeline.config.messages.secrets import shown_text

_MAX_SHOWN: Final = 60


def describe_value(value: object, *, secret: bool = False) -> str:
    """`the text "abc"`, `the number 5`, `a list`: short scalars by value, all else by kind, and so `secret` ones."""
    if value is None:
        return "nothing"
    if isinstance(value, (dict, list, tuple)):
        return "a mapping" if isinstance(value, dict) else "a list"
    kind = {bool: "the boolean", int: "the number", float: "the number"}.get(type(value), "the text")
    if secret:
        return kind.replace("the", "a", 1)
    shown = json.dumps(shown_text(value) if isinstance(value, str) else value, ensure_ascii=False)
    if len(shown) > _MAX_SHOWN:
        shown = shown[: _MAX_SHOWN - 4] + '..."'
    return f"{kind} {shown}"


def found(value: object, *, secret: bool = False) -> str:
    """`found the text "abc"`, with the likely cause where the text shows one. Of a `secret` value only its kind."""
    cause = likely_cause(value) if isinstance(value, str) and not secret else ""
    return f"found {describe_value(value, secret=secret)}{f': {cause}' if cause else ''}"


def unexpected(value: object, expectation: str, remedy: str = "") -> ValueError:
    """The error of a validator for a value of the wrong kind."""
    return ValueError(f"{expectation} is expected, found {describe_value(value)}{remedy}")
