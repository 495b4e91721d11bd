"""Which tables run together: one job, and one schedule, for each distinct (times, partitioning).

A job over assets with different partitions cannot be launched, and one over partitioned and other assets fails in the middle when
it is launched without a partition: tables that differ in either belong in different jobs.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from dagster import TimeWindowPartitionsDefinition

from aggregation_pipeline.assets.execution import TableJob
from aggregation_pipeline.assets.partitions import PERIODS

AGGREGATE_JOB = "aggregate"
_WEEKDAYS = ("sundays", "mondays", "tuesdays", "wednesdays", "thursdays", "fridays", "saturdays", "sundays")


@dataclass(frozen=True)
class Group:
    """Tables that one job computes. `crons` is empty where nothing but people start it; `partitions` None for tables taken whole."""

    name: str
    tables: tuple[TableJob, ...]
    crons: tuple[str, ...]
    zone: ZoneInfo
    partitions: TimeWindowPartitionsDefinition | None


def group_tables(tables: Sequence[TableJob], *, cron: str, zone: ZoneInfo) -> tuple[Group, ...]:
    """Return the groups, in the order of their first tables; those of the global `cron` and `zone` without partitions are `aggregate`."""
    found: dict[tuple[object, ...], list[TableJob]] = {}
    for table in tables:
        partitioning = table.partitions and table.partitions.get_serializable_unique_identifier()
        found.setdefault((table.crons, table.zone.key if table.crons else None, partitioning), []).append(table)
    names = [_name(members[0], cron, zone) for members in found.values()]
    counted = Counter(names)
    return tuple(
        Group(
            name if counted[name] == 1 else f"{name}_{hashlib.sha256(repr(identity).encode()).hexdigest()[:6]}",
            tuple(members),
            members[0].crons,
            members[0].zone,
            members[0].partitions,
        )
        for name, (identity, members) in zip(names, found.items(), strict=True)
    )


def _name(table: TableJob, cron: str, zone: ZoneInfo) -> str:
    """What the job does, in words: `aggregate_daily_at_0200`."""
    partition = table.entry.partition
    if partition is None and table.crons == (cron,) and table.zone == zone:
        return AGGREGATE_JOB
    parts = [AGGREGATE_JOB, *([f"{PERIODS[partition.every]}_partitions"] if partition else []), *(map(cron_words, table.crons))]
    if not table.crons:
        parts.append("by_hand")
    elif table.zone != zone:
        parts.append(re.sub(r"\W", "_", table.zone.key))
    return "_".join(parts)


def cron_words(cron: str) -> str:
    """Say when a cron of five fields ticks, as part of a name: `at_0200`, `mondays_at_0600`, `every_5_minutes`."""
    minute, hour, day, month, weekday = cron.split()
    every = re.fullmatch(r"\*/(\d+)", minute)
    words = re.sub(r"\W+", "_", cron.replace("*", "x")).strip("_")
    if minute.isdigit() and hour.isdigit() and month == "*" and "*" in (day, weekday):
        at = f"at_{int(hour):02}{int(minute):02}"
        if day == weekday:
            words = at
        elif weekday.isdigit():
            words = f"{_WEEKDAYS[int(weekday)]}_{at}"
        elif day.isdigit():
            words = f"day_{day}_{at}"
    elif (hour, day, month, weekday) == ("*",) * 4:
        if minute.isdigit():
            words = f"hourly_at_{int(minute):02}"
        elif minute == "*":
            words = "every_minute"
        elif every:
            words = f"every_{every[1]}_minutes"
    return words
