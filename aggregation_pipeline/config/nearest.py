"""The right name that a wrong one is nearest to."""

import re
from collections.abc import Iterable
from typing import Any

from pydantic.alias_generators import to_snake
from rapidfuzz import process
from rapidfuzz.distance import OSA, JaroWinkler


def nearest(word: str, known: Iterable[str]) -> str:
    """A question that names the nearest right name, or nothing where none is near."""
    simple = {re.sub(r"[\s_-]", "", to_snake(name)).casefold(): name for name in known}
    match = process.extractOne(re.sub(r"[\s_-]", "", word).casefold(), simple.keys(), scorer=_likeness, score_cutoff=0.75)
    return f" Was {simple[match[0]]} meant?" if match else ""


def _likeness(word: str, other: str, **_: Any) -> float:  # noqa: ANN401  # rapidfuzz's own protocol
    """Jaro-Winkler sees `select` in `select_fields`; the edit distance sees that `cvs` is `csv` with two letters changed round."""
    return max(JaroWinkler.similarity(word, other), OSA.normalized_similarity(word, other) + 0.1)
