"""The result of runs that have ended, made of their events: what `run --json` prints, and `/aggregate` answers."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from aggregation_pipeline.runs.model import Event, Failed, Finished


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
    """The result of all runs of a command or request: tables that Dagster cannot run in one job need a run each.

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


def result_of_run(
    run_id: str, names: Mapping[str, str], events: Collection[Event], *, succeeded: bool, seconds: float
) -> RunResult:
    """Return the result of a run that has ended.

    Args:
        run_id: its id.
        names: of the tables that it was started for, by the segment of their asset keys.
        events: the run's, as `event_log.run_events` returns them.
        succeeded: whether Dagster says so.
        seconds: from its start to its end.
    """
    # There is one such event for each partition of a table.
    finished = [event for event in events if isinstance(event, Finished) and event.segment in names]
    failures = (event for event in events if isinstance(event, Failed))
    failed = {names[event.segment]: event for event in failures if event.segment and event.segment in names}
    tables = {}
    for part, name in names.items():
        windows = {event.partition: event for event in finished if event.segment == part}
        status = "failed" if name in failed and not succeeded else "completed" if windows else "skipped"
        error = failed[name].error if status == "failed" else None
        tables[name] = TableResult(status, sum(event.items for event in windows.values()), error)
    items = sum(table.items for table in tables.values())
    batch = Batch(run_id, "completed" if succeeded else "failed", items, round(seconds, 3), list(tables))
    files = {file["uri"]: file for event in finished for file in event.files}
    return RunResult(run_id, batch.status, batch.total_items, tables, list(files.values()), [batch], seconds)


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
