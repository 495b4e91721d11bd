"""Each table of the deployment, in one line."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

# How a table is, in one word; the first that holds.
TableStateCode = Literal["failed", "missed", "late", "broken", "check_failed", "running", "unknown", "never", "ok"]
STATES: Final[tuple[TableStateCode, ...]] = (
    "failed",
    "missed",
    "late",
    "broken",
    "check_failed",
    "running",
    "unknown",
    "never",
    "ok",
)


@dataclass(frozen=True)
class LastBatch:
    """The newest batch of a table that has ended, of any program.

    Attributes:
        status: of the table in it: completed, failed or skipped.
        at: when it ended, else when it was created.
        error: why the table failed, with the remedy.
    """

    id: str
    status: str
    at: datetime
    error: str | None


@dataclass(frozen=True)
class TableLine:
    """One table.

    Attributes:
        state: failed (its newest ended batch has), missed (a tick of its schedule), late (by its freshness), broken
            (its entry cannot be used), check_failed (an error, no warning), running, unknown (batch_jobs is away, and
            Dagster says nothing), never (nothing was published yet), ok.
        owners: e-mail addresses or team:name.
        newest_window: the newest window that was ever published; None before the first.
        published_at: when it was last published, whichever window that was, in UTC.
        age_seconds: since then.
        late_after_seconds: at which age it is late by `freshness`; None where nothing says.
        late: None where nothing says, or nothing was published yet.
        missed_at: the newest tick of its schedule if that was missed, in UTC.
        missed_window: the partition that it should have published.
        rows: rows by dataset (summary, detail) of what was published last; a dataset that is unknown is missing.
        running: whether a batch of it runs or waits.
        last: None before the first within DAYS, and while batch_jobs is not known.
        failed_checks: how many checks failed when they were last evaluated, as errors.
        warned_checks: the same, as warnings.
        schedule: the name of its schedule; None for a table that only people start.
        next_tick: in the schedule's zone; None without a schedule, and for a stopped one.
        stopped: whether somebody has stopped its schedule.
    """

    name: str
    platform: str
    owners: tuple[str, ...]
    group: str | None
    state: TableStateCode
    newest_window: str | None
    published_at: datetime | None
    age_seconds: float | None
    late_after_seconds: float | None
    late: bool | None
    missed_at: datetime | None
    missed_window: str | None
    rows: Mapping[str, int]
    running: bool
    last: LastBatch | None
    failed_checks: int
    warned_checks: int
    schedule: str | None
    next_tick: datetime | None
    stopped: bool
