"""One batch, with all that is known of it, and what differs from the batch before."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from aggregation_pipeline.batch_jobs.browse import JobRow, RowFilter
from aggregation_pipeline.batch_jobs.pages import PageFilter, Position
from aggregation_pipeline.batch_jobs.repository import BatchJobRepository
from aggregation_pipeline.overview import values
from aggregation_pipeline.overview.batches import MOST_TABLES, Batch, BatchDetail, listed_batch, whole_batch
from aggregation_pipeline.overview.run_detail import RunDetail
from aggregation_pipeline.runs.model import STAGES

# So many batches before one are looked at, to find the one that it is compared with.
_BEFORE: Final = 20
_ENDED: Final = ("completed", "failed")


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
        detail: its row, with files and errors; None while batch_jobs cannot be read, and where Dagster knows a run that
            has no row yet. `detail.batch.run_id` is for links into Dagster; only if `detail.batch.deployment` is this
            deployment does Dagster's UI here know the run.
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


@dataclass(frozen=True)
class StoredBatch:
    """What batch_jobs knows of a batch."""

    detail: BatchDetail
    tables: Sequence[TableInBatch]
    difference: Difference | None


def read_batch(rows: BatchJobRepository, batch_id: UUID) -> StoredBatch | None:
    """Read a batch; None if there is no such row. Raises MirrorError."""
    row = _row(rows, str(batch_id))
    if row is None:
        return None
    detail, tables = whole_batch(row), tuple(_tables(row))
    before = _before(rows, detail, tables)
    return StoredBatch(detail, tables, None if before is None else _difference(detail, tables, before))


def _row(rows: BatchJobRepository, row_id: str) -> JobRow | None:
    return next(iter(rows.list_rows(RowFilter(id=row_id, limit=1))), None)


def _tables(row: JobRow) -> Iterator[TableInBatch]:
    metadata = values.members(row["metadata"])
    results = metadata.get("results")
    if not isinstance(results, Mapping):
        for name in dict.fromkeys(values.texts(list(row["platforms_processed"] or ()), MOST_TABLES)):
            items = values.count(metadata.get(f"{name}_items"))
            yield TableInBatch(name, name, values.text(row["status"]), None, None, items, None, {}, None, None)
        return
    left = MOST_TABLES
    for platform, result in values.entries(results, MOST_TABLES):
        found = values.members(values.members(result).get("by_table")) or {platform: values.members(result)}
        for name, figures in values.entries(found, left):
            yield _table(name, platform, values.members(figures))
        left = max(0, left - len(found))


def _table(name: str, platform: str, figures: Mapping[str, Any]) -> TableInBatch:
    stages = values.members(figures.get("stages"))
    found = {stage: values.seconds(stages.get(stage)) for stage in STAGES}
    return TableInBatch(
        table=name,
        platform=platform,
        status=values.text(figures.get("status")),
        windows=values.count(figures.get("partitions")),
        planned_windows=values.count(figures.get("planned_partitions")),
        rows=values.count(figures.get("items")),
        seconds=values.seconds(figures.get("seconds")),
        stages={stage: taken for stage, taken in found.items() if taken is not None},
        bytes=values.count(figures.get("bytes")),
        # Where a row has no figures of tables, this is the list of files.
        files=values.count(figures.get("files")),
    )


def _before(rows: BatchJobRepository, detail: BatchDetail, tables: Sequence[TableInBatch]) -> JobRow | None:
    """Return the row of the batch that this one is compared with."""
    batch = detail.batch
    if batch.created_at is None or batch.status not in _ENDED or not tables:
        return None
    wanted = PageFilter(batch.job_type, _ENDED)
    if detail.platforms:
        wanted = replace(wanted, platform=tables[0].platform, entry=tables[0].table)
    page = rows.read_page(wanted, Position(batch.created_at, UUID(batch.id)), _BEFORE)
    names = {table.platform for table in tables}
    earlier = [each for each in map(listed_batch, page.rows) if each.deployment == batch.deployment]
    alike = [(_likeness(names, {*each.planned, *each.processed}), each) for each in earlier]
    best = max((likeness for likeness, _ in alike), default=0.0)
    found = next((each for likeness, each in alike if likeness == best), None)
    return None if found is None or not best else _row(rows, found.id)


def _likeness(one: set[str], other: set[str]) -> float:
    """Return which part of all names both have."""
    return len(one & other) / len(one | other)


def _difference(detail: BatchDetail, tables: Sequence[TableInBatch], row: JobRow) -> Difference:
    before, earlier = whole_batch(row), {table.table: table for table in _tables(row)}
    names = {table.table for table in tables}
    changes = [_change(table, earlier[table.table]) for table in tables if table.table in earlier]
    return Difference(
        before=before.batch,
        rows=Change(detail.batch.items, before.batch.items),
        bytes=Change(_bytes(tables), _bytes([*earlier.values()])),
        seconds=Change(detail.batch.seconds, before.batch.seconds),
        tables=[change for change in changes if _differs(change)],
        came=[table.table for table in tables if table.table not in earlier],
        went=[name for name in earlier if name not in names],
    )


def _bytes(tables: Sequence[TableInBatch]) -> int | None:
    sizes = [table.bytes for table in tables if table.bytes is not None]
    return sum(sizes) if sizes else None


def _change(table: TableInBatch, before: TableInBatch) -> TableChange:
    return TableChange(
        table.table,
        (table.status, before.status),
        rows=Change(table.rows, before.rows),
        bytes=Change(table.bytes, before.bytes),
        seconds=Change(table.seconds, before.seconds),
    )


def _differs(change: TableChange) -> bool:
    now, before = change.status
    return now != before or any(each.now != each.before for each in (change.rows, change.bytes, change.seconds))
