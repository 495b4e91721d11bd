"""Which windows a launch asks for: schedules, `run`, `run --at`, `backfill`, `POST /aggregate` and `plan` all ask here.

Two questions are answered. Which runs does a launch start, and with what (`Launch`)? Which windows will such a run
write (`windows_of`)? The op of a table answers the second one by the same functions, from its run's tags.

Partitions that were missed while the service was down are the one exception. Dagster finds them itself, by the
condition that assets/partitions.py gives each table (`catch_up_condition`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from dagster import TimeWindowPartitionsDefinition
from dagster._utils.schedules import get_latest_completed_cron_tick

from aggregation_pipeline.assets.configured_table import ConfiguredTable
from aggregation_pipeline.assets.needs import needs_of
from aggregation_pipeline.assets.partitions import keys_between, newest_complete
from aggregation_pipeline.assets.windows_of_run import RequestedWindow, partition_windows, whole_table_window
from aggregation_pipeline.automation.job_groups import Group
from aggregation_pipeline.config.partitions import Backfill
from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline.instance.run_needs import tags_of
from aggregation_pipeline.runs.logical_time import tick_tags
from aggregation_pipeline.runs.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG, WINDOW_TAG


def no_partition_yet(table: ConfiguredTable) -> str:
    """Return why a partitioned table cannot run yet, for who left it out or ran nothing else."""
    file = f" in {table.config.name}" if table.config else ""
    return f"no partition is complete yet; partition.start{file} says where the first begins"


@dataclass(frozen=True)
class LaunchSpec:
    """The partition or the tags that one run is launched with.

    Without both, the run stands for the moment of its creation and takes tables whole.
    """

    partition: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Launch:
    """One run of a group's job over some of its tables."""

    group: Group
    tables: tuple[ConfiguredTable, ...]
    spec: LaunchSpec

    @property
    def names(self) -> list[str]:
        """The names of the entries."""
        return [table.entry.name for table in self.tables]


@dataclass(frozen=True)
class Launches:
    """What a command starts: one run after the other, and the tables that have no complete partition yet."""

    runs: tuple[Launch, ...]
    waiting: tuple[ConfiguredTable, ...]

    def require_any(self) -> None:
        """Raise ConfigError where all tables wait for their first partition."""
        if not self.runs:
            names = ", ".join(table.entry.name for table in self.waiting)
            raise ConfigError(f"{names}: {no_partition_yet(self.waiting[0])}")


@dataclass(frozen=True)
class Part:
    """Tables of one group that one run computes.

    Attributes:
        name: tells the parts of a group apart, now and when the same tick is evaluated again; empty for the tables
            that nothing takes out of the group's run.
    """

    name: str
    tables: tuple[ConfiguredTable, ...]


def divided(tables: Sequence[ConfiguredTable]) -> list[Part]:
    """Divide tables of one group into those that share a run.

    Each with `runs: per_table` has one of its own, and a run has one queue.
    """
    parts: dict[tuple[str | None, str | None], list[ConfiguredTable]] = {}
    for table in tables:
        entry = table.entry
        alone = entry.runs == "per_table"
        parts.setdefault((entry.name, None) if alone else (None, entry.queue), []).append(table)
    return [
        Part(name or (f"queue {queue}" if queue else ""), tuple(members)) for (name, queue), members in parts.items()
    ]


def needed_tags(tables: Sequence[ConfiguredTable]) -> dict[str, str]:
    """The tags of a run over these tables that say what it needs of the machine that computes it."""
    return tags_of(needs_of(table.entry) for table in tables)


def launches(
    groups: Sequence[Group], names: Collection[str] | None, *, now: datetime, tick: datetime | None = None
) -> Launches:
    """What a command over the tables `names` (None: all) starts `now`, or, to repeat a schedule's tick, as of `tick`.

    A run belongs to one job, so tables of several groups become several runs; and those of one group, where they are
    divided (`divided`).
    """
    runs: list[Launch] = []
    waiting: list[ConfiguredTable] = []
    wanted = None if names is None else set(names)
    for group in groups:
        tables = tuple(table for table in group.tables if wanted is None or table.entry.name in wanted)
        if not tables:
            continue
        spec = by_hand(group, now) if tick is None else at_tick(group, tick)
        if spec is None:
            waiting += tables
        else:
            runs += [Launch(group, part.tables, spec) for part in divided(tables)]
    return Launches(tuple(runs), tuple(waiting))


