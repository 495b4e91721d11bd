"""Issues that a validator of the whole finds, and that stand elsewhere in the file."""

from collections.abc import Sequence
from typing import NamedTuple

KeyPath = tuple[str | int, ...]


class LocatedIssue(NamedTuple):
    """One such issue; `place` are the model's keys and indexes from the root on, or from the model that the validator
    belongs to.
    """

    path: KeyPath
    message: str


class LocatedIssuesError(ValueError):
    """What a validator raises for them, so that each is reported at its own line.

    `from_root` tells where their places begin: at the root, or at the model of the field whose validator raises it.
    """

    def __init__(self, issues: Sequence[LocatedIssue], *, from_root: bool = True) -> None:
        super().__init__("; ".join(issue.message for issue in issues))
        self.issues = tuple(issues)
        self.from_root = from_root
