"""The result of a command's runs, as `run --json` prints it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class TableResult:
    """One table of a run. `status` is completed, failed or skipped; `items` counts the rows of both datasets."""

    status: str
    items: int
    error: str | None = None


@dataclass(frozen=True)
class Batch:
    """One run, and so one row of batch_jobs. `tables` are the tables that it was started for."""

    batch_job_id: str
    status: str
    total_items: int
    seconds: float = 0.0
    tables: Sequence[str] = ()


@dataclass(frozen=True)
class RunResult:
    """The result of all runs of a command: tables that Dagster cannot run in one job need a run each.

    Attributes:
        batch_job_id: of a run that ended with `status`: the first that failed, or else the first.
        tables: by the entry's name.
        files: as the manifests describe them.
        batches: all runs.
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
        """The tables, by the name that the collector had for them that this project replaces."""
        return self.tables

    def to_dict(self) -> dict[str, Any]:
        """Return the object that `run --json` prints. `batches` lists the rows that the command wrote to batch_jobs."""
        return {
            "batch_job_id": self.batch_job_id,
            "status": self.status,
            "total_items": self.total_items,
            "batches": [asdict(batch) for batch in self.batches],
            "tables": {name: asdict(table) for name, table in self.tables.items()},
            "files": list(self.files),
        }


def together(results: Sequence[RunResult], skipped: Mapping[str, TableResult]) -> RunResult:
    """Return the results of several runs as one. `skipped` are tables that none of them was started for."""
    tables = dict(skipped)
    for result in results:
        for name, table in result.tables.items():
            earlier = tables.get(name)
            tables[name] = table if earlier is None else _add(earlier, table)
    representative = next((result for result in results if result.status != "completed"), results[0])
    return RunResult(
        batch_job_id=representative.batch_job_id,
        status=representative.status,
        total_items=sum(result.total_items for result in results),
        tables=tables,
        files=[file for result in results for file in result.files],
        batches=[batch for result in results for batch in result.batches],
        seconds=sum(result.seconds for result in results),
    )


def _add(one: TableResult, other: TableResult) -> TableResult:
    """Add up two runs of one table, each with other partitions."""
    errors = [table.error for table in (one, other) if table.error]
    status = next(word for word in ("failed", "completed", "skipped") if word in (one.status, other.status))
    return TableResult(status, one.items + other.items, "\n".join(errors) or None)
