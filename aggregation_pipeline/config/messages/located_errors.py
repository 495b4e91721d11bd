"""Mistakes that a validator of the whole finds, and that stand elsewhere in the file."""

from collections.abc import Sequence
from typing import NamedTuple

Place = tuple[str | int, ...]


class Placed(NamedTuple):
    """One such mistake; `place` are the model's keys and indexes from the root on, or from the model that the validator
    belongs to.
    """

    place: Place
    words: str


class PlacedError(ValueError):
    """What a validator raises for them, so that each is reported at its own line.

    `from_root` tells where their places begin: at the root, or at the model of the field whose validator raises it.
    """

    def __init__(self, mistakes: Sequence[Placed], *, from_root: bool = True) -> None:
        super().__init__("; ".join(mistake.words for mistake in mistakes))
        self.mistakes = tuple(mistakes)
        self.from_root = from_root
