"""What is wrong with a variable, in a user's words: what is expected, the likely cause, the nearest right name."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from aggregation_pipeline.config.hosts_and_urls import FULL_WIDTH_PROBLEM, is_full_width
from aggregation_pipeline.config.messages.secrets import shown_text
from aggregation_pipeline.config.messages.suggestions import did_you_mean

_KINDS: Final = {
    "int_parsing": "a whole number is expected",
    "int_from_float": "a whole number is expected",
    "float_parsing": "a number is expected",
    "bool_parsing": "true or false is expected",
}
# A message repeats a value only where the variable takes a few fixed words. Any other value may be a secret that was
# written into the wrong line.
_CHOICE: Final = "literal_error"
# Shorter names resemble too many others; longer ones may have two slips.
_SHORTEST_NAME: Final = 6
_LONG_NAME: Final = 11
_TLS_MODE: Final = "SSLMODE"
# Variables of every program that resemble one of ours.
_NOT_OURS: Final = frozenset({"TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"})


def split_list(text: str) -> tuple[str, ...]:
    """The items of a list with commas between, without blanks around them and without empty ones."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def half_configured(service: str, given: Sequence[str], missing: Sequence[str]) -> list[str]:
    """Say that only some of a service's variables are set; empty where all are, or none."""
    if not given or not missing:
        return []
    problem = f"{', '.join(given)} set, but {', '.join(missing)} missing (set them too, or none of them)"
    return [f"{service} is half configured: {problem}"]


def describe_problem(problem: Mapping[str, Any]) -> str:
    """One of pydantic's errors, with the name of its variable."""
    words = _description(problem)
    if not problem["loc"]:
        return words
    name = str(problem["loc"][0]).upper()
    return words if words.startswith(f"{name} ") else f"{name}: {words}"


def _description(problem: Mapping[str, Any]) -> str:
    kind, value = str(problem["type"]), problem.get("input")
    if kind == _CHOICE:
        choices = re.findall(r"'([^']*)'", str(problem["ctx"]["expected"]))
        suggestion = did_you_mean(str(value), choices)
        return f"one of {', '.join(choices)} is expected, found {shown_text(str(value))!r}.{suggestion}".removesuffix(
            "."
        )
    if kind in _KINDS:
        return f"{_KINDS[kind]}{f'; {FULL_WIDTH_PROBLEM}' if is_full_width(str(value)) else ''}"
    return re.sub(r"^(Value|Assertion) error, ", "", str(problem["msg"])).replace("Input should be", "it should be")


def misspelled_variables(names: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """Names that nobody reads but that nearly are one of the `known`, with that one. All are in capitals."""
    by_letters = {name.replace("_", ""): name for name in known}
    unknown = [name for name in names if name not in {*by_letters.values(), *_NOT_OURS} and len(name) >= _SHORTEST_NAME]
    return {name: meant for name in unknown if (meant := _nearest_name(name.replace("_", ""), by_letters))}


def _nearest_name(letters: str, by_letters: Mapping[str, str]) -> str:
    for mode in by_letters:
        if mode.endswith(_TLS_MODE) and letters.startswith(mode.removesuffix("MODE")):
            # People set such a variable to protect the connection, so any such name gets a warning.
            return by_letters.get(letters, by_letters[mode])
    from rapidfuzz import process
    from rapidfuzz.distance import OSA

    cutoff = 1 if len(letters) < _LONG_NAME else 2
    match = process.extractOne(letters, by_letters.keys(), scorer=OSA.distance, score_cutoff=cutoff)
    return by_letters[match[0]] if match else ""
