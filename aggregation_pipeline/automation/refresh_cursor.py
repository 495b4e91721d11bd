"""What the sensor of late data keeps from tick to tick: when each table was asked, and what came of it."""

import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Self


@dataclass(frozen=True)
class Asked:
    """How a table was asked last.

    Attributes:
        at: when; None before the first time.
        again: whether the next tick asks at once, because something was left to do or a server did not answer.
        waiting: how many partitions have moved and are not launched yet.
        unknown: how many were published without a key that can be compared.
        problem: what is wrong, as it was logged; empty if nothing is.
    """

    at: datetime | None = None
    again: bool = False
    waiting: int = 0
    unknown: int = 0
    problem: str = ""


class RefreshCursor:
    """The cursor. One that cannot be read counts as none: all tables are asked."""

    def __init__(self, tables: Mapping[str, Asked]) -> None:
        self._tables = dict(tables)

    @classmethod
    def read(cls, text: str | None) -> Self:
        """Read what `write` has returned."""
        tables: dict[str, Asked] = {}
        with suppress(ValueError, TypeError, AttributeError):
            for name, stored in json.loads(text or "{}").items():
                tables[name] = _from_json(stored)
        return cls(tables)

    def write(self) -> str:
        """Return the cursor as text."""
        return json.dumps({name: _to_json(asked) for name, asked in self._tables.items()}, ensure_ascii=False)

    def of(self, name: str) -> Asked:
        """Return what is known of a table."""
        return self._tables.get(name, Asked())

    def set(self, name: str, asked: Asked) -> None:
        """Replace what is known of a table."""
        self._tables[name] = asked

    def keep_only(self, names: Collection[str]) -> None:
        """Forget tables that are not refreshed any more."""
        self._tables = {name: asked for name, asked in self._tables.items() if name in names}

    @property
    def problems(self) -> Mapping[str, str]:
        """What is wrong with which table."""
        return {name: asked.problem for name, asked in self._tables.items() if asked.problem}


def _to_json(asked: Asked) -> dict[str, Any]:
    # What is as usual is left out: there may be thousands of tables.
    values = {key: value for key, value in asdict(asked).items() if value}
    return values | ({"at": asked.at.isoformat()} if asked.at else {})


def _from_json(stored: dict[str, Any]) -> Asked:
    asked = Asked(**stored)
    return replace(asked, at=datetime.fromisoformat(stored["at"])) if stored.get("at") else asked
