"""Texts as a group chat may show them: no secret, no value of a cell, nothing that the chat reads as markup.

runs/batch_job_text.py makes texts fit for rows; this goes further, because everybody in the group reads them.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from aggregation_pipeline.runs.batch_job_text import shorten, storable, without_secrets

_LONGEST: Final = 300
# Parameters of signed links. without_secrets() hides only those whose names say that they are secret.
_QUERY: Final = re.compile(r"(?P<before>\b[a-z][a-z0-9+.-]*://[^\s?#]+\?)\S+", re.IGNORECASE)
_EMAIL: Final = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
# Telephone, identity card and account numbers, but not dates, which name partitions. Nearly all ids of runs have
# letters; one that has none is hidden.
_NUMBER: Final = re.compile(r"(?<![\w.])(?!\d{4}-\d\d-\d\d(?!\d))\+?\d(?:[ -]?\d){6,}(?![\w])")
# Where servers quote a cell: Duplicate entry '..', Incorrect date value: '..', Failing row contains (..).
_CELL: Final = re.compile(
    r"(?P<before>\b(?:entry|values?|literal|string|date|datetime|row contains|invalid input syntax for [\w ]+)\s*:?\s*)"
    r"(?:'(?:[^'\\]|\\.|'')*'?|\"(?:[^\"\\]|\\.)*\"?|\([^)]*\)?)",
    re.IGNORECASE,
)
_KEY: Final = re.compile(r"(?P<before>\bKey \([^)]*\)=)\([^)]*\)?")
# Characters of mentions and markup, and what is shown instead.
_MARKUP: Final = str.maketrans({"@": "＠", "<": "‹", ">": "›", "`": "'"})


def one_line(text: str, secrets: Iterable[str] = (), *, longest: int = _LONGEST) -> str:
    """Return the first line of an error that is not blank, at most `longest` characters long."""
    # Secrets first, in the whole text: a token may go over several lines, or be cut in two below.
    cleaned = without_secrets(text[:100_000], secrets)
    line = next((line.strip() for line in re.split(r"[\r\n\v\f\x85\u2028\u2029]", cleaned) if line.strip()), "")
    line = _QUERY.sub(r"\g<before>…", line)
    for pattern in (_KEY, _CELL):
        line = pattern.sub(r"\g<before>…", line)
    line = _NUMBER.sub("…", _EMAIL.sub("…", line))
    return shorten(_visible(line).translate(_MARKUP), longest)


def safe_address(text: str, secrets: Iterable[str] = ()) -> str:
    """Return an address without passwords and without the parameters of a signed link."""
    return shorten(_visible(_QUERY.sub(r"\g<before>…", without_secrets(text, secrets))), 500)


def display_name(text: str) -> str:
    """Return a name from the configuration without invisible characters."""
    return shorten(_visible(text), 200)


def _visible(text: str) -> str:
    # Without control characters, and without those that turn the direction of writing or hide text.
    kept = (
        " " if unicodedata.category(character) in {"Cc", "Cf", "Zl", "Zp"} else character
        for character in storable(text)
    )
    return " ".join("".join(kept).split())
