"""What pydantic says of a variable, in a user's words: what is expected, what was found, the likely cause, the nearest right value.

Of a secret nothing is repeated.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Final

from pydantic.fields import FieldInfo

from aggregation_pipeline.config.causes import foreign_sign
from aggregation_pipeline.config.nearest import nearest

_EXPECTED: Final = {
    "int_parsing": "a whole number is expected",
    "int_from_float": "a whole number is expected",
    "float_parsing": "a number is expected",
    "bool_parsing": "true or false is expected",
}
_LONGEST: Final = 60
# What other clients of MySQL call its modes.
_OTHER_WORDS: Final = {
    "db_ssl_mode": {
        **dict.fromkeys(("TRUE", "ON", "YES", "1", "REQUIRE"), "REQUIRED"),
        **dict.fromkeys(("FALSE", "OFF", "NO", "0", "NONE"), "DISABLED"),
        **dict.fromkeys(("ALLOW", "PREFER"), "PREFERRED"),
        "VERIFY_FULL": "VERIFY_IDENTITY",
    },
}


def is_secret(field: FieldInfo) -> bool:
    """Whether the variable's value is never shown."""
    return "Secret" in str(field.annotation)


def variable_mistake(problem: Mapping[str, Any], fields: Mapping[str, FieldInfo]) -> str:
    """One error of `ValidationError.errors()`, with the variable's name before it."""
    words = re.sub(r"^(Value|Assertion) error, ", "", problem["msg"])
    if not problem["loc"]:
        return words
    name = str(problem["loc"][0])
    variable, value = name.upper(), problem["input"]
    if not is_secret(fields[name]) and isinstance(value, str):
        words = _with_value(name, problem, value, words)
    # Some words are meant to be read without the name, too.
    return words if words.startswith(variable) else f"{variable}: {words}"


def _with_value(name: str, problem: Mapping[str, Any], value: str, words: str) -> str:
    cause = _cause(value)
    if problem["type"] == "value_error":
        # It was worded by us, and repeats what may be repeated.
        return words if not cause or "full-width" in words else f"{words}; {cause}"
    hint = ""
    if problem["type"] == "literal_error":
        choices = re.findall(r"'([^']*)'", str(problem["ctx"]["expected"]))
        meant = _OTHER_WORDS.get(name, {}).get(value.strip().upper())
        words, hint = f"one of {', '.join(choices)} is expected", f". Was {meant} meant?" if meant else _question(value, choices)
    shown = repr(value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…")
    expected = _EXPECTED.get(problem["type"]) or words.replace("Input should", "it should").replace("String should", "it should")
    return f"{expected}, found {shown}{f': {cause}' if cause else ''}{hint}"


def _question(value: str, choices: list[str]) -> str:
    found = nearest(unicodedata.normalize("NFKC", value), choices)
    return f".{found}" if found else ""


def _cause(value: str) -> str:
    """Signs of a Chinese keyboard; its digits and Latin letters are none for YAML, and are for a variable."""
    if sign := foreign_sign(value):
        return sign
    plain = unicodedata.normalize("NFKC", value)
    return f"its characters are full-width; write {plain}" if plain != value and plain.isascii() else ""
