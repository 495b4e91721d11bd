"""The projection: a run's record and events, turned into its row of batch_jobs. A pure function.

A row does not depend on the clock, on the row that was there before, or on the order in which events were read. So it
may be written twice, late, or by several processes at once.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from aggregation_pipeline.batch_jobs.table_events import PlatformEvents, TableEvents, events_by_platform, windows_of
from aggregation_pipeline.runs.batch_job_text import first_lines, without_secrets
from aggregation_pipeline.runs.model import STAGES, BatchJobRow, Event, Failed, Finished, JobStatus, Owner, RunInfo
from aggregation_pipeline.runs.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    BACKFILL_ID_TAG,
    LOGICAL_TIME_TAG,
    PARENT_RUN_ID_TAG,
    PARTITION_NAME_TAG,
    REQUEST_ID_TAG,
    REQUESTED_BY_TAG,
    ROOT_RUN_ID_TAG,
    SCHEDULE_NAME_TAG,
    SENSOR_NAME_TAG,
    TICK_TAG,
)

INTEGER_MAX = 2_147_483_647
# Of `metadata`. Whatever takes a key away, or gives it another meaning, counts it up.
FORMAT = 1
# A run of a thousand partitions has six thousand files. The manifests list them all, the row only the last ones.
FILES_IN_A_ROW = 500
ERRORS_IN_A_ROW = 50

# Dagster's status of a run -> the row's. QUEUED, STARTING, NOT_STARTED and statuses of later versions are "pending".
JOB_STATUSES: Mapping[str, JobStatus] = {
    "STARTED": "in_progress",
    "CANCELING": "in_progress",
    "SUCCESS": "completed",
    "FAILURE": "failed",
    "CANCELED": "failed",
}
# The first part of a row's version: a row never goes back from a higher rank to a lower one.
STATUS_RANKS: Mapping[JobStatus, int] = {"pending": 0, "in_progress": 1, "completed": 2, "failed": 2}

NO_NAMES: Mapping[str, str] = MappingProxyType({})
# Key in `metadata.dagster` -> the run's tag that it repeats.
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
    "tick": TICK_TAG,
    "requested_by": REQUESTED_BY_TAG,
    "request_id": REQUEST_ID_TAG,
}


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
    """Return the row of a run.

    `platforms` maps the key segment of a table to its platform, in the order of the configuration, and `names` to the
    name of its entry. A table that has left the configuration is named like its files, else by its segment.
    `secrets` are values that must not show in error texts.
    """
    ordered = sorted({event.id: event for event in events}.values(), key=lambda event: event.id)
    by_platform = events_by_platform(ordered, platforms, names)
    files_each = max(1, FILES_IN_A_ROW // max(1, len(by_platform)))
    results = {platform: _result(tables, run.status, files_each, secrets) for platform, tables in by_platform.items()}
    completed = _completed_platforms(by_platform, results)
    windows = windows_of(by_platform)
    return BatchJobRow(
        id=row_id(run.run_id),
        job_type=job_type,
        status=JOB_STATUSES.get(run.status, "pending"),
        platforms_processed=completed,
        total_items=min(sum(window.items for window in windows), INTEGER_MAX),
        metadata={
            **{f"{name}_items": result["items"] for name, result in results.items()},
            "planned": list(results),
            "results": results,
            "timing": _timing(run, windows),
            "summary": _summary(results, windows),
            "errors": _errors(ordered, by_platform, secrets),
            "dagster": _dagster(run, owner, ordered),
        },
        started_at=run.started_at,
        completed_at=run.completed_at,
        created_at=run.created_at,
    )


def row_id(run_id: str) -> UUID:
    """Return the primary key of a run's row: the run's id, where that is a UUID."""
    try:
        return UUID(run_id)
    except ValueError:
        # Who launches a run through Dagster's API may choose any text as its id.
        return uuid5(NAMESPACE_URL, f"dagster-run:{run_id}")


def _completed_platforms(by_platform: PlatformEvents, results: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """Platforms whose tables are all done, in the order in which they were done."""
    finished_at = {
        name: max((window.id for table in tables.values() for window in table.windows.values()), default=0)
        for name, tables in by_platform.items()
    }
    completed = [name for name, result in results.items() if result["status"] == "completed"]
    return tuple(sorted(completed, key=lambda name: finished_at[name]))


def _result(
    tables: Mapping[str, TableEvents], run_status: str, files_limit: int, secrets: Sequence[str]
) -> dict[str, Any]:
    windows = sorted(
        (window for table in tables.values() for window in table.windows.values()), key=lambda window: window.id
    )
    files = [dict(file) for window in windows for file in window.files]
    failures = [table.failure.error for table in tables.values() if table.failure]
    result: dict[str, Any] = {
        "status": _status_of_platform({table.status(run_status) for table in tables.values()}),
        "items": sum(window.items for window in windows),
        "tables": [table.name or segment for segment, table in tables.items()],
        "partitions": len(windows),
        "planned_partitions": sum(len(table.planned) for table in tables.values()),
        "seconds": round(sum(window.seconds for window in windows), 3),
        "bytes": sum(window.bytes for window in windows),
        "files": files[-files_limit:],
        "by_table": {table.name or segment: _figures_of_table(table, run_status) for segment, table in tables.items()},
    }
    if len(files) > files_limit:
        result["files_left_out"] = len(files) - files_limit
    if result["status"] == "failed":
        without_failure = (
            "The run was cancelled"
            if run_status == "CANCELED"
            else "The run ended in the middle of this table, and left no error"
        )
        result["error"] = first_lines(without_secrets("\n".join(failures) or without_failure, secrets))
    return result


def _figures_of_table(table: TableEvents, run_status: str) -> dict[str, Any]:
    windows = list(table.windows.values())
    source = max(windows, key=lambda window: window.id).source if windows else None
    return {
        "status": table.status(run_status),
        **({"source": source} if source else {}),
        "items": sum(window.items for window in windows),
        "partitions": len(windows),
        "planned_partitions": len(table.planned),
        "seconds": round(sum(window.seconds for window in windows), 3),
        "stages": {
            stage: round(sum(window.stage_seconds.get(stage, 0.0) for window in windows), 3) for stage in STAGES
        },
        "bytes": sum(window.bytes for window in windows),
        "files": sum(len(window.files) for window in windows),
    }


def _status_of_platform(statuses: set[str]) -> str:
    """One status for a platform of several tables."""
    if len(statuses) == 1:
        return next(iter(statuses))
    return next((status for status in ("failed", "skipped") if status in statuses), "in_progress")


def _timing(run: RunInfo, windows: Sequence[Finished]) -> dict[str, float | None]:
    def between(start: datetime | None, end: datetime | None) -> float | None:
        return round(max(0.0, (end - start).total_seconds()), 3) if start and end else None

    return {
        "wait_seconds": between(run.created_at, run.started_at),
        "run_seconds": between(run.started_at, run.completed_at),
        "table_seconds": round(sum(window.seconds for window in windows), 3),
    }


def _summary(results: Mapping[str, Mapping[str, Any]], windows: Sequence[Finished]) -> dict[str, Any]:
    statuses = [result["status"] for result in results.values()]
    completed = statuses.count("completed")
    return {
        "platforms": len(results),
        "completed": completed,
        "failed": statuses.count("failed"),
        "success_rate": round(completed / len(results), 4) if results else None,
        "rows": sum(window.items for window in windows),
        "bytes": sum(window.bytes for window in windows),
        "files": sum(len(window.files) for window in windows),
    }


def _errors(events: Sequence[Event], by_platform: PlatformEvents, secrets: Sequence[str]) -> list[dict[str, Any]]:
    failures = [event for event in events if isinstance(event, Failed)]
    # The run's own "Steps failed: [...]" says something new only where no step failed.
    failures = [failure for failure in failures if failure.step] or failures
    places = {
        segment: (platform, table.name) for platform, tables in by_platform.items() for segment, table in tables.items()
    }
    errors = []
    for failure in failures[-ERRORS_IN_A_ROW:]:
        platform, table = places.get(failure.segment or "", (None, None))
        where = {"platform": platform, "table": table or failure.segment, "step": failure.step}
        errors.append(
            {
                **{key: value for key, value in where.items() if value},
                "error": first_lines(without_secrets(failure.error, secrets)),
                "at": failure.at.isoformat(),
            }
        )
    return errors


def _dagster(run: RunInfo, owner: Owner, ordered: Sequence[Event]) -> dict[str, Any]:
    last_event = ordered[-1].id if ordered else 0
    rank = STATUS_RANKS[JOB_STATUSES.get(run.status, "pending")]
    return {
        "format": FORMAT,
        "deployment": owner.deployment,
        "instance": owner.instance,
        "run_id": run.run_id,
        "job": run.job,
        "status": run.status,
        **{key: run.tags[tag] for key, tag in _TAGS.items() if tag in run.tags},
        "updated": run.updated_at.isoformat(),
        "last_event": last_event,
        # The writer compares versions element by element. An event may be committed after a later one: the number of
        # events tells the reading that missed it from the one that did not.
        "version": [rank, last_event, len(ordered)],
    }
