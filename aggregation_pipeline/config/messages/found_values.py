"""Words for a value of the file that is not what was expected."""

import json
from typing import Final

from aggregation_pipeline.config.messages.likely_causes import likely_cause

_MAX_SHOWN: Final = 60


def describe_value(value: object) -> str:
    """`the text "abc"`, `the number 5`, `a list`: short scalars by value, everything else by kind."""
    if value is None:
        return "nothing"
    if isinstance(value, (dict, list, tuple)):
        return "a mapping" if isinstance(value, dict) else "a list"
    kind = {bool: "the boolean", int: "the number", float: "the number"}.get(type(value), "the text")
    shown = json.dumps(value, ensure_ascii=False)
    if len(shown) > _MAX_SHOWN:
        shown = shown[: _MAX_SHOWN - 4] + '..."'
    return f"{kind} {shown}"


def found(value: object) -> str:
    """`found the text "abc"`, with the likely cause where the text shows one."""
    cause = likely_cause(value) if isinstance(value, str) else ""
    return f"found {describe_value(value)}{f': {cause}' if cause else ''}"


def unexpected(value: object, expectation: str, remedy: str = "") -> ValueError:
    """The error of a validator for a value of the wrong kind."""
    return ValueError(f"{expectation} is expected, found {describe_value(value)}{remedy}")
