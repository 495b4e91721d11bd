"""A batch, as its row of batch_jobs says: in a list, and with everything that the row holds."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from aggregation_pipeline.batch_jobs.browse import JobRow
from aggregation_pipeline.batch_jobs.pages import PageFilter, Position
from aggregation_pipeline.batch_jobs.projection import ERRORS_IN_A_ROW, FILES_IN_A_ROW
from aggregation_pipeline.batch_jobs.repository import BatchJobRepository
from aggregation_pipeline.overview import values

# Of one batch so many tables and files are shown. Our own rows have fewer files.
MOST_TABLES: Final = 1_000
_MOST_FILES: Final = 2 * FILES_IN_A_ROW
# So many batches that have not ended are listed.
OPEN_BATCHES: Final = 50


@dataclass(frozen=True)
class Batch:
    """One row, as a list shows it.

    Attributes:
        status: pending, in_progress, completed or failed; other programs may have words of their own.
        items: rows of all tables; None where the row has no number.
        seconds: from start to end; None before the end.
        tick: what it has in common with the other runs of its tick; None where the tick made one run.
        planned: the platforms that it was to process.
        processed: the platforms that are done.
        deployment: whose run it is; None for the rows of other programs.
        run_id: the run's id in Dagster; None for the rows of other programs.
        error: the last error.
        error_table: the table that failed with it.
    """

    id: str
    job_type: str
    status: str | None
    created_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    seconds: float | None
    items: int | None
    planned: tuple[str, ...]
    processed: tuple[str, ...]
    partition: str | None
    schedule: str | None
    deployment: str | None
    run_id: str | None
    error: str | None
    error_table: str | None
    tick: str | None = None


@dataclass(frozen=True)
class BatchPage:
    """Batches, the newest first; and after which the next page begins, if any."""

    batches: tuple[Batch, ...]
    end: Position | None


@dataclass(frozen=True)
class BatchFile:
    """A published file. `uri` is its stable name."""

    table: str | None
    format: str | None
    dataset: str | None
    uri: str | None
    rows: int | None
    bytes: int | None
    crc64: str | None


@dataclass(frozen=True)
class BatchPlatform:
    """What a batch did for one platform: most often one table, of the same name.

    Attributes:
        tables: names of the entries.
        partitions: windows that are published.
        files_left_out: how many files only the manifests list.
    """

    platform: str
    status: str | None
    tables: tuple[str, ...]
    items: int | None
    partitions: int | None
    planned_partitions: int | None
    seconds: float | None
    bytes: int | None
    error: str | None
    files: tuple[BatchFile, ...]
    files_left_out: int


@dataclass(frozen=True)
class BatchError:
    """A failure of a step, or of the whole run, which has no table."""

    table: str | None
    platform: str | None
    step: str | None
    error: str
    at: datetime | None


@dataclass(frozen=True)
class BatchDetail:
    """A whole row.

    Attributes:
        wait_seconds: from the run's creation to its start.
        run_seconds: from its start to its end.
        table_seconds: the sum over all windows of all tables.
        mirror_error: why the row has no more than this; None for a whole row.
    """

    batch: Batch
    platforms: tuple[BatchPlatform, ...]
    errors: tuple[BatchError, ...]
    wait_seconds: float | None
    run_seconds: float | None
    table_seconds: float | None
    mirror_error: str | None


def read_batches(rows: BatchJobRepository, wanted: PageFilter, after: Position | None, limit: int) -> BatchPage:
    """Return the page of at most `limit` batches that follows `after`.

    Raises:
        MirrorError: batch_jobs cannot be read.
    """
    page = rows.read_page(wanted, after, limit)
    return BatchPage(tuple(map(listed_batch, page.rows)), page.end)


def read_open_batches(rows: BatchJobRepository, job_type: str) -> tuple[Batch, ...]:
    """Return the newest OPEN_BATCHES that run or wait, the newest first. Raises MirrorError."""
    wanted = PageFilter(job_type, ("pending", "in_progress"), newest_only=True)
    return read_batches(rows, wanted, None, OPEN_BATCHES).batches


def listed_batch(row: Mapping[str, Any]) -> Batch:
    """Make a batch of a row as a page has it."""
    rows = values.count(row["rows"])
    return Batch(
        id=str(row["id"]),
        job_type=str(row["job_type"]),
        status=values.text(row["status"]),
        **_moments(row),
        items=values.count(row["total_items"]) if rows is None else rows,
        planned=values.texts(row["planned"], MOST_TABLES),
        processed=values.texts(row["processed"], MOST_TABLES),
        partition=values.text(row["partition"]),
        schedule=values.text(row["schedule"]),
        # The functions of Supabase that an earlier version has made do not return it.
        tick=values.text(row.get("tick")),
        deployment=values.text(row["deployment"]),
        run_id=values.text(row["run_id"]),
        error=values.text(row["error"]),
        error_table=values.text(row["error_table"]),
    )


def whole_batch(row: JobRow) -> BatchDetail:
    """Make a batch of a whole row."""
    metadata = values.members(row["metadata"])
    errors = tuple(_errors(metadata))
    last = errors[-1] if errors else None
    dagster, summary, timing = (values.members(metadata.get(name)) for name in ("dagster", "summary", "timing"))
    batch = listed_batch(
        {
            **row,
            "rows": summary.get("rows"),
            "planned": metadata.get("planned"),
            "processed": row["platforms_processed"],
            **{name: dagster.get(name) for name in ("partition", "schedule", "tick", "deployment", "run_id")},
            "error": last and last.error,
            "error_table": last and (last.table or last.platform),
        }
    )
    return BatchDetail(
        batch,
        tuple(_platforms(metadata)),
        errors,
        **{name: values.seconds(timing.get(name)) for name in ("wait_seconds", "run_seconds", "table_seconds")},
        mirror_error=values.text(metadata.get("mirror_error")),
    )


def _moments(row: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: values.instant(row[name]) for name in ("created_at", "started_at", "completed_at")}
    began, ended = found["started_at"], found["completed_at"]
    return {
        **found,
        "seconds": round((ended - began).total_seconds(), 3) if began and ended and ended >= began else None,
    }


def _platforms(metadata: Mapping[str, Any]) -> Iterator[BatchPlatform]:
    left = _MOST_FILES
    for name, value in values.entries(metadata.get("results"), MOST_TABLES):
        result = values.members(value)
        files = tuple(file_of(values.members(file)) for file in values.items(result.get("files"), left)) if left else ()
        left -= len(files)
        yield BatchPlatform(
            platform=name,
            status=values.text(result.get("status")),
            tables=values.texts(result.get("tables"), MOST_TABLES),
            **{key: values.count(result.get(key)) for key in ("items", "partitions", "planned_partitions", "bytes")},
            seconds=values.seconds(result.get("seconds")),
            error=values.text(result.get("error")),
            files=files,
            files_left_out=values.count(result.get("files_left_out")) or 0,
        )


def file_of(file: Mapping[str, Any]) -> BatchFile:
    """Make a file of what a row, or a manifest's event, says of it."""
    return BatchFile(
        **{name: values.text(file.get(name)) for name in ("table", "format", "dataset", "uri", "crc64")},
        rows=values.count(file.get("rows")),
        bytes=values.count(file.get("bytes")),
    )


def _errors(metadata: Mapping[str, Any]) -> Iterator[BatchError]:
    for value in values.items(metadata.get("errors"), ERRORS_IN_A_ROW):
        error = values.members(value)
        if (what := values.text(error.get("error"))) is not None:
            where = {name: values.text(error.get(name)) for name in ("table", "platform", "step")}
            yield BatchError(**where, error=what, at=values.instant(error.get("at")))
