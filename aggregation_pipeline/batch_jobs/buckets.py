"""What batches did in each of some spans of time, such as days or hours: all of them, and each table's part of them.

Which row counts for which table: ours say so in `metadata.results`; a row of another program counts for each of its
`platforms_processed`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from aggregation_pipeline.batch_jobs.pages import moment

# So many of the newest rows are looked at, at most.
BUCKET_ROWS: Final = 100_000
# For so long PostgreSQL may work on one question.
BUCKETS_MS: Final = 20_000


@dataclass(frozen=True)
class Counts:
    """Batches, or the parts of batches that belong to one table, that were created in a time.

    Attributes:
        skipped: of a table only: its batch ended without it.
        open: those that run or wait.
        other: with a status of another program's.
        rows: of both datasets, of those that have ended. `total_items` where a row has no more exact number.
        seconds: of batches, from start to end, of those that have ended. Of a table, of its windows.
        bytes: of a table only, of its files; 0 for rows of other programs, which do not say.
    """

    completed: int = 0
    failed: int = 0
    skipped: int = 0
    open: int = 0
    other: int = 0
    rows: int = 0
    seconds: float = 0.0
    bytes: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.completed + self.failed + self.skipped + self.open + self.other


NO_COUNTS: Final = Counts()


@dataclass(frozen=True)
class NewestPart:
    """The newest batch of a table that has ended.

    Attributes:
        status: completed, failed, or skipped; failed also where the batch failed before it came to the table.
        ended_at: when it ended; None for a moment that Python has none for.
        error: why it failed.
    """

    id: str
    status: str
    created_at: datetime
    ended_at: datetime | None
    error: str | None


@dataclass(frozen=True)
class Buckets:
    """What was found; times are by their index, those without a batch are missing.

    Attributes:
        totals: of batches.
        tables: by table, of its parts.
        newest: by table.
        oldest: from when on rows were looked at, where there were too many; None where all were.
    """

    totals: Mapping[int, Counts]
    tables: Mapping[str, Mapping[int, Counts]]
    newest: Mapping[str, NewestPart]
    oldest: datetime | None


def parameters_of(job_type: str, deployment: str, bounds: Sequence[datetime]) -> dict[str, Any]:
    """Return what the query is asked with. Times go from each of `bounds` to the next; there are two at least."""
    return {
        "kind": job_type,
        "deployment": deployment,
        "bounds": [bound.isoformat() for bound in bounds],
        "scan": BUCKET_ROWS,
    }


def buckets_of(found: Mapping[str, Any]) -> Buckets:
    """Make the buckets of what the query, or Supabase's function, has answered."""
    tables: dict[str, dict[int, Counts]] = {}
    for name, bucket, *figures in found["tables"]:
        tables.setdefault(name, {})[bucket - 1] = _counts(figures)
    return Buckets(
        totals={bucket - 1: _counts(figures) for bucket, *figures in found["totals"]},
        tables=tables,
        newest={
            name: NewestPart(row_id, status, created, moment(ended), error)
            for name, row_id, status, created_at, ended, error in found["newest"]
            if (created := moment(created_at)) is not None
        },
        oldest=moment(found["oldest"]),
    )


def _counts(figures: Sequence[Any]) -> Counts:
    completed, failed, skipped, unfinished, other, rows, seconds, size = figures
    return Counts(completed, failed, skipped, unfinished, other, _whole(rows), _length(seconds), _whole(size))


def _whole(number: float | None) -> int:
    # No more than a bigint holds: sums of greater ones no float holds, and pages write numbers as floats.
    return max(0, int(min(number or 0, 2**63 - 1)))


def _length(seconds: float | None) -> float:
    # A whole number may be too great for a float.
    return round(float(max(0, min(seconds, 1e12))), 3) if seconds else 0.0
