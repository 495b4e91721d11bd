"""Reading batch_jobs in pages, and its figures, at a cost that does not grow with the table.

Any program may have written a row, with any content.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta
from typing import Any, Final, Self, TypeAlias
from uuid import UUID

from aggregation_pipeline.errors import MirrorError

# How many rows one statement looks at for a page: where only columns are compared, and where `metadata` is opened.
_SCANNED_ROWS: Final = 20_000
_SCANNED_METADATA: Final = 1_000
# For so long the next rows are looked at while a page is not full.
_FILL_SECONDS: Final = 1.0
# So many of the newest rows the figures are about, at most.
FIGURES_ROWS: Final = 20_000
# No number that we write is longer, and Python refuses to read thousands of digits.
_DIGITS: Final = 300
# Positions are counted from here, and end there.
_BEGIN: Final = datetime(1, 1, 1, tzinfo=UTC)
_END: Final = datetime(9999, 12, 31, tzinfo=UTC)
_MOST: Final = (_END - _BEGIN) // timedelta(microseconds=1)
# What a position is as a text.
POSITION: Final = "^[0-9]{1,18}_[0-9a-f]{32}$"


@dataclass(frozen=True)
class PageFilter:
    """Which rows are wanted; None means any.

    Attributes:
        platform: only jobs that were to process this platform, and in it the table of the entry `entry`.
        since: the first moment of `created_at`.
        until: the moment before which it has to be.
        newest_only: whether only the newest 20,000 rows are looked at; then there is one page.
    """

    job_type: str | None = None
    statuses: tuple[str, ...] | None = None
    platform: str | None = None
    entry: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    newest_only: bool = False


@dataclass(frozen=True)
class Position:
    """A place among the rows, whose order is (created_at, id) from the newest on."""

    created_at: datetime
    id: UUID

    def to_text(self) -> str:
        """Return it as a short text: `<microseconds>_<id>`."""
        return f"{(self.created_at - _BEGIN) // timedelta(microseconds=1)}_{self.id.hex}"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read a text that matches POSITION."""
        microseconds, _, digits = text.partition("_")
        return cls(_BEGIN + timedelta(microseconds=min(int(microseconds), _MOST)), UUID(digits))


@dataclass(frozen=True)
class Page:
    """Rows, the newest first, as `page_queries.PAGE` returns them; and after which the next page begins, if any."""

    rows: Sequence[Mapping[str, Any]]
    end: Position | None


@dataclass(frozen=True)
class Figures:
    """What the newest rows of a job type say.

    Attributes:
        running: jobs that run now. A row of another program counts for a day: nobody ends it if that program is gone.
        queued: jobs that wait; likewise.
        completed: jobs since the moment that was asked for, as all that follow.
        avg_items: of completed jobs; None without one.
        avg_seconds: of completed jobs, from start to end; None without one.
        oldest: when the oldest of these jobs was created, which is later than asked for if there are very many.
    """

    running: int
    queued: int
    completed: int
    failed: int
    avg_items: float | None
    avg_seconds: float | None
    oldest: datetime | None


# Any JSON.
Json: TypeAlias = Any
# Asks PostgreSQL or Supabase for a page with these parameters; returns what `page_queries.PAGE` returns.
AskPage = Callable[[Mapping[str, Any]], Mapping[str, Any]]


def read_page(ask: AskPage, wanted: PageFilter, after: Position | None, limit: int) -> Page:
    """Return the page of at most `limit` rows that follows `after`.

    It has fewer, or none, although others follow, where none were found among many rows.

    Raises:
        MirrorError: batch_jobs cannot be read.
    """
    scan = limit + 1
    if wanted.statuses is not None:
        scan = _SCANNED_ROWS
    if wanted.platform is not None:
        scan = _SCANNED_METADATA
    rows: list[Mapping[str, Any]] = []
    began = time.monotonic()
    while True:
        most = limit + 1 - len(rows)
        found = ask(_parameters(wanted, after) | {"scan": scan, "most": most})
        rows += found["rows"]
        if len(rows) > limit:
            last = rows[limit - 1]
            return Page(rows[:limit], _position(last["created_at"], last["id"]))
        if found["scanned"] < scan or wanted.newest_only:
            return Page(rows, None)
        after = _position(*found["last"])
        if time.monotonic() > began + _FILL_SECONDS:
            return Page(rows, after)


def _parameters(wanted: PageFilter, after: Position | None) -> dict[str, Any]:
    return {
        "kind": wanted.job_type,
        "states": None if wanted.statuses is None else list(wanted.statuses),
        "platform": wanted.platform,
        "entry": wanted.entry,
        "since": wanted.since and wanted.since.isoformat(),
        "until": wanted.until and wanted.until.isoformat(),
        "before_at": after and after.created_at.isoformat(),
        "before_id": after and str(after.id),
    }


def _position(created_at: str, row_id: str) -> Position:
    return Position(datetime.fromisoformat(created_at), UUID(row_id))


def figures_of(found: Mapping[str, Any]) -> Figures:
    """Make the figures of what `page_queries.FIGURES` returns."""
    counts = {name: int(found[name]) for name in ("running", "queued", "completed", "failed")}
    items, seconds = (found[name] for name in ("avg_items", "avg_seconds"))
    return Figures(
        **counts,
        avg_items=None if items is None else float(items),
        avg_seconds=None if seconds is None else float(seconds),
        oldest=moment(found["oldest"]),
    )


def moment(text: object) -> datetime | None:
    """Read a moment of PostgreSQL's; None for one that Python has none for: infinity, or beyond the year 9999.

    None also in the years 1 and 9999: at their ends some zones' clocks have no time for it.
    """
    with suppress(ValueError):
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
        return found if found and MINYEAR < found.year < MAXYEAR else None
    return None


def read_json(text: str | bytes) -> Json:
    """Read JSON of PostgreSQL's, whose numbers may have any size: one that is too long is None.

    Raises:
        MirrorError: it is nested too deeply to be read.
    """
    try:
        return json.loads(text, parse_int=_integer, parse_float=_finite)
    except RecursionError:
        raise MirrorError("batch_jobs holds metadata that is nested too deeply to be shown") from None


def _integer(digits: str) -> int | None:
    return int(digits) if len(digits) <= _DIGITS else None


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if abs(number) != float("inf") else None
