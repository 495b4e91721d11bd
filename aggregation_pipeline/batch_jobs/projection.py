"""A run's record and events, turned into its row of batch_jobs. Pure: the same facts always give the same row.

Nothing in a row depends on the clock, on the row that was there before, or on the order in which events were read, so a
row may be written twice, late, or by several processes at once.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from aggregation_pipeline.runs.model import (
    BatchJobRow,
    Event,
    Failed,
    Finished,
    JobStatus,
    Owner,
    Planned,
    RunInfo,
    Started,
)
from aggregation_pipeline.runs.row_text import first_lines, without_secrets
from aggregation_pipeline.runs.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    BACKFILL_ID_TAG,
    LOGICAL_TIME_TAG,
    PARENT_RUN_ID_TAG,
    PARTITION_NAME_TAG,
    ROOT_RUN_ID_TAG,
    SCHEDULE_NAME_TAG,
    SENSOR_NAME_TAG,
)

INTEGER_MAX = 2_147_483_647
# A thousand partitions have six thousand files; the manifests list them all, the row a fair share.
FILES_IN_A_ROW = 500
ERRORS_IN_A_ROW = 50

STATUSES: Mapping[str, JobStatus] = {
    "STARTED": "in_progress",
    "CANCELING": "in_progress",
    "SUCCESS": "completed",
    "FAILURE": "failed",
    "CANCELED": "failed",
}  # QUEUED, STARTING, NOT_STARTED and what later versions may add before a start: pending
RANKS: Mapping[JobStatus, int] = {"pending": 0, "in_progress": 1, "completed": 2, "failed": 2}

NO_NAMES: Mapping[str, str] = MappingProxyType({})
_TAGS = {
    "partition": PARTITION_NAME_TAG,
    "partition_range_start": ASSET_PARTITION_RANGE_START_TAG,
    "partition_range_end": ASSET_PARTITION_RANGE_END_TAG,
    "backfill": BACKFILL_ID_TAG,
    "schedule": SCHEDULE_NAME_TAG,
    "sensor": SENSOR_NAME_TAG,
    "parent_run_id": PARENT_RUN_ID_TAG,
    "root_run_id": ROOT_RUN_ID_TAG,
    "logical_time": LOGICAL_TIME_TAG,
}


@dataclass
class _Table:
    """What the events say of one table."""

    planned: set[str | None] = field(default_factory=set)
    windows: dict[str | None, Finished] = field(default_factory=dict)
    started: bool = False
    failure: Failed | None = None
    configured: str | None = None

    @property
    def name(self) -> str | None:
        return max(self.windows.values(), key=lambda window: window.id).table if self.windows else self.configured

    def status(self, run_status: str) -> str:
        if self.failure:
            return "failed"
        if self.windows and self.planned <= self.windows.keys():
            return "completed"
        if run_status in {"SUCCESS", "FAILURE", "CANCELED"}:
            # Without a failure of its own: the process was killed, or the run cancelled, in the middle of it.
            return "failed" if self.started and run_status != "SUCCESS" else "skipped"
        return "in_progress" if self.started or self.windows else "pending"


def project(
    run: RunInfo,
    events: Collection[Event],
    *,
    owner: Owner,
    job_type: str,
    platforms: Mapping[str, str],
    names: Mapping[str, str] = NO_NAMES,
    secrets: Sequence[str] = (),
) -> BatchJobRow:
    """The row of a run.

    `platforms` maps the key segment of a table to its platform, in the order of the configuration, and `names` to the
    entry's name; a table that is not in them (any more) goes by what its files were published as, else by its segment.
    `secrets` are values that must not show in error texts.
    """
    in_order = sorted({event.id: event for event in events}.values(), key=lambda event: event.id)
    by_platform: dict[str, dict[str, _Table]] = {}
    for segment, table in _tables(in_order, platforms).items():
        table.configured = names.get(segment)
        by_platform.setdefault(_platform(segment, table, platforms), {})[segment] = table

    files_each = max(1, FILES_IN_A_ROW // max(1, len(by_platform)))
    results = {platform: _result(tables, run.status, files_each, secrets) for platform, tables in by_platform.items()}
    finished_at = {
        name: max((w.id for t in tables.values() for w in t.windows.values()), default=0)
        for name, tables in by_platform.items()
    }
    done = sorted(
        (name for name, result in results.items() if result["status"] == "completed"),
        key=lambda name: finished_at[name],
    )
    windows = [
        window for tables in by_platform.values() for table in tables.values() for window in table.windows.values()
    ]
    rows = sum(window.items for window in windows)
    status = STATUSES.get(run.status, "pending")

    return BatchJobRow(
        id=row_id(run.run_id),
        job_type=job_type,
        status=status,
        platforms_processed=tuple(done),
        total_items=min(rows, INTEGER_MAX),
        metadata={
            **{f"{name}_items": result["items"] for name, result in results.items()},
            "planned": list(results),
            "results": results,
            "timing": _timing(run, windows),
            "summary": {
                "platforms": len(results),
                "completed": len(done),
                "failed": sum(result["status"] == "failed" for result in results.values()),
                "success_rate": round(len(done) / len(results), 4) if results else None,
                "rows": rows,
                "bytes": sum(window.bytes for window in windows),
                "files": sum(len(window.files) for window in windows),
            },
            "errors": _errors(in_order, by_platform, secrets),
            "dagster": {
                "deployment": owner.deployment,
                "instance": owner.instance,
                "run_id": run.run_id,
                "job": run.job,
                "status": run.status,
                **{name: run.tags[tag] for name, tag in _TAGS.items() if tag in run.tags},
                "updated": run.updated_at.isoformat(),
                "last_event": in_order[-1].id if in_order else 0,
                # Compared by the writer, element by element. The number of events tells apart two readings of which one
                # missed an event that was committed after a later one.
                "version": [RANKS[status], in_order[-1].id if in_order else 0, len(in_order)],
            },
        },
        started_at=run.started_at,
        completed_at=run.completed_at,
        created_at=run.created_at,
    )


def row_id(run_id: str) -> UUID:
    """The key of a run's row: its id, wherever that is a UUID."""
    try:
        return UUID(run_id)
    except ValueError:
        # Dagster takes any text for a run id from those who launch by its API.
        return uuid5(NAMESPACE_URL, f"dagster-run:{run_id}")


