"""The last row of a run that was deleted in Dagster before it ended: it has no events any more that could say so."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from aggregation_pipeline.batch_jobs.projection import STATUS_RANKS
from aggregation_pipeline.runs.model import BatchJobRow

DELETED = "The run was deleted in Dagster before it came to an end"
# What becomes of a platform's result that was still open.
_FINAL_STATUS = {"in_progress": "failed", "pending": "skipped"}


def close_deleted_run(row: BatchJobRow, at: datetime) -> BatchJobRow:
    """Return the row as failed at this moment, with the reason. Results that were complete stay."""
    metadata = row.metadata
    dagster = metadata["dagster"]
    version = dagster.get("version")
    # Somebody may have edited the row by hand.
    events_seen = version[1:] if isinstance(version, list) else [0, 0]
    return replace(
        row,
        status="failed",
        completed_at=at,
        metadata={
            **metadata,
            "results": {name: _close_result(result) for name, result in metadata.get("results", {}).items()},
            "errors": [*metadata.get("errors", []), {"error": DELETED, "at": at.isoformat()}],
            "dagster": {**dagster, "status": "DELETED", "version": [STATUS_RANKS["failed"], *events_seen]},
        },
    )


def _close_result(result: Mapping[str, Any]) -> Mapping[str, Any]:
    tables = {
        name: {**table, "status": _FINAL_STATUS.get(table["status"], table["status"])}
        for name, table in result.get("by_table", {}).items()
    }
    result = {**result, "by_table": tables}
    status = _FINAL_STATUS.get(result["status"])
    if status is None:
        return result
    return {**result, "status": status, **({"error": DELETED} if status == "failed" else {})}
