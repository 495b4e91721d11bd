"""Which windows a run is over: from what it was launched with to what is read.

`automation/run_requests.py` decides what a run is launched with. The op and `plan` both come here for the windows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from dagster import AssetExecutionContext

from aggregation_pipeline.assets.configured_table import ConfiguredTable
from aggregation_pipeline.assets.partitions import require_partition, time_range_of
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline.resources.publisher import Publisher
from aggregation_pipeline.runs.logical_time import logical_time, named_window
from aggregation_pipeline.source.request import ReadRequest, ZeroDatesPolicy
from aggregation_pipeline.source.time_range import TimeRange


@dataclass(frozen=True)
class RequestedWindow:
    """One window that a run is over.

    Attributes:
        name: the name of the window.
        logical_time: the moment that it is read as of.
        zone: of the database's session.
        partition: the rows that are read; None for a table that is read whole.
    """

    name: str
    logical_time: datetime
    zone: ZoneInfo
    partition: TimeRange | None = None

    @property
    def partition_key(self) -> str | None:
        """Dagster's key of the partition; None for a table that is read whole."""
        return None if self.partition is None else self.partition.key

    def read_request(self, entry: TableEntry, zero_dates: ZeroDatesPolicy) -> ReadRequest:
        """Return what is read for the window."""
        return ReadRequest(entry, self.name, self.logical_time, self.zone, zero_dates, self.partition)


def windows_of_run(
    context: AssetExecutionContext, table: ConfiguredTable, publisher: Publisher
) -> Sequence[RequestedWindow]:
    """Return the windows of the run that is under way.

    Raises:
        ConfigError: the table is partitioned and the run has no partition, or a tag of the run cannot be used.
        StorageError: a format is wanted on its own, and there is no window to render it from.
    """
    entry = table.entry
    if table.partitions is not None and entry.partition is not None:
        if not (context.has_partition_key or context.has_partition_key_range):
            raise ConfigError(
                f"the table is partitioned by {entry.partition.every} of {entry.partition.column}, and this run was"
                " launched without a partition. Choose one in the launchpad, materialize the asset from its page, or"
                " run `aggregation-pipeline run`, which takes the newest that is complete."
            )
        return partition_windows(table, context.partition_keys)
    moment = logical_time(context.run, context.instance)
    if table.keys.table in context.selected_asset_keys:
        return [whole_table_window(table, context.run.tags, moment)]
    # A format on its own is rendered from the data that is there, whatever day it is.
    return [RequestedWindow(publisher.latest_manifest(entry.name).window, moment, table.zone)]


def whole_table_window(table: ConfiguredTable, tags: Mapping[str, str], moment: datetime) -> RequestedWindow:
    """Return the window of a table without partitions, in a run with these tags that stands for `moment`.

    Raises:
        ConfigError: the tag with the window's name is wrong.
    """
    return RequestedWindow(named_window(tags, moment, table.zone), moment, table.zone)


def partition_windows(table: ConfiguredTable, keys: Iterable[str]) -> Sequence[RequestedWindow]:
    """Return the windows of these partitions. The logical time of each is its end.

    Raises:
        ConfigError: a key belongs to no partition.
    """
    definition, partition = table.partitions, table.entry.partition
    if definition is None or partition is None:
        return ()
    zone, windows = ZoneInfo(definition.timezone), []
    for key in keys:
        require_partition(table.entry.name, definition, key)
        time_range = time_range_of(partition, definition, key)
        windows.append(RequestedWindow(time_range.key, time_range.end, zone, time_range))
    return windows
