"""What `upgrade` looks at, and how each part is brought to what this version of the package needs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

# `unusable`: a later version of this package made it, or it is damaged. `absent`: its first use makes it.
State = Literal["current", "pending", "absent", "unusable", "by hand"]


@dataclass(frozen=True)
class Part:
    """One part of what is stored.

    Attributes:
        name: for people.
        state: whether something has to be done.
        text: what was found.
        apply: does it, and may be repeated; it reports lines of progress. None where there is nothing to do here.
    """

    name: str
    state: State
    text: str
    apply: Callable[[Callable[[str], None]], None] | None = None
