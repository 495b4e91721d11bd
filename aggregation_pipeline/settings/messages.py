"""What is wrong with a variable, in a user's words: what is expected, the likely cause, the nearest right value or
name.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from rapidfuzz import process
from rapidfuzz.distance import OSA

from aggregation_pipeline.config.addresses import FULL_WIDTH_PROBLEM, is_full_width
from aggregation_pipeline.config.messages.suggestions import did_you_mean

_KINDS: Final = {
    "int_parsing": "a whole number is expected",
    "int_from_float": "a whole number is expected",
    "float_parsing": "a number is expected",
    "bool_parsing": "true or false is expected",
}
# Of a value only what a variable with a few right words holds is repeated; what stands in another may be a secret in
# the wrong line.
_CHOICE: Final = "literal_error"
# Shorter names are near to too many, and long ones may have two slips in them.
_SHORTEST, _LONG = 6, 11
# Every program's.
_NOT_OURS: Final = frozenset({"TMPDIR"})


def describe_problem(problem: Mapping[str, Any]) -> str:
    """One of pydantic's errors, with the name of its variable."""
    words = _words(problem)
    if not problem["loc"]:
        return words
    name = str(problem["loc"][0]).upper()
    return words if words.startswith(f"{name} ") else f"{name}: {words}"


def _words(problem: Mapping[str, Any]) -> str:
    kind, value = str(problem["type"]), problem.get("input")
    if kind == _CHOICE:
        choices = re.findall(r"'([^']*)'", str(problem["ctx"]["expected"]))
        return f"one of {', '.join(choices)} is expected, found {value!r}.{did_you_mean(str(value), choices)}".removesuffix(
            "."
        )
    if kind in _KINDS:
        return f"{_KINDS[kind]}{f'; {FULL_WIDTH_PROBLEM}' if is_full_width(str(value)) else ''}"
    return re.sub(r"^(Value|Assertion) error, ", "", str(problem["msg"])).replace("Input should be", "it should be")


def misspelled_variables(names: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """Those of the names that nobody reads but that are nearly one that is read, with that one. All are in capitals."""
    right = {name.replace("_", ""): name for name in known}
    strange = [name for name in names if name not in {*right.values(), *_NOT_OURS} and len(name) >= _SHORTEST]
    return {name: meant for name in strange if (meant := _meant(name.replace("_", ""), right))}


def _meant(bare: str, right: Mapping[str, str]) -> str:
    if bare.startswith("DBSSL"):
        # Whoever writes it believes that the connection is protected by it.
        return next((name for known, name in right.items() if known == bare), "DB_SSL_MODE")
    match = process.extractOne(bare, right.keys(), scorer=OSA.distance, score_cutoff=1 if len(bare) < _LONG else 2)
    return right[match[0]] if match else ""
