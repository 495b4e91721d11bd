"""The windows of a run: from what it was launched with to what is read, for the op and for whoever wants to know
before.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from dagster import TimeWindowPartitionsDefinition

from aggregation_pipeline.assets.partitions import require_partition, window_of
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.runs.logical_time import named_window
from aggregation_pipeline.source.request import ReadRequest, ZeroDatesPolicy
from aggregation_pipeline.source.time_range import TimeRange


@dataclass(frozen=True)
class Target:
    """One window of a run. `partition` is None for a table that is taken whole."""

    name: str
    moment: datetime
    zone: ZoneInfo
    partition: TimeRange | None = None

    @property
    def key(self) -> str | None:
        """The partition's key, as Dagster has it."""
        return None if self.partition is None else self.partition.key

    def request(self, entry: TableEntry, zero_dates: ZeroDatesPolicy) -> ReadRequest:
        """What is read for it."""
        return ReadRequest(entry, self.name, self.moment, self.zone, zero_dates, self.partition)


def whole_table(tags: Mapping[str, str], moment: datetime, zone: ZoneInfo) -> Target:
    """The window of a table that is taken whole, in a run with these tags that stands for `moment`. Raises ConfigError
    for a wrong tag.
    """
    return Target(named_window(tags, moment, zone), moment, zone)


def partition_targets(
    entry: TableEntry, definition: TimeWindowPartitionsDefinition, keys: Iterable[str]
) -> Sequence[Target]:
    """The windows of a partitioned table; each stands for its end. Raises ConfigError for a key of no partition."""
    if entry.partition is None:
        return ()
    zone, targets = ZoneInfo(definition.timezone), []
    for key in keys:
        require_partition(entry.name, definition, key)
        window = window_of(entry.partition, definition, key)
        targets.append(Target(window.key, window.end, zone, window))
    return targets
