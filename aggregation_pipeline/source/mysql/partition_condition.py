"""The SQL condition that a row belongs to a partition, on the bare column, so that an index can be used.

A TIMESTAMP is an instant and is compared as one. A DATE is a day of the calendar and belongs to the range of that day,
whatever the clocks do on it.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Final

from aggregation_pipeline.config.messages.suggestions import did_you_mean
from aggregation_pipeline.config.sql.tokens import quote
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.clock import Clock
from aggregation_pipeline.source.mysql.session import SourceColumn
from aggregation_pipeline.source.time_range import TimeRange, wall_time

# Types of a column that a table can be partitioned by.
TIME_TYPES: Final = ("date", "datetime", "timestamp")
_DAY: Final = timedelta(days=1)


def partition_condition(
    entry: TableEntry, partition: TimeRange | None, columns: Mapping[str, SourceColumn], clock: Clock
) -> str | None:
    """Return the condition for a session with this clock; None reads the whole table.

    Args:
        entry: whose table is read.
        partition: the rows that are wanted; None for all.
        columns: of the entry's table, by name.
        clock: of the session that reads.

    Raises:
        SourceError: the partition's column is not in the table, holds no time, or holds days where hours are asked for.
    """
    # Without columns there is no such table: the server says that itself, when it is asked about the query.
    if partition is None or not columns:
        return None
    name = partition.column
    found = next((column for column in columns.values() if column.name.casefold() == name.casefold()), None)
    if found is None or found.type not in TIME_TYPES:
        what = (
            f"is of the type {found.type.upper()}" if found else f"is not in it; its columns are {', '.join(columns)}"
        )
        hint = "" if found else did_you_mean(name, columns)
        raise SourceError(
            f"partition.column: a DATE, DATETIME or TIMESTAMP of {entry.table} is expected, and {name} {what}.{hint}"
            " Correct the entry."
        )
    if found.type == "date":
        _refuse_hours_of_days(entry)
    return time_range_condition(partition, entry.source_table.name, found.type, clock)


def time_range_condition(time_range: TimeRange, table: str, column_type: str, clock: Clock) -> str:
    """Return the condition that a row's time lies in a range.

    Args:
        time_range: the range and the column of time.
        table: the source table's bare name; it keeps an alias in the SELECT from taking the column's place.
        column_type: one of `TIME_TYPES`.
        clock: of the session that reads.
    """
    column = f"{quote(table)}.{quote(time_range.column)}"
    limits = (time_range.start, time_range.end)
    if column_type == "timestamp":
        return _instants_between(column, *limits, clock)
    if column_type == "date":
        first, end = (moment.astimezone(time_range.column_zone).date() for moment in limits)
        return f"{column} >= '{first.isoformat()}' AND {column} < '{end.isoformat()}'"
    return _between(column, *(wall_time(moment, time_range.column_zone) for moment in limits))


def _instants_between(column: str, start: datetime, end: datetime, clock: Clock) -> str:
    if clock.offset_seconds is not None:
        fixed = timezone(timedelta(seconds=clock.offset_seconds))
        return _between(column, *(moment.astimezone(fixed).replace(tzinfo=None) for moment in (start, end)))
    # In the hour that comes twice a text is no instant. So seconds are compared, and the range of texts, a day wider at
    # both ends, is there for the index. The range is made of times that the zone's clock has really shown.
    wide = _between(
        column, *(moment.astimezone(clock.zone).replace(tzinfo=None) for moment in (start - _DAY, end + _DAY))
    )
    first, last = int(start.timestamp()), int(end.timestamp())
    return f"UNIX_TIMESTAMP({column}) >= {first} AND UNIX_TIMESTAMP({column}) < {last} AND {wide}"


def _between(column: str, start: datetime, end: datetime) -> str:
    return f"{column} >= '{_literal(start)}' AND {column} < '{_literal(end)}'"


def _literal(moment: datetime) -> str:
    return moment.isoformat(sep=" ", timespec="seconds")


def _refuse_hours_of_days(entry: TableEntry) -> None:
    partition = entry.partition
    if partition is not None and partition.every == "hour":
        raise SourceError(
            f"partition.every: {partition.column} is a DATE, and a day has no hours: all its rows would lie in the"
            " first. Write every: day, or name a DATETIME or TIMESTAMP column."
        )
    if partition is not None and partition.column_timezone is not None:
        raise SourceError(
            f"partition.column_timezone: {partition.column} is a DATE, a day of the calendar, which is the same in"
            " every zone. Leave column_timezone out; it is for DATETIME columns."
        )
