"""An entry's partitions as Dagster counts them, and a partition key as the window of time that is read."""

import itertools
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from dagster import (
    AutomationCondition,
    BackfillPolicy,
    DailyPartitionsDefinition,
    HourlyPartitionsDefinition,
    MonthlyPartitionsDefinition,
    TimeWindowPartitionsDefinition,
    WeeklyPartitionsDefinition,
    partition_loading_context,
)

from aggregation_pipeline.config.durations import NONE, parse_duration
from aggregation_pipeline.config.partitions import WEEKDAYS, Backfill, Partition
from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline.source.time_range import TimeRange
from aggregation_pipeline.timezones.wall_clock import offsets_of

PERIODS = {"hour": "hourly", "day": "daily", "week": "weekly", "month": "monthly"}


def partitions_of(partition: Partition, zone: ZoneInfo) -> TimeWindowPartitionsDefinition:
    """Return the partitions of an entry whose own zone, or the project's, is `zone`.

    Raises:
        ConfigError: hours in a zone whose clock is put forward by half an hour: Dagster's hours have a gap there.
    """
    timezone = partition.timezone or zone.key
    if partition.every == "hour" and _shifts_by_less_than_an_hour(ZoneInfo(timezone), partition.start_local):
        raise ConfigError(
            f"partition.timezone: every: hour leaves out a part of an hour of rows in {timezone} on a day when its"
            " clock is put forward by half an hour or so. Take hours of another zone, such as UTC, or every: day"
        )
    start, offset = partition.start_local, partition.end_offset
    match partition.every:
        case "hour":
            return HourlyPartitionsDefinition(start, timezone=timezone, end_offset=offset)
        case "day":
            return DailyPartitionsDefinition(start, timezone=timezone, end_offset=offset)
        case "week":
            # Dagster's weeks begin on Sunday unless it is told.
            return WeeklyPartitionsDefinition(
                start, day_offset=WEEKDAYS[partition.week_start], timezone=timezone, end_offset=offset
            )
        case "month":
            return MonthlyPartitionsDefinition(start, timezone=timezone, end_offset=offset)


def _shifts_by_less_than_an_hour(zone: ZoneInfo, start: datetime) -> bool:
    """Whether the clock is changed by a part of an hour after `start`, as on Lord Howe Island each year, or in Caracas
    in 2016.
    """
    offsets = offsets_of(zone)
    first = int(start.replace(tzinfo=zone).timestamp())
    seconds = [int(offsets.at(np.array([first]))[0]), *offsets.seconds[offsets.starts > first].tolist()]
    return any((after - before) % 3600 for before, after in itertools.pairwise(seconds))


def window_of(partition: Partition, definition: TimeWindowPartitionsDefinition, key: str) -> TimeRange:
    """Return what the partition `key` reads."""
    found = definition.time_window_for_partition_key(key)
    zone = ZoneInfo(partition.column_timezone or definition.timezone)
    return TimeRange(key, partition.column, found.start.astimezone(UTC), found.end.astimezone(UTC), zone)


def require_partition(table: str, definition: TimeWindowPartitionsDefinition, key: str) -> None:
    """Refuse a key of no partition: a run may be launched with any text as its tag, and Dagster takes a date of years
    to come for one.

    Raises:
        ConfigError: the message says how far the partitions go.
    """
    if not definition.has_partition_key(key):
        first, last = definition.get_first_partition_key(), definition.get_last_partition_key()
        known = f"its partitions go from {first} to {last}" if first else "none is complete yet"
        raise ConfigError(f"table {table!r} has no partition {key!r}: {known}")


def newest_complete(definition: TimeWindowPartitionsDefinition, moment: datetime) -> str | None:
    """Return the key of the newest partition that is over at `moment` (earlier or later by end_offset); None before the
    first.
    """
    with partition_loading_context(effective_dt=moment):
        return definition.get_last_partition_key()


def keys_between(table: str, definition: TimeWindowPartitionsDefinition, first: str, last: str) -> list[str]:
    """Return the partition keys from `first` to `last`, both included; a date stands for all partitions of that day.

    Raises:
        ConfigError: no partition lies there, or none of that name; the message shows what keys look like.
    """
    known = definition.get_partition_keys()
    if not known:
        raise ConfigError(f"table {table!r} has no complete partition yet")
    low = next((position for position, key in enumerate(known) if key.startswith(first)), None)
    high = next((position for position, key in reversed(list(enumerate(known))) if key.startswith(last)), None)
    for given, position in ((first, low), (last, high)):
        if position is None:
            raise ConfigError(
                f"table {table!r} has no partition {given!r}: its partitions go from {known[0]} to {known[-1]}"
            )
    chosen = list(known[low : (high or 0) + 1])
    if not chosen:
        raise ConfigError(
            f"table {table!r}: no partition lies between {first} and {last}; the first has to come before the last"
        )
    return chosen


def backfill_policy(backfill: Backfill) -> BackfillPolicy:
    """Return how many partitions one run of a backfill takes."""
    each = backfill.partitions_per_run
    return BackfillPolicy.single_run() if each == "all" else BackfillPolicy.multi_run(max_partitions_per_run=each)


def catch_up_condition(length: str) -> AutomationCondition[Any] | None:
    """Return when a partition is made good: missed within `length`, and nobody is at it or has failed at it.

    The newest belongs to the schedule; one that failed is for people to look at, not to be hammered. Those that are
    there when an asset is looked at for the first time were not missed: a new deployment, or a table or format that
    comes later, begins with the schedule's next tick. What came before is filled by a backfill, when somebody asks for
    it. Dagster's storage remembers that first look in the sensor's cursor, whatever becomes of `length`.
    """
    if length == NONE:
        return None
    first_look = AutomationCondition.initial_evaluation()
    missed = (
        ~first_look.since(first_look & ~first_look)  # never over
        & AutomationCondition.in_latest_time_window(parse_duration(length))
        & ~AutomationCondition.in_latest_time_window()
        & AutomationCondition.missing()
        & ~AutomationCondition.in_progress()
        & ~AutomationCondition.execution_failed()
    )
    # Looked at twice, half a minute apart: at the first look after a downtime the schedule may be about to launch the
    # tick that it missed, and after midnight that one does not stand for the newest any more.
    return (missed & ~missed.newly_true()).with_label("missed while the service was down")
