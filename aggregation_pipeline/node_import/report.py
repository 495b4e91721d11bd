"""What became of each part of the old project: carried, changed and why, or not carried and what to do."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["carried", "changed", "not carried"]


@dataclass(frozen=True)
class Item:
    """One part of the old project.

    Attributes:
        what: a table, or a variable.
        text: what became of it; for what is not carried, what to do. No value of a variable stands in it.
        place: where it is in the old project, as `services/SchedulerService.js:42`; empty where nothing is written.
    """

    kind: Kind
    what: str
    text: str
    place: str = ""
