"""An entry's partitions as Dagster counts them, and the time range that is read for each partition key."""

import functools
import itertools
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

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

PERIODS = {"hour": "hourly", "day": "daily", "week": "weekly", "month": "monthly"}


def partitions_of(partition: Partition, zone: ZoneInfo) -> TimeWindowPartitionsDefinition:
    """Return the partitions of an entry. `zone` is the entry's own zone, or the project's.

    Raises:
        ConfigError: hours in a zone whose clock changes by half an hour: Dagster leaves a gap between its hours there.
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
            # By default, Dagster's weeks begin on Sunday.
            return WeeklyPartitionsDefinition(
                start, day_offset=WEEKDAYS[partition.week_start], timezone=timezone, end_offset=offset
            )
        case "month":
            return MonthlyPartitionsDefinition(start, timezone=timezone, end_offset=offset)


def _shifts_by_less_than_an_hour(zone: ZoneInfo, start: datetime) -> bool:
    """Whether the clock changes by a part of an hour after `start`: Lord Howe Island each year, Caracas in 2016."""
    import numpy as np

    from aggregation_pipeline.timezones.wall_clock import offsets_of

    offsets = offsets_of(zone)
    first = int(start.replace(tzinfo=zone).timestamp())
    seconds = [int(offsets.at(np.array([first]))[0]), *offsets.seconds[offsets.starts > first].tolist()]
    return any((after - before) % 3600 for before, after in itertools.pairwise(seconds))


def time_range_of(partition: Partition, definition: TimeWindowPartitionsDefinition, key: str) -> TimeRange:
    """Return the time range that is read for the partition `key`."""
    found = definition.time_window_for_partition_key(key)
    zone = ZoneInfo(partition.column_timezone or definition.timezone)
    return TimeRange(key, partition.column, found.start.astimezone(UTC), found.end.astimezone(UTC), zone)


def require_partition(table: str, definition: TimeWindowPartitionsDefinition, key: str) -> None:
    """Check that `key` is a partition of the table.

    Dagster does not: a run may be launched with any text as its tag, and it accepts dates in the far future.

    Raises:
        ConfigError: it is not; the message says how far the partitions go.
    """
    if not definition.has_partition_key(key):
        first, last = definition.get_first_partition_key(), definition.get_last_partition_key()
        known = f"its partitions go from {first} to {last}" if first else "none is complete yet"
        raise ConfigError(f"table {table!r} has no partition {key!r}: {known}")


def newest_complete(definition: TimeWindowPartitionsDefinition, moment: datetime) -> str | None:
    """Return the key of the newest partition that is complete at `moment`; None before the first.

    `partition.end_offset` shifts it by so many partitions.
    """
    with partition_loading_context(effective_dt=moment):
        return definition.get_last_partition_key()


def keys_between(table: str, definition: TimeWindowPartitionsDefinition, first: str, last: str) -> list[str]:
    """Return the partition keys from `first` to `last`, both included; a date stands for all partitions of that day.

    Raises:
        ConfigError: there is no such partition, or none between the two; the message shows what keys look like.
    """
    known = definition.get_partition_keys()
    if not known:
        raise ConfigError(f"table {table!r} has no complete partition yet")
    positions = []
    for given, end in ((first, 0), (last, -1)):
        matching = [position for position, key in enumerate(known) if key.startswith(given)]
        if not matching:
            raise ConfigError(
                f"table {table!r} has no partition {given!r}: its partitions go from {known[0]} to {known[-1]}"
            )
        positions.append(matching[end])
    keys = list(known[positions[0] : positions[1] + 1])
    if not keys:
        raise ConfigError(
            f"table {table!r}: no partition lies between {first} and {last}; the first has to come before the last"
        )
    return keys


def backfill_policy(backfill: Backfill) -> BackfillPolicy:
    """Return how many partitions Dagster puts into one run of a backfill."""
    count = backfill.partitions_per_run
    return BackfillPolicy.single_run() if count == "all" else BackfillPolicy.multi_run(max_partitions_per_run=count)


@functools.cache
def catch_up_condition(length: str) -> AutomationCondition[Any] | None:
    """Return the condition under which catch-up materializes a partition; None if the entry turns it off.

    The partition was missed within the last `length`, no run is in progress for it, and none has failed: a failure is
    for people to look at, not to be repeated. The newest partition belongs to the schedule.

    Partitions that exist when an asset is evaluated for the first time were not missed. A new deployment, or a table or
    format that is added later, begins with the schedule's next tick; a backfill fills what came before. Dagster keeps
    that first evaluation in the sensor's cursor, even if `length` changes.
    """
    if length == NONE:
        return None
    first_evaluation = AutomationCondition.initial_evaluation()
    missed = (
        # The condition that resets `since` is never true.
        ~first_evaluation.since(first_evaluation & ~first_evaluation)
        & AutomationCondition.in_latest_time_window(parse_duration(length))
        & ~AutomationCondition.in_latest_time_window()
        & AutomationCondition.missing()
        & ~AutomationCondition.in_progress()
        & ~AutomationCondition.execution_failed()
    )
    # The condition has to hold in two evaluations, half a minute apart. At the first one after a downtime, the schedule
    # may be about to launch the tick that it missed; after midnight, that tick's partition is no longer the newest.
    return (missed & ~missed.newly_true()).with_label("missed while the service was down")
