"""Batches of one tick, together: a tick makes several where tables have runs of their own."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from aggregation_pipeline.overview.batches import Batch


@dataclass(frozen=True)
class Tick:
    """Batches that are listed together, in their order.

    Attributes:
        at: the moment of the tick; None for a batch that is by itself.
    """

    at: datetime | None
    batches: Sequence[Batch]

    def count(self, *statuses: str) -> int:
        """How many of the batches have one of these statuses."""
        return sum(batch.status in statuses for batch in self.batches)


def by_tick(batches: Iterable[Batch]) -> list[Tick]:
    """Put the batches of a list that belong to one tick together, where the first of them stands."""
    groups: dict[str, list[Batch]] = {}
    for batch in batches:
        groups.setdefault(batch.tick or batch.id, []).append(batch)
    return [Tick(_moment(members[0].tick) if len(members) > 1 else None, members) for members in groups.values()]


def _moment(tick: str | None) -> datetime | None:
    """The moment in a tick's name, which any program may have written."""
    with suppress(ValueError):
        moment = datetime.fromisoformat((tick or "").rpartition(" ")[2])
        return moment if moment.tzinfo else None
    return None
