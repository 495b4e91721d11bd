"""Which windows are asked for: by a tick, by `run`, by a backfill. Schedules, the commands and `plan` all ask here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from dagster import TimeWindowPartitionsDefinition
from dagster._utils.schedules import get_latest_completed_cron_tick

from aggregation_pipeline.assets.partitions import keys_between, newest_complete
from aggregation_pipeline.automation.job_groups import Group
from aggregation_pipeline.config.partitions import Backfill
from aggregation_pipeline.runs.logical_time import tick_tags
from aggregation_pipeline.runs.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG, WINDOW_TAG


@dataclass(frozen=True)
class LaunchSpec:
    """What one run is launched with. Without a partition and tags it stands for its creation, and takes tables
    whole.
    """

    partition: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


def is_more_than_daily(crons: Sequence[str]) -> bool:
    """Whether crons of five fields can tick twice on one day: then a date does not name their window."""
    minute, hour, *_ = crons[0].split()
    return len(crons) > 1 or not (minute.isdigit() and hour.isdigit())


def at_tick(group: Group, moment: datetime) -> LaunchSpec | None:
    """What a tick of the group's schedule at `moment` asks for: the newest partition, or the window that the moment
    gives its name.

    None where no partition is complete yet.
    """
    if group.partitions is not None:
        return newest(group.partitions, moment)
    return LaunchSpec(
        tags=tick_tags(moment, group.zone, more_than_daily=is_more_than_daily(group.crons or ("* * * * *",)))
    )


def by_hand(group: Group, now: datetime) -> LaunchSpec | None:
    """What a run asks for that somebody starts at `now`. None where no partition is complete yet."""
    return LaunchSpec() if group.partitions is None else newest(group.partitions, now)


def newest(partitions: TimeWindowPartitionsDefinition, moment: datetime) -> LaunchSpec | None:
    """The newest partition that is complete at `moment`; None before the first."""
    key = newest_complete(partitions, moment)
    return None if key is None else LaunchSpec(key)


def over_range(
    table: str, partitions: TimeWindowPartitionsDefinition, backfill: Backfill, first: str, last: str
) -> list[LaunchSpec]:
    """The runs of a backfill from `first` to `last`, as many partitions to each as the entry says. Raises ConfigError
    for keys of none.
    """
    keys = keys_between(table, partitions, first, last)
    each = backfill.partitions_per_run
    size = len(keys) if each == "all" else each
    chunks = [keys[position : position + size] for position in range(0, len(keys), size)]
    return [
        LaunchSpec(chunk[0]) if len(chunk) == 1 else LaunchSpec(tags=_range_tags(chunk[0], chunk[-1]))
        for chunk in chunks
    ]


def describe_request(group: Group, moment: datetime, asked: LaunchSpec) -> str:
    """What `run --at` takes, where nothing says that the schedule ticks at that time."""
    local = moment.astimezone(group.zone)
    window = f"the partition {asked.partition}" if asked.partition else f"the window {asked.tags[WINDOW_TAG]}"
    tick = last_tick(group, moment)
    if tick == moment:
        return f"{group.name}: the tick of {local:%Y-%m-%d %H:%M}, {window}"
    why = f"its schedule's last tick was {tick.astimezone(group.zone):%Y-%m-%d %H:%M}" if tick else "it has no schedule"
    return f"{group.name}: {window}, as of {local:%Y-%m-%d %H:%M} ({group.zone.key}); no tick is then, {why}"


def last_tick(group: Group, moment: datetime) -> datetime | None:
    """The newest tick of the group's schedule at or before `moment`; None without a schedule."""
    # Dagster counts a tick that is due at this moment as one to come.
    later = datetime.fromtimestamp(moment.timestamp() + 1, UTC)
    ticks = [get_latest_completed_cron_tick(cron, later, group.zone.key) for cron in group.crons]
    return max((tick.astimezone(UTC) for tick in ticks if tick is not None), default=None)


def _range_tags(first: str, last: str) -> dict[str, str]:
    return {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last}
