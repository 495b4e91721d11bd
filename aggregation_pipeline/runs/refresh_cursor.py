"""What the sensor of late data keeps from tick to tick: when each table was asked, and what came of it.

Pages, metrics and `check` read it too, where Dagster has stored it.
"""

import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Self

from dagster import DagsterInstance
from dagster._core.scheduler.instigation import InstigatorType

# The sensor's name.
REFRESH: Final = "refresh"


@dataclass(frozen=True)
class Asked:
    """How a table was asked last.

    Attributes:
        at: when, to the second; None before the first time.
        again: whether the next tick asks at once, because something was left to do or a server did not answer.
        windows: how many windows of the look-back were compared.
        launched: how many of them were launched then.
        waiting: how many have changed and are not launched yet: for want of room, or because their last run failed.
        since: since when there has been one that waits; None where none does.
        unknown: how many were published without a key that can be compared.
        problem: what is wrong, as it was logged; empty if nothing is.
    """

    at: datetime | None = None
    again: bool = False
    windows: int = 0
    launched: int = 0
    waiting: int = 0
    since: datetime | None = None
    unknown: int = 0
    problem: str = ""


_MOMENTS: Final = ("at", "since")


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

    @classmethod
    def stored(cls, instance: DagsterInstance) -> Self:
        """Return what the sensor of this deployment has stored last. Errors of Dagster's storage are raised."""
        states = instance.all_instigator_state(instigator_type=InstigatorType.SENSOR)
        found = [state.instigator_data for state in states if state.instigator_name == REFRESH]
        # A location that was renamed leaves a state behind.
        newest = max(found, key=lambda data: getattr(data, "last_tick_timestamp", None) or 0.0, default=None)
        return cls.read(getattr(newest, "cursor", None))

    def write(self) -> str:
        """Return the cursor as text."""
        # Dagster stores it with each tick, and there may be thousands of tables.
        tables = {name: _to_json(asked) for name, asked in self._tables.items()}
        return json.dumps(tables, ensure_ascii=False, separators=(",", ":"))

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

    @property
    def waiting(self) -> Mapping[str, int]:
        """How many windows wait, of the tables with any."""
        return {name: asked.waiting for name, asked in self._tables.items() if asked.waiting}


def _to_json(asked: Asked) -> dict[str, Any]:
    values = {key: value for key, value in asdict(asked).items() if value}
    return values | {key: values[key].isoformat(timespec="seconds") for key in _MOMENTS if key in values}


def _from_json(stored: dict[str, Any]) -> Asked:
    moments = {key: datetime.fromisoformat(stored[key]) for key in _MOMENTS if stored.get(key)}
    return Asked(**{**stored, **moments})
