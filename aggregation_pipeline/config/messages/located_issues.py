"""Issues that a validator finds elsewhere in the file than in its own field, and how a place in the file is written."""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from aggregation_pipeline.config.messages.secrets import shown_text

KeyPath = tuple[str | int, ...]

_PLAIN_KEY: Final = re.compile(r"[\w-]+")


def format_key_path(path: Sequence[str | int]) -> str:
    """A path as people write it: tables.users.aggregations[0].function, tables.'odd.name'.limit. Without passwords."""
    text = "".join(
        f"[{part}]" if isinstance(part, int) else f".{part if _PLAIN_KEY.fullmatch(part) else repr(shown_text(part))}"
        for part in path
    )
    return text.removeprefix(".")


class LocatedIssue(NamedTuple):
    """One issue; `path` are the model's keys and indexes, from the root or from the validator's own model."""

    path: KeyPath
    message: str


class LocatedIssuesError(ValueError):
    """Raised by a validator for several issues, so that each is reported at its own line.

    `from_root` says where their paths begin: at the root, or at the model whose validator raises the error.
    """

    def __init__(self, issues: Sequence[LocatedIssue], *, from_root: bool = True) -> None:
        super().__init__("; ".join(issue.message for issue in issues))
        self.issues = tuple(issues)
        self.from_root = from_root
