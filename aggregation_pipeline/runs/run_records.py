"""Records of runs in Dagster's storage: read page by page, and turned into plain values."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from dagster import DagsterInstance, DagsterRunStatus, RunRecord, RunsFilter

from aggregation_pipeline.runs.model import RunInfo

# How late a change of a run may be stored. Dagster stamps a run with the time of the event, not of the write: clocks of
# workers differ, and a process may stall in between.
LATE_UPDATES = timedelta(minutes=10)
_ENDED = {"SUCCESS", "FAILURE", "CANCELED"}
UNFINISHED = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]


def run_info(record: RunRecord) -> RunInfo:
    """Return what a run's record says, as plain values."""
    run = record.dagster_run
    status = run.status.value
    return RunInfo(
        run_id=run.run_id,
        job=run.job_name,
        status=status,
        created_at=_in_utc(record.create_timestamp),
        updated_at=_in_utc(record.update_timestamp),
        started_at=_instant(record.start_time),
        # A run that was cancelled while Dagster was down has no end time.
        completed_at=(_instant(record.end_time) or _in_utc(record.update_timestamp)) if status in _ENDED else None,
        tags=run.tags,
    )


def runs_since(
    instance: DagsterInstance, statuses: Sequence[DagsterRunStatus], since: datetime, *, limit: int
) -> Iterator[list[RunRecord]]:
    """Pages of at most `limit` runs in one of `statuses` that changed since then, the earliest change first."""
    seen: set[str] = set()
    while True:
        # With `statuses`, the query uses an index; Dagster's own paging cursor cannot be combined with this order.
        wanted = RunsFilter(statuses=statuses, updated_after=since)
        page = instance.get_run_records(wanted, limit=limit, order_by="update_timestamp", ascending=True)
        fresh = [run for run in page if run.dagster_run.run_id not in seen]
        if fresh:
            yield fresh
        if len(page) < limit:
            return
        seen.update(run.dagster_run.run_id for run in fresh)
        # Several runs may share the last moment. When a whole page does, the next page begins after it.
        since = page[-1].update_timestamp - timedelta(microseconds=1 if fresh else 0)


def _instant(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, tz=UTC)


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
