"""What the runs of a command came to, as `run --json` prints it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class TableResult:
    """One table of a run. `status` is completed, failed or skipped; `items` the rows of both datasets."""

    status: str
    items: int
    error: str | None = None


@dataclass(frozen=True)
class Batch:
    """One run, and so one row of batch_jobs. `tables` are those that it was for."""

    batch_job_id: str
    status: str
    total_items: int
    seconds: float = 0.0
    tables: Sequence[str] = ()


@dataclass(frozen=True)
class RunResult:
    """What a command's runs came to: one run for each group of tables that Dagster can run together, a table's
    partitions apart.

    `tables` by the entry's name; `files` as the manifests have them. `batch_job_id` is that of a run which ended as
    `status` says: the first that failed, else the first. `batches` has them all.
    """

    batch_job_id: str
    status: str
    total_items: int
    tables: Mapping[str, TableResult]
    files: Sequence[Mapping[str, Any]]
    batches: Sequence[Batch]
    seconds: float = field(default=0.0)

    @property
    def results(self) -> Mapping[str, TableResult]:
        """What became of each table, by the word that the collector before this one had for it."""
        return self.tables

    def to_dict(self) -> dict[str, Any]:
        """Return the object that `run --json` prints; `batches` lists the rows of batch_jobs that the command made."""
        return {
            "batch_job_id": self.batch_job_id,
            "status": self.status,
            "total_items": self.total_items,
            "batches": [asdict(batch) for batch in self.batches],
            "tables": {name: asdict(table) for name, table in self.tables.items()},
            "files": list(self.files),
        }


def together(results: Sequence[RunResult], skipped: Mapping[str, TableResult]) -> RunResult:
    """Return the results of several runs as one; `skipped` are tables that none of them was for."""
    tables = dict(skipped)
    for result in results:
        for name, table in result.tables.items():
            before = tables.get(name)
            tables[name] = table if before is None else _both(before, table)
    speaking = next((result for result in results if result.status != "completed"), results[0])
    return RunResult(
        batch_job_id=speaking.batch_job_id,
        status=speaking.status,
        total_items=sum(result.total_items for result in results),
        tables=tables,
        files=[file for result in results for file in result.files],
        batches=[batch for result in results for batch in result.batches],
        seconds=sum(result.seconds for result in results),
    )


def _both(one: TableResult, other: TableResult) -> TableResult:
    """A table of which one run did some partitions, and the next run others."""
    errors = [table.error for table in (one, other) if table.error]
    status = next(word for word in ("failed", "completed", "skipped") if word in (one.status, other.status))
    return TableResult(status, one.items + other.items, "\n".join(errors) or None)
