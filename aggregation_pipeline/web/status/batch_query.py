"""Which batches `GET /status` lists: its query, and what that means for batch_jobs."""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from aggregation_pipeline.batch_jobs.pages import POSITION, PageFilter, Position
from aggregation_pipeline.overview.snapshot import NEWEST_BATCHES
from aggregation_pipeline.web.common.answers import NAME

_DATE: Final = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
# The types of all programs.
_ANY_TYPE: Final = "*"


def _read_moment(value: object) -> object:
    """A date stays a date: pydantic would make midnight of it."""
    if not isinstance(value, str):
        return value
    return date.fromisoformat(value) if _DATE.fullmatch(value) else datetime.fromisoformat(value)


_Moment = Annotated[datetime | date, BeforeValidator(_read_moment)]


class BatchQuery(BaseModel):
    """The query of `GET /status`. Without any of it, the newest batches of BATCH_JOB_TYPE are listed."""

    model_config = ConfigDict(populate_by_name=True)

    status: Literal["pending", "in_progress", "completed", "failed"] | None = Field(
        None, description="Only batches with this status."
    )
    table: str | None = Field(
        None, min_length=1, max_length=200, pattern=NAME, description="Only batches that were to process this table."
    )
    job_type: str | None = Field(
        None,
        alias="jobType",
        min_length=1,
        max_length=50,
        pattern=NAME,
        description="Only batches of this type; `*` for all types. Without it, BATCH_JOB_TYPE.",
    )
    since: _Moment | None = Field(
        None, alias="from", description="Only batches created since this day of TIMEZONE, or this moment."
    )
    to: _Moment | None = Field(
        None, description="Only batches created until the end of this day of TIMEZONE, or before this moment."
    )
    limit: int = Field(NEWEST_BATCHES, ge=1, le=100, description="How many batches at most.")
    cursor: str | None = Field(None, pattern=POSITION, description="`batches.next` of the page before.")

    @property
    def is_default(self) -> bool:
        """Whether it asks for the first page of what is listed by default."""
        return self == BatchQuery()

    @property
    def after(self) -> Position | None:
        """After which row the page begins."""
        return None if self.cursor is None else Position.from_text(self.cursor)

    def page_filter(self, job_type: str, zone: ZoneInfo, platforms: Mapping[str, str]) -> PageFilter:
        """Return which rows are meant.

        Args:
            job_type: the type of this deployment's rows.
            zone: of days.
            platforms: by table, its platform. Any other table is one that has left the configuration.
        """
        kind = self.job_type or job_type
        return PageFilter(
            job_type=None if kind == _ANY_TYPE else kind,
            statuses=None if self.status is None else (self.status,),
            platform=None if self.table is None else platforms.get(self.table, self.table),
            entry=self.table,
            since=_utc(self.since, zone, days=0),
            until=_utc(self.to, zone, days=1),
        )


def _utc(moment: date | datetime | None, zone: ZoneInfo, *, days: int) -> datetime | None:
    """The moment, or the beginning of the day that comes `days` later; None where no row can be beyond it."""
    if moment is None:
        return None
    with suppress(OverflowError):
        if not isinstance(moment, datetime):
            moment = datetime.combine(moment + timedelta(days=days), time.min)
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    return datetime.min.replace(tzinfo=UTC) if moment.year == 1 else datetime.max.replace(tzinfo=UTC)
