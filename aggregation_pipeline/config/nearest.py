"""The right name that a wrong one is nearest to."""

import re
from collections.abc import Iterable
from typing import Any, Final

from pydantic.alias_generators import to_snake
from rapidfuzz import process
from rapidfuzz.distance import OSA, JaroWinkler

_NEAR: Final = 0.75
_SHORTEST: Final = 2


def nearest(word: str, known: Iterable[str]) -> str:
    """A question that names the nearest right name, or nothing where none is near."""
    simple = {re.sub(r"[\s_-]", "", to_snake(name)).casefold(): name for name in known}
    match = process.extractOne(re.sub(r"[\s_-]", "", word).casefold(), simple.keys(), scorer=_likeness, score_cutoff=_NEAR)
    return f" Was {simple[match[0]]} meant?" if match else ""


def _likeness(word: str, other: str, **_: Any) -> float:  # noqa: ANN401  # rapidfuzz's own protocol
    """Jaro-Winkler sees `select` in `select_fields`; the edit distance sees that `cvs` is `csv` with two letters changed round."""
    likeness = max(JaroWinkler.similarity(word, other), OSA.normalized_similarity(word, other) + 0.1)
    # Most Chinese names have two characters, each of which says as much as a syllable: with one right, the other is the mistake.
    short = not word.isascii() and len(word) == len(other) == _SHORTEST and OSA.distance(word, other) == 1
    return max(likeness, _NEAR) if short else likeness
