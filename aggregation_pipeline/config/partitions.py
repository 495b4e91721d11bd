"""How a table is divided into windows of time, and how many of them one run of a backfill computes."""

from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import Field, field_validator

from aggregation_pipeline.config.base_model import ConfigModel
from aggregation_pipeline.config.sql.expressions import is_plain_word, output_name, read_column
from aggregation_pipeline.timezones.names import ZoneName

Every = Literal["hour", "day", "week", "month"]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
# Dagster's numbers of the days.
WEEKDAYS: Final = {"sunday": 0, "monday": 1, "tuesday": 2, "wednesday": 3, "thursday": 4, "friday": 5, "saturday": 6}


class Partition(ConfigModel):
    """`partition: {column: created_at, every: day, start: 2026-01-01}`: one window a day, each with its own files."""

    column: str
    """The column that decides to which window a row belongs: DATE, DATETIME or TIMESTAMP. It should have an index."""
    every: Every
    """The length of a window: an hour, a day, a week or a month of the calendar."""
    start: str
    """When the first window begins: 2026-01-01, or 2026-01-01T06:00 for hours. For weeks and months it is the first one
    that begins then or later.
    """
    end_offset: Annotated[int, Field(ge=-1000, le=1000)] = 0
    """How many windows to add after the last complete one: 1 adds the current window, -1 leaves out the newest one."""
    timezone: ZoneName | None = None
    """The time zone in which windows begin and end. Default: the table's timezone, else TIMEZONE."""
    column_timezone: ZoneName | None = None
    """The time zone of the values in a DATETIME column, such as UTC. Default: that of the windows. A TIMESTAMP needs
    none.
    """
    week_start: Weekday = "monday"
    """The first day of a week."""

    @field_validator("column")
    @classmethod
    def _is_a_bare_column(cls, column: str) -> str:
        expression = read_column(column, "field")
        if not is_plain_word(expression) and output_name(expression) == expression:
            raise ValueError(
                "a column by its name is expected, not an expression: the server could use no index for one"
            )
        return output_name(expression)

    @field_validator("start")
    @classmethod
    def _start_is_a_moment(cls, start: str) -> str:
        try:
            moment = datetime.fromisoformat(start.strip())
        except ValueError:
            raise ValueError("a date such as 2026-01-01, or 2026-01-01T06:00, is expected") from None
        if moment.tzinfo is not None:
            raise ValueError("a local time is expected; its zone is given by timezone")
        if moment.minute or moment.second or moment.microsecond:
            raise ValueError("a full hour is expected")
        return moment.isoformat(timespec="minutes")

    @property
    def start_local(self) -> datetime:
        """`start` as a datetime without a time zone."""
        return datetime.fromisoformat(self.start)


class Backfill(ConfigModel):
    """`backfill: {partitions_per_run: 31}`."""

    partitions_per_run: Annotated[int, Field(ge=1, le=10_000)] | Literal["all"] = 31
    """How many windows one run of a backfill computes, one after the other in one process. all: one run for all."""
