"""`/batches/days/{day}`: the batches of one day."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response

from aggregation_pipeline.batch_jobs.pages import POSITION, Position
from aggregation_pipeline.overview.batches import BatchPage
from aggregation_pipeline.web.pages.page import formats_for, show

STATUSES: Final = ("failed", "completed", "in_progress", "pending")
# Days beyond these have no batches, and clocks may have no such moments.
_FIRST, _LAST = date(2000, 1, 1), date(2199, 12, 31)


@dataclass(frozen=True)
class DayQuery:
    """Which batches of a day are wanted; None means any. `after`: those that follow this one."""

    day: date
    status: str | None
    table: str | None
    after: Position | None

    @classmethod
    def of(cls, day: str, asked: Mapping[str, str]) -> "DayQuery | None":
        """Read it; None if there is no such day. What is no choice of the form is as if nothing was chosen."""
        try:
            found = date.fromisoformat(day)
        except ValueError:
            return None
        if not _FIRST <= found <= _LAST:
            return None
        status, cursor = asked.get("status"), asked.get("cursor", "")
        return cls(
            found,
            status if status in STATUSES else None,
            asked.get("table", "")[:200] or None,
            Position.from_text(cursor) if re.fullmatch(POSITION, cursor, re.ASCII) else None,
        )


def show_day(request: Request, query: DayQuery, page: BatchPage, zone: ZoneInfo) -> Response:
    """Return the page."""
    one = timedelta(days=1)
    return show(
        request,
        "day.html",
        formats_for(request, zone),
        query=query,
        statuses=STATUSES,
        batches=page.batches,
        more=page.end and page.end.to_text(),
        before=query.day - one,
        after=query.day + one,
    )
