"""The SQL condition that a row belongs to a partition, on the bare column, so that an index can be used.

A timestamp with time zone is an instant and is compared as one. A date is a day of the calendar and belongs to the
range of that day, whatever the clocks do on it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from aggregation_pipeline.config.messages.suggestions import did_you_mean
from aggregation_pipeline.config.sql.postgresql import POSTGRESQL
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.postgresql.session import SourceColumn
from aggregation_pipeline.source.time_range import TimeRange, wall_time

# Types of a column that a table can be partitioned by.
TIME_TYPES: Final = ("date", "timestamp", "timestamptz")


def partition_condition(
    entry: TableEntry, partition: TimeRange | None, columns: Mapping[str, SourceColumn]
) -> str | None:
    """Return the condition; None reads the whole table.

    Args:
        entry: whose table is read.
        partition: the rows that are wanted; None for all.
        columns: of the entry's table, by name.

    Raises:
        SourceError: the partition's column is not in the table, holds no time, or holds days where hours are asked for.
    """
    # Without columns there is no such table: the server says that itself, when it is asked about the query.
    if partition is None or not columns:
        return None
    name = partition.column
    found = columns.get(name)
    if found is None or found.type not in TIME_TYPES:
        what = f"is of the type {found.full_type}" if found else f"is not in it; its columns are {', '.join(columns)}"
        hint = "" if found else did_you_mean(name, columns)
        raise SourceError(
            f"partition.column: a date, a timestamp or a timestamp with time zone of {entry.table} is expected, and"
            f" {name} {what}.{hint} Correct the entry."
        )
    if found.type == "date":
        _refuse_hours_of_days(entry)
    column = f"{POSTGRESQL.quote(entry.source_table.name)}.{POSTGRESQL.quote(name)}"
    start, end = (_literal(found.type, moment, partition) for moment in (partition.start, partition.end))
    return f"{column} >= {start} AND {column} < {end}"


def _literal(kind: str, moment: datetime, partition: TimeRange) -> str:
    if kind == "timestamptz":
        return f"TIMESTAMPTZ '{moment.astimezone(UTC).isoformat(sep=' ')}'"
    if kind == "date":
        return POSTGRESQL.literal("date", moment.astimezone(partition.column_zone).date().isoformat())
    return POSTGRESQL.literal("datetime", wall_time(moment, partition.column_zone).isoformat(sep=" "))


def _refuse_hours_of_days(entry: TableEntry) -> None:
    partition = entry.partition
    if partition is not None and partition.every == "hour":
        raise SourceError(
            f"partition.every: {partition.column} is a date, and a day has no hours: all its rows would lie in the"
            " first. Write every: day, or name a timestamp."
        )
    if partition is not None and partition.column_timezone is not None:
        raise SourceError(
            f"partition.column_timezone: {partition.column} is a date, a day of the calendar, which is the same in"
            " every zone. Leave column_timezone out; it is for timestamps without time zone."
        )