def backfill_launches(groups: Sequence[Group], name: str, first: str, last: str) -> Sequence[Launch]:
    """The runs that fill the partitions of table `name` from `first` to `last`, both included.

    Raises:
        ConfigError: the table has no partitions, or none of these.
    """
    return range_launches(groups, [name], first, last)


def range_launches(groups: Sequence[Group], names: Sequence[str], first: str, last: str) -> Sequence[Launch]:
    """The runs that fill the partitions from `first` to `last` of several tables.

    Those of one job share its runs, unless they are divided.

    Raises:
        ConfigError: as for `backfill_launches`.
    """
    shared: dict[tuple[str, str, object, frozenset[tuple[str, str]]], Launch] = {}
    places = {table.entry.name: (table, group) for group in groups for table in group.tables}
    # The tables of a group have the same partitions, and listing them takes long.
    known: dict[tuple[str, Backfill], list[LaunchSpec]] = {}
    for name in names:
        table, group = places[name]
        if table.partitions is None:
            file = table.config.name if table.config else "the configuration"
            raise ConfigError(
                f"table {name!r} has no partition in {file}, so there is nothing to fill: run it as it is"
            )
        place = group.name, table.entry.backfill
        if place not in known:
            known[place] = over_range(name, table.partitions, table.entry.backfill, first, last)
        (part,) = divided([table])
        for spec in known[place]:
            key = (group.name, part.name, spec.partition, frozenset(spec.tags.items()))
            earlier = shared.get(key)
            shared[key] = Launch(group, (*(earlier.tables if earlier else ()), table), spec)
    return list(shared.values())


def windows_of(table: ConfiguredTable, spec: LaunchSpec, now: datetime) -> Sequence[RequestedWindow]:
    """The windows of `table` that a run writes which is launched `now` with `spec`."""
    if spec.partition is not None:
        return partition_windows(table, [spec.partition])
    return [whole_table_window(table, spec.tags, now)]


def is_more_than_daily(crons: Sequence[str]) -> bool:
    """Whether crons of five fields can tick twice on one day: then a date does not name their window."""
    minute, hour, *_ = crons[0].split()
    return len(crons) > 1 or not (minute.isdigit() and hour.isdigit())


def at_tick(group: Group, moment: datetime) -> LaunchSpec | None:
    """What a tick of the group's schedule at `moment` starts; None where no partition is complete yet.

    It asks for the newest partition, or for the window that is named by the moment.
    """
    if group.partitions is not None:
        return newest(group.partitions, moment)
    return LaunchSpec(
        tags=tick_tags(moment, group.zone, more_than_daily=is_more_than_daily(group.crons or ("* * * * *",)))
    )


def by_hand(group: Group, now: datetime) -> LaunchSpec | None:
    """What a run is launched with that somebody starts `now`; None where no partition is complete yet."""
    return LaunchSpec() if group.partitions is None else newest(group.partitions, now)


def newest(partitions: TimeWindowPartitionsDefinition, moment: datetime) -> LaunchSpec | None:
    """The newest partition that is complete at `moment`; None before the first."""
    key = newest_complete(partitions, moment)
    return None if key is None else LaunchSpec(key)


def over_range(
    table: str, partitions: TimeWindowPartitionsDefinition, backfill: Backfill, first: str, last: str
) -> list[LaunchSpec]:
    """The runs of a backfill from `first` to `last`, with as many partitions each as the entry says.

    Raises:
        ConfigError: no partition has such a key.
    """
    keys = keys_between(table, partitions, first, last)
    each = backfill.partitions_per_run
    size = len(keys) if each == "all" else each
    chunks = [keys[position : position + size] for position in range(0, len(keys), size)]
    return [
        LaunchSpec(chunk[0]) if len(chunk) == 1 else LaunchSpec(tags=_range_tags(chunk[0], chunk[-1]))
        for chunk in chunks
    ]


def describe_launch(launch: Launch, moment: datetime) -> str:
    """What `run --at` is going to write, and whether the schedule ticks at that moment."""
    group, spec = launch.group, launch.spec
    local = moment.astimezone(group.zone)
    window = f"the partition {spec.partition}" if spec.partition else f"the window {spec.tags[WINDOW_TAG]}"
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
