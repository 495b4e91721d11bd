"""How a row ends whose run cannot say so itself any more, because somebody deleted it in Dagster."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from aggregation_pipeline.batch_jobs.projection import RANKS
from aggregation_pipeline.runs.model import BatchJobRow

DELETED = "The run was deleted in Dagster before it came to an end"
_CLOSED = {"in_progress": "failed", "pending": "skipped"}


def close_deleted_run(row: BatchJobRow, at: datetime) -> BatchJobRow:
    """The row as failed, with the reason; what its tables had reached by then stays."""
    metadata = row.metadata
    dagster = metadata["dagster"]
    version = dagster.get("version")
    # A hand may have left anything there.
    seen = version[1:] if isinstance(version, list) else [0, 0]
    return replace(
        row,
        status="failed",
        completed_at=at,
        metadata={
            **metadata,
            "results": {name: _ended(result) for name, result in metadata.get("results", {}).items()},
            "errors": [*metadata.get("errors", []), {"error": DELETED, "at": at.isoformat()}],
            "dagster": {**dagster, "status": "DELETED", "version": [RANKS["failed"], *seen]},
        },
    )


def _ended(result: Mapping[str, Any]) -> Mapping[str, Any]:
    status = _CLOSED.get(result["status"])
    if status is None:
        return result
    return {**result, "status": status, **({"error": DELETED} if status == "failed" else {})}
