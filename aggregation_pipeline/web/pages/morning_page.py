"""`/batches`: whether anything is wrong now, today, the last days, and the tables."""

from collections.abc import Mapping, Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from aggregation_pipeline.overview.batches import OPEN_BATCHES, Batch
from aggregation_pipeline.overview.concerns import WARNINGS
from aggregation_pipeline.overview.morning import Morning
from aggregation_pipeline.overview.table_lines import STATES
from aggregation_pipeline.overview.table_list import TableQuery, select_tables
from aggregation_pipeline.web.pages.charts import history
from aggregation_pipeline.web.pages.hours import grid
from aggregation_pipeline.web.pages.page import formats_for, show

# More are shown only to those who ask for all.
_CONCERNS: Final = 10
_MOST_CONCERNS: Final = 1000
_LONGEST: Final = 200
# The tables that such a concern is about are listed under this state.
_STATES_OF: Final = {
    "table_failed": "failed",
    "table_missed": "missed",
    "table_late": "late",
    "table_broken": "broken",
    "check_failed": "check_failed",
}
# In a field of the grid, for those who do not see its colour.
_SIGNS: Final = {"failed": "×", "open": "…", "skipped": "–", "other": "?"}


def show_morning(request: Request, morning: Morning) -> Response:
    """Return the page."""
    asked = request.query_params
    most = _MOST_CONCERNS if asked.get("concerns") == "all" else _CONCERNS
    warnings = sum(count for code, count in morning.concern_counts.items() if code in WARNINGS)
    wrong = sum(morning.concern_counts.values()) - warnings
    today = morning.days[-1].counts if morning.days else None
    query = table_query(asked)
    return show(
        request,
        "morning.html",
        formats_for(request, morning.zone, morning.at),
        age=max(age for part, age in morning.ages.items() if part != "history"),
        away=morning.away,
        verdict="bad" if wrong else "warn" if warnings or morning.away else "ok",
        wrong=wrong,
        warnings=warnings,
        warning_codes=WARNINGS,
        states_of=_STATES_OF,
        concern_counts=morning.concern_counts,
        concerns=morning.concerns[:most],
        concerns_left=max(0, len(morning.concerns) - most),
        today=today,
        running=_count(morning.open_batches, "in_progress"),
        queued=_count(morning.open_batches, "pending"),
        usual_rows=morning.usual_rows,
        next_tick=next((each for each in morning.schedules if not each.stopped), None),
        grid=morning.today and grid(morning.today, morning.at, whole=asked.get("hours") == "all"),
        signs=_SIGNS,
        history=history(morning.days, morning.usual_rows, morning.usual_seconds),
        days_from=morning.days_from,
        open_batches=morning.open_batches,
        most_open=OPEN_BATCHES,
        known={table.name for table in morning.tables},
        query=query,
        state_codes=STATES,
        listed=select_tables(morning.tables, query),
    )


def _count(batches: Sequence[Batch] | None, status: str) -> int | None:
    return None if batches is None else sum(batch.status == status for batch in batches)


def table_query(asked: Mapping[str, str]) -> TableQuery:
    """Return which tables a form asks for. What is no choice of the form is as if nothing was chosen."""
    page = asked.get("page", "")
    return TableQuery(
        text=asked.get("q", "").strip()[:_LONGEST] or None,
        state=next((state for state in STATES if state == asked.get("state")), None),
        owner=asked.get("owner", "")[:_LONGEST] or None,
        page=int(page) if page.isascii() and page.isdigit() and len(page) <= 6 else 1,
    )
