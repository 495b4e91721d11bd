"""When the jobs of a deployment run next."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from dagster import DagsterInstance
from dagster._core.scheduler.instigation import InstigatorStatus, InstigatorType
from dagster._utils.schedules import schedule_execution_time_iterator

from aggregation_pipeline.automation.job_groups import Group


@dataclass(frozen=True)
class NextTick:
    """A schedule.

    Attributes:
        job: its job.
        tables: names of the entries that it computes.
        crons: in five fields each.
        at: its next tick, in its time zone; what a stopped schedule would do.
        stopped: whether somebody has stopped it.
    """

    schedule: str
    job: str
    tables: tuple[str, ...]
    crons: tuple[str, ...]
    timezone: str
    at: datetime
    stopped: bool


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
            yield NextTick(
                schedule=f"{group.name}_schedule",
                job=group.name,
                tables=tuple(group.names),
                crons=group.crons,
                timezone=group.zone.key,
                at=at.astimezone(group.zone),
                stopped=f"{group.name}_schedule" in stopped,
            )
