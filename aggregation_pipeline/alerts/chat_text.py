"""Other people's error texts, made fit for a group chat: one line, no secrets, no cell's value, nothing that a chat
would act upon.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from aggregation_pipeline.runs.row_text import storable, without_secrets

_LONGEST: Final = 300
# Parameters of signed links; without_secrets() knows the ones that name themselves.
_QUERY: Final = re.compile(r"(?P<before>\b[a-z][a-z0-9+.-]*://[^\s?#]+\?)\S+", re.IGNORECASE)
_EMAIL: Final = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
# Telephone, identity card and account numbers, but not dates: partitions are named by them. Ids of runs hold letters
# nearly always; if one does not, so be it.
_NUMBER: Final = re.compile(r"(?<![\w.])(?!\d{4}-\d\d-\d\d(?!\d))\+?\d(?:[ -]?\d){6,}(?![\w])")
# Where servers quote what stood in a cell: Duplicate entry '..', Incorrect date value: '..', Failing row contains (..).
_CELL: Final = re.compile(
    r"(?P<before>\b(?:entry|values?|literal|string|date|datetime|row contains|invalid input syntax for [\w ]+)\s*:?\s*)"
    r"(?:'(?:[^'\\]|\\.|'')*'?|\"(?:[^\"\\]|\\.)*\"?|\([^)]*\)?)",
    re.IGNORECASE,
)
_KEY: Final = re.compile(r"(?P<before>\bKey \([^)]*\)=)\([^)]*\)?")
# A chat would notify everybody, or read these as markup.
_LIVE: Final = str.maketrans({"@": "＠", "<": "‹", ">": "›", "`": "'"})


def one_line(text: str, secrets: Iterable[str] = (), *, longest: int = _LONGEST) -> str:
    """The first line of an error that says anything, at most `longest` characters, harmless to show to a group."""
    # Secrets first, as a whole: a token may be broken over lines or stand beyond the cut.
    cleaned = without_secrets(text[:100_000], secrets)
    line = next((line.strip() for line in re.split(r"[\r\n\v\f\x85\u2028\u2029]", cleaned) if line.strip()), "")
    line = _QUERY.sub(r"\g<before>…", line)
    for pattern in (_KEY, _CELL):
        line = pattern.sub(r"\g<before>…", line)
    line = _NUMBER.sub("…", _EMAIL.sub("…", line))
    return cut(_visible(line).translate(_LIVE), longest)


def address(text: str, secrets: Iterable[str] = ()) -> str:
    """Where something lies, without what would open it."""
    return cut(_visible(_QUERY.sub(r"\g<before>…", without_secrets(text, secrets))), 500)


def display_name(text: str) -> str:
    """A name from the configuration, as it is but for what cannot be seen."""
    return cut(_visible(text), 200)


def cut(text: str, longest: int) -> str:
    """The beginning of a text."""
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"


def _visible(text: str) -> str:
    # Control characters, and formatting ones that turn the direction of writing or hide words.
    kept = (
        " " if unicodedata.category(character) in {"Cc", "Cf", "Zl", "Zp"} else character
        for character in storable(text)
    )
    return " ".join("".join(kept).split())
