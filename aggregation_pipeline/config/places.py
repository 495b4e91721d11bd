"""Mistakes that a validator of the whole finds, and that stand elsewhere in the file."""

from collections.abc import Sequence
from typing import NamedTuple

Place = tuple[str | int, ...]


class Placed(NamedTuple):
    """One such mistake; `place` are the model's keys and indexes from the root on."""

    place: Place
    words: str


class PlacedError(ValueError):
    """What a validator raises for them, so that each is reported at its own line."""

    def __init__(self, mistakes: Sequence[Placed]) -> None:
        super().__init__("; ".join(mistake.words for mistake in mistakes))
        self.mistakes = tuple(mistakes)
