"""Which tables run together: one job, and one schedule, for each distinct pair of crons and partitions.

A job over assets with different partitions cannot be launched. A job over partitioned and other assets fails halfway
when it is launched without a partition. So tables that differ in either belong to different jobs.
"""

import hashlib
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final
from zoneinfo import ZoneInfo

from dagster import TimeWindowPartitionsDefinition

from aggregation_pipeline.assets.configured_table import ConfiguredTable
from aggregation_pipeline.assets.partitions import PERIODS
from aggregation_pipeline.automation.job_names import cron_words
from aggregation_pipeline.project import Project

AGGREGATE_JOB: Final = "aggregate"
# A name of several crons can be longer; nobody would read the rest.
_MAX_NAME: Final = 100
# A description lists so many tables; a group may have hundreds.
NAMES_SHOWN: Final = 20


@dataclass(frozen=True)
class Group:
    """Tables that one job computes.

    Attributes:
        crons: when it runs, in five fields; empty for a job that only people start.
        zone: in which the crons are read.
        partitions: of each table; None for tables that are taken whole.
    """

    name: str
    tables: tuple[ConfiguredTable, ...]
    crons: tuple[str, ...]
    zone: ZoneInfo
    partitions: TimeWindowPartitionsDefinition | None

    @property
    def names(self) -> list[str]:
        """The names of the entries."""
        return [table.entry.name for table in self.tables]


def group_tables(tables: Sequence[ConfiguredTable], *, cron: str, zone: ZoneInfo) -> tuple[Group, ...]:
    """Return the groups in the order of their first tables.

    The group of the global `cron` and `zone`, without partitions, is called `aggregate`.
    """
    found: dict[tuple[object, ...], list[ConfiguredTable]] = {}
    for table in tables:
        partitioning = table.partitions and table.partitions.get_serializable_unique_identifier()
        found.setdefault((table.crons, table.zone.key if table.crons else None, partitioning), []).append(table)
    # A job is a graph to Dagster, which refuses a graph with the name of an op.
    ops = {table.scope.op_name(table.entry.name) for table in tables}
    groups: dict[str, Group] = {}
    for identity, members in found.items():
        first = members[0]
        # The first group of a name keeps it. So a table that is added further down in aggregation.yaml does not rename
        # a job, whose history depends on its name.
        names = map(first.scope.named, _names(first, cron, zone, identity))
        name = next(name for name in names if name not in groups and name not in ops)
        groups[name] = Group(name, tuple(members), first.crons, first.zone, first.partitions)
    return tuple(groups.values())


def groups_of(project: Project, tables: Collection[ConfiguredTable] | None = None) -> tuple[Group, ...]:
    """Return the groups of a deployment's tables; with `tables`, only what each has of them."""
    groups = group_tables(project.tables, cron=project.cron, zone=project.settings.zone)
    if tables is None:
        return groups
    # The name of a group depends on all groups.
    names = {table.entry.name for table in tables}
    parts = (replace(group, tables=tuple(one for one in group.tables if one.entry.name in names)) for group in groups)
    return tuple(part for part in parts if part.tables)


def _names(table: ConfiguredTable, cron: str, zone: ZoneInfo, identity: object) -> Iterator[str]:
    """Possible names of the job, the shortest first; the last one is unique."""
    digest = hashlib.sha256(repr(identity).encode()).hexdigest()[:6]
    name = _name(table, cron, zone)
    if len(name) > _MAX_NAME:
        name = f"{name[:_MAX_NAME].rstrip('_')}_{digest}"
    yield name
    if table.partitions is not None:
        yield f"{name}_from_{table.partitions.start:%Y_%m_%d}"
    yield f"{name}_{digest}"


def _name(table: ConfiguredTable, cron: str, zone: ZoneInfo) -> str:
    """A name that says when the job runs, and over which partitions: `aggregate_at_0200`."""
    partition = table.entry.partition
    if partition is None and table.crons == (cron,) and table.zone == zone:
        return AGGREGATE_JOB
    parts = [
        AGGREGATE_JOB,
        *([f"{PERIODS[partition.every]}_partitions"] if partition else []),
        *filter(None, ["_and_".join(map(cron_words, table.crons))]),
    ]
    if not table.crons:
        parts.append("by_hand")
    elif table.zone != zone:
        parts.append(re.sub(r"\W", "_", table.zone.key))
    return "_".join(parts)
