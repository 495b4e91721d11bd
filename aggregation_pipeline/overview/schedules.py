"""When the jobs of a deployment run next."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from dagster import DagsterInstance
from dagster._core.scheduler.instigation import InstigatorStatus, InstigatorType
from dagster._utils.schedules import schedule_execution_time_iterator

from aggregation_pipeline.automation.job_groups import Group
from aggregation_pipeline.automation.run_requests import at_tick, last_tick

# The daemon looks at schedules each minute, and is late where it has many of them.
_PATIENCE: Final = timedelta(minutes=15)


@dataclass(frozen=True)
class NextTick:
    """A schedule.

    Attributes:
        job: its job.
        tables: names of the entries that it computes.
        crons: in five fields each.
        at: its next tick, in its time zone; what a stopped schedule would do.
        stopped: whether somebody has stopped it.
        due_at: its last tick, in UTC, that is long enough ago for its run to have begun; None for a stopped one, and
            where that tick had nothing to start.
        due_partition: the newest partition that its tables should have since that tick; None without partitions.
    """

    schedule: str
    job: str
    tables: tuple[str, ...]
    crons: tuple[str, ...]
    timezone: str
    at: datetime
    stopped: bool
    due_at: datetime | None
    due_partition: str | None


def next_ticks(groups: Iterable[Group], instance: DagsterInstance, now: datetime) -> tuple[NextTick, ...]:
    """Return the next tick of each schedule, the soonest first."""
    states = instance.all_instigator_state(instigator_type=InstigatorType.SCHEDULE)
    stopped = {state.instigator_name for state in states if state.status == InstigatorStatus.STOPPED}
    return tuple(sorted(_ticks(groups, stopped, now), key=lambda tick: (tick.at, tick.schedule)))


def _ticks(groups: Iterable[Group], stopped: set[str], now: datetime) -> Iterator[NextTick]:
    for group in groups:
        if group.crons:
            # The iterator begins with `now` itself, if it is a tick.
            ticks = schedule_execution_time_iterator(now.timestamp(), list(group.crons), group.zone.key)
            at = next(tick for tick in ticks if tick > now)
            is_stopped = f"{group.name}_schedule" in stopped
            due_at = None if is_stopped else last_tick(group, now - _PATIENCE)
            due = None if due_at is None else at_tick(group, due_at)
            if due is None:
                # No partition was complete then, so the tick had nothing to start.
                due_at = None
            yield NextTick(
                schedule=f"{group.name}_schedule",
                job=group.name,
                tables=tuple(group.names),
                crons=group.crons,
                timezone=group.zone.key,
                at=at.astimezone(group.zone),
                stopped=is_stopped,
                due_at=due_at,
                due_partition=None if due is None else due.partition,
            )
