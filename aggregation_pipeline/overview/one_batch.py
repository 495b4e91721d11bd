"""One batch, with all that is known of it, and what differs from the batch before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from aggregation_pipeline.overview.batches import Batch, BatchDetail
from aggregation_pipeline.overview.run_detail import RunDetail


@dataclass(frozen=True)
class TableInBatch:
    """A table of a batch, as its row says.

    Attributes:
        table: the name of its entry; of other programs, of their platform.
        status: completed, failed, skipped, in_progress or pending.
        rows: of both datasets.
        seconds: of all windows. What the stages leave of it is waiting for the window's lock, and checks.
        stages: seconds by stage, in their order: read, render, publish. Empty if unknown.
        bytes: of its files.
        files: how many files.
    """

    table: str
    platform: str
    status: str | None
    windows: int | None
    planned_windows: int | None
    rows: int | None
    seconds: float | None
    stages: Mapping[str, float]
    bytes: int | None
    files: int | None


@dataclass(frozen=True)
class Change:
    """A figure, and what it was before; either may be unknown."""

    now: float | None
    before: float | None

    @property
    def ratio(self) -> float | None:
        """How many times as much as before; None where that has no meaning."""
        return self.now / self.before if self.before and self.now is not None else None


@dataclass(frozen=True)
class TableChange:
    """What changed for one table. `status` is (now, before); rows, bytes and seconds are as in TableInBatch."""

    table: str
    status: tuple[str | None, str | None]
    rows: Change
    bytes: Change
    seconds: Change


@dataclass(frozen=True)
class Difference:
    """What differs from the batch before.

    Attributes:
        before: that batch: of the 20 before this one that have ended and share a table with it, the newest of those
            whose tables are most alike.
        rows: of the whole batch, as all that follow.
        bytes: of all files.
        seconds: from start to end.
        tables: of those in both batches whose figures or status differ, in the order of this batch.
        came: tables that only this batch has.
        went: tables that only the batch before has.
    """

    before: Batch
    rows: Change
    bytes: Change
    seconds: Change
    tables: Sequence[TableChange]
    came: Sequence[str]
    went: Sequence[str]


@dataclass(frozen=True)
class OneBatch:
    """A batch.

    Attributes:
        id: as it was asked for.
        detail: its row, with files and errors; None while batch_jobs cannot be read. `detail.batch.run_id` is for links
            into Dagster; only if `detail.batch.deployment` is this deployment does Dagster's UI here know the run.
        tables: what it did for each table; of a row without our metadata, one for each of `platforms_processed`.
        run: what Dagster's events say: stages of each window, with the moment at which it was published, and checks.
            None if Dagster could not be read.
        difference: None for the first batch of these tables, and while the batch has not ended.
    """

    id: UUID
    detail: BatchDetail | None
    tables: Sequence[TableInBatch]
    run: RunDetail | None
    difference: Difference | None
