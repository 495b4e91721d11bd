"""A run, its events, and the row that they are projected to."""

from datetime import UTC, datetime, timedelta
from typing import Any

from aggregation_pipeline.batch_jobs.projection import project
from aggregation_pipeline.runs.model import BatchJobRow, Event, Failed, Finished, Owner, Planned, RunInfo

RUN_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
NOON = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
PLATFORMS = {"baidu": "baidu", "weibo": "weibo", "zhihu": "zhihu"}


def run_info(status: str = "STARTED", **changes: Any) -> RunInfo:
    ended = status in {"SUCCESS", "FAILURE", "CANCELED"}
    times = {"started_at": NOON + timedelta(seconds=2), "completed_at": NOON + timedelta(seconds=12) if ended else None}
    return RunInfo(
        **{
            "run_id": RUN_ID,
            "job": "aggregate",
            "status": status,
            "created_at": NOON,
            "updated_at": NOON,
            **times,
            **changes,
        }
    )


def row(run: RunInfo, *events: Event, **options: Any) -> BatchJobRow:
    return project(
        run, events, **{"owner": Owner("prod", "one"), "job_type": "data_collection", "platforms": PLATFORMS, **options}
    )


def done(number: int, segment: str, items: int, partition: str | None = None, **more: Any) -> Finished:
    return Finished(number, segment, partition, items, table=segment, **more)


def failed(number: int, segment: str | None, error: str, step: str | None = "aggregate_x") -> Failed:
    return Failed(number, NOON, step, segment, error)


def planned(*segments: str) -> list[Event]:
    return [Planned(number, segment) for number, segment in enumerate(segments, 1)]
