"""Which partitions of a table are refreshed now. Nothing here asks a server.

A partition is due if its key is another one than its manifest has. What was published under another meaning of the key,
or without one, is due too, because nobody knows whether its rows have changed; of these only a few are taken each time.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from dagster import TimeWindow, TimeWindowPartitionsDefinition, partition_loading_context

from aggregation_pipeline.assets.partitions import newest_complete, time_range_of
from aggregation_pipeline.config.durations import parse_duration
from aggregation_pipeline.config.partitions import Partition
from aggregation_pipeline.source.time_range import TimeRange

# At most so many partitions of a table are launched at a time, and partitions of unknown state so slowly that a whole
# look-back takes so many turns.
MOST_PARTITIONS: Final = 31
_TURNS: Final = 24
# A partition whose runs fail is tried so often for the same state of its rows, after longer and longer pauses.
MOST_TRIES: Final = 5
_LONGEST_PAUSE: Final = timedelta(days=1)
_LONGEST_WINDOW: Final = timedelta(days=32)


@dataclass(frozen=True)
class Published:
    """What is published of a partition: the publication, and the `refresh_key` of its manifest."""

    publication: str
    refresh_key: str


@dataclass(frozen=True)
class Tries:
    """The refreshes of a partition that failed since it was last published.

    Attributes:
        ended: when the last of them ended.
        count: how many there are.
        same: how many of them were for the state of the rows that is found now.
    """

    ended: datetime
    count: int
    same: int


@dataclass(frozen=True)
class Due:
    """A partition whose key has moved, or is not known.

    Attributes:
        key: the partition's.
        state: a short text that stands for what was published and for the rows as they are now.
        is_known: whether its key has moved; else it was published without one.
        tries: how many refreshes of it have failed since then.
    """

    key: str
    state: str
    is_known: bool
    tries: int = 0


@dataclass(frozen=True)
class Choice:
    """What is launched now: stretches of partitions that follow each other, the oldest first.

    Attributes:
        stretches: each for one run or several.
        windows: how many were compared.
        waiting: how many more have moved; they are launched as soon as there is room.
        paused: how many more have moved whose last run failed; they are launched after a pause.
        given_up: those that are not tried any more in their present state.
        unknown: how many more were published without a key.
    """

    stretches: Sequence[Sequence[Due]]
    windows: int = 0
    waiting: int = 0
    paused: int = 0
    given_up: Sequence[str] = ()
    unknown: int = 0


def ranges_in(
    partition: Partition, definition: TimeWindowPartitionsDefinition, look_back: str, now: datetime
) -> list[TimeRange]:
    """Return the partitions that are over and ended in the last `look_back`, in their order."""
    newest = newest_complete(definition, now)
    if newest is None:
        return []
    since, last = now - parse_duration(look_back), definition.time_window_for_partition_key(newest)
    with partition_loading_context(effective_dt=now):
        keys = definition.get_partition_keys_in_time_window(TimeWindow(since - _LONGEST_WINDOW, last.end))
    ranges = (time_range_of(partition, definition, key) for key in keys)
    # Dagster lists partitions in a window also where they lie before the first one.
    return [each for each in ranges if since < each.end and definition.start <= each.start <= last.start]


def due_partitions(keys: Mapping[str, str], published: Mapping[str, Published]) -> list[Due]:
    """Return the published partitions whose key has moved, or is not known, in their order.

    Args:
        keys: of each partition, as it is now: what the key means, a blank, and its value.
        published: what there is. A partition without any belongs to its schedule and to catch-up.
    """
    found = []
    for key, now in keys.items():
        before = published.get(key)
        if before is not None and before.refresh_key != now:
            state = hashlib.blake2b(f"{before.publication} {now}".encode(), digest_size=6).hexdigest()
            found.append(Due(key, state, before.refresh_key.split(" ")[0] == now.split(" ")[0]))
    return found


def choose(
    due: Sequence[Due],
    order: Sequence[str],
    *,
    busy: Collection[str],
    tries: Mapping[str, Tries],
    every: timedelta,
    now: datetime,
) -> Choice:
    """Choose what is launched now.

    Args:
        due: in their order.
        order: the keys of all partitions in the look-back.
        busy: partitions that a run which is not finished writes.
        tries: the failed refreshes of each partition that has any.
        every: the pause after the first failure; it doubles with each, up to a day.
        now: the present.
    """
    given_up = [each.key for each in due if (tried := tries.get(each.key)) and tried.same >= MOST_TRIES]
    # Also before its end: another machine's clock may be ahead.
    paused = {key for key, tried in tries.items() if abs(now - tried.ended) < _pause(tried, every)}
    paused -= {*busy, *given_up}
    left_out = {*busy, *given_up, *paused}
    counts = {key: tried.count for key, tried in tries.items()}
    free = [replace(each, tries=counts.get(each.key, 0)) for each in due if each.key not in left_out]
    moved, unknown = [each for each in free if each.is_known], [each for each in free if not each.is_known]
    taken = moved[:MOST_PARTITIONS]
    few = min(max(1, len(order) // _TURNS), MOST_PARTITIONS - len(taken))
    places = {key: place for place, key in enumerate(order)}
    taken = sorted([*taken, *unknown[:few]], key=lambda each: places[each.key])
    return Choice(
        _stretches(taken, places),
        windows=len(order),
        waiting=max(0, len(moved) - MOST_PARTITIONS),
        paused=sum(each.is_known and each.key in paused for each in due),
        given_up=given_up,
        unknown=len(unknown[few:]),
    )


def _pause(tried: Tries, every: timedelta) -> timedelta:
    doubled: timedelta = every * 2 ** min(tried.count - 1, 10)
    return min(_LONGEST_PAUSE, doubled)


def _stretches(taken: Sequence[Due], places: Mapping[str, int]) -> list[list[Due]]:
    """Partitions that follow each other together; one that failed before alone, so that it spoils no other run."""
    found: list[list[Due]] = []
    for each in taken:
        last = found[-1][-1] if found else None
        follows = last is not None and places[last.key] + 1 == places[each.key]
        if last is not None and follows and not last.tries and not each.tries:
            found[-1].append(each)
        else:
            found.append([each])
    return found
