"""Which moment a run stands for, and what its window is called.

Logical time is the schedule's tick, or a manual run's creation; re-executions keep it. Nothing in a step asks for "now".
"""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from dagster import DagsterInstance, DagsterRun

LOGICAL_TIME_TAG = "aggregation/logical_time"
WINDOW_TAG = "aggregation/window"


def daily_window(moment: datetime, zone: ZoneInfo) -> str:
    """Name the window of a schedule that ticks at most once a day: `2026-11-20`."""
    return moment.astimezone(zone).strftime("%Y-%m-%d")


def minute_window(moment: datetime, zone: ZoneInfo) -> str:
    """Name the window of a manual run, or of a schedule that ticks more than daily: `2026-11-20T1400`."""
    return moment.astimezone(zone).strftime("%Y-%m-%dT%H%M")


def tick_tags(moment: datetime, zone: ZoneInfo, *, more_than_daily: bool) -> dict[str, str]:
    """Return the run tags by which a scheduled run knows its moment and its window."""
    window = minute_window(moment, zone) if more_than_daily else daily_window(moment, zone)
    return {LOGICAL_TIME_TAG: moment.astimezone(UTC).isoformat(), WINDOW_TAG: window}


def logical_time(run: DagsterRun, instance: DagsterInstance) -> datetime:
    """Return the moment that `run` stands for, in UTC."""
    tag = run.tags.get(LOGICAL_TIME_TAG)
    if tag:
        return datetime.fromisoformat(tag)
    # A re-execution from the UI repeats what its first run stood for.
    record = instance.get_run_record_by_id(run.root_run_id or run.run_id) or instance.get_run_record_by_id(run.run_id)
    return record.create_timestamp.astimezone(UTC) if record else datetime.now(UTC)


def run_window(run: DagsterRun, moment: datetime, zone: ZoneInfo) -> str:
    """Return the window that `run` writes for tables without partitions."""
    return run.tags.get(WINDOW_TAG) or minute_window(moment, zone)