def _tables(events: Iterable[Event], platforms: Mapping[str, str]) -> dict[str, _Table]:
    tables: dict[str, _Table] = {}
    for event in events:
        match event:
            case Planned():
                tables.setdefault(event.segment, _Table()).planned.update(event.partitions)
            case Started():
                tables.setdefault(event.segment, _Table()).started = True
            case Finished():
                # One window counts once, however often it was logged: the latest is what stands in the files.
                tables.setdefault(event.segment, _Table()).windows[event.partition] = event
            case Failed(segment=str(segment)):
                tables.setdefault(segment, _Table()).failure = event
    order = {segment: position for position, segment in enumerate(platforms)}
    return dict(sorted(tables.items(), key=lambda item: order.get(item[0], len(order))))


def _platform(segment: str, table: _Table, platforms: Mapping[str, str]) -> str:
    published = [window.platform for window in table.windows.values() if window.platform]
    return platforms.get(segment) or (published[-1] if published else segment)


def _result(tables: Mapping[str, _Table], run_status: str, files_limit: int, secrets: Sequence[str]) -> dict[str, Any]:
    windows = sorted(
        (window for table in tables.values() for window in table.windows.values()), key=lambda window: window.id
    )
    files = [dict(file) for window in windows for file in window.files]
    failures = [table.failure.error for table in tables.values() if table.failure]
    result: dict[str, Any] = {
        "status": _together({table.status(run_status) for table in tables.values()}),
        "items": sum(window.items for window in windows),
        "tables": [table.name or segment for segment, table in tables.items()],
        "partitions": len(windows),
        "planned_partitions": sum(len(table.planned) for table in tables.values()),
        "seconds": round(sum(window.seconds for window in windows), 3),
        "bytes": sum(window.bytes for window in windows),
        "files": files[-files_limit:],
    }
    if len(files) > files_limit:
        result["files_left_out"] = len(files) - files_limit
    if result["status"] == "failed":
        stopped = (
            "The run was cancelled"
            if run_status == "CANCELED"
            else "The run ended in the middle of this table, without a word"
        )
        result["error"] = first_lines(without_secrets("\n".join(failures) or stopped, secrets))
    return result


def _together(statuses: set[str]) -> str:
    """One word for a platform with several tables."""
    if len(statuses) == 1:
        return next(iter(statuses))
    return next((word for word in ("failed", "skipped") if word in statuses), "in_progress")


def _timing(run: RunInfo, windows: Sequence[Finished]) -> dict[str, float | None]:
    def between(start: datetime | None, end: datetime | None) -> float | None:
        return round(max(0.0, (end - start).total_seconds()), 3) if start and end else None

    return {
        "wait_seconds": between(run.created_at, run.started_at),
        "run_seconds": between(run.started_at, run.completed_at),
        "table_seconds": round(sum(window.seconds for window in windows), 3),
    }


def _errors(
    events: Sequence[Event], by_platform: Mapping[str, Mapping[str, _Table]], secrets: Sequence[str]
) -> list[dict[str, Any]]:
    failures = [event for event in events if isinstance(event, Failed)]
    # "Steps failed: [...]" is news only where no step said why.
    failures = [failure for failure in failures if failure.step] or failures
    places = {
        segment: (platform, table.name) for platform, tables in by_platform.items() for segment, table in tables.items()
    }
    listed = []
    for failure in failures[-ERRORS_IN_A_ROW:]:
        platform, table = places.get(failure.segment or "", (None, None))
        where = {"platform": platform, "table": table or failure.segment, "step": failure.step}
        listed.append(
            {
                **{k: v for k, v in where.items() if v},
                "error": first_lines(without_secrets(failure.error, secrets)),
                "at": failure.at.isoformat(),
            }
        )
    return listed
