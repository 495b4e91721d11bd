"""A table with `refresh` on a server, asked for its keys as runs and as the sensor ask."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from aggregation_pipeline.assets.partitions import partitions_of, time_range_of
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.source.mysql.reader import read_extract
from aggregation_pipeline.source.mysql.refresh_keys import read_keys
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline.source.time_range import TimeRange
from aggregation_pipeline_tests.support.reading import ignore_progress, options_for
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

# The clock is set back at 01:00 UTC of the second: that day has 25 hours, and 02:30 comes twice.
DAYS = ["2026-10-24", "2026-10-25", "2026-10-26"]


@dataclass(frozen=True)
class Table:
    """The table `e` on a server, or its shards."""

    server: MySQLServer
    database: str
    folder: Path

    def ranges(self, entry: TableEntry, days: Sequence[str]) -> list[TimeRange]:
        assert entry.partition is not None
        definition = partitions_of(entry.partition, ZoneInfo("UTC"))
        keys = [key for key in definition.get_partition_keys() if key[:10] in days]
        return [time_range_of(entry.partition, definition, key) for key in keys]

    def seen_by_runs(self, entry: TableEntry, ranges: Sequence[TimeRange]) -> Mapping[str, str]:
        """What a run over each partition stores."""
        options = options_for(self.server, self.database)
        return {
            each.key: read_extract(self.request(entry, each), options, self.folder, ignore_progress).refresh_key
            for each in ranges
        }

    def asked_for(self, entry: TableEntry, ranges: Sequence[TimeRange]) -> Mapping[str, str]:
        """What the sensor is told, in a session of another moment and so of another offset."""
        sample = ReadRequest(entry, "", datetime(2026, 7, 1, tzinfo=UTC), ZoneInfo("Europe/Berlin"))
        return read_keys(entry, ranges, options_for(self.server, self.database), seconds=20, zone_of=sample)

    def request(self, entry: TableEntry, partition: TimeRange) -> ReadRequest:
        return ReadRequest(entry, partition.key, partition.end, ZoneInfo("Europe/Berlin"), partition=partition)


def entry_of(key: object, *, column: str = "dt", every: str = "day", **keys: object) -> TableEntry:
    partition = {"column": column, "every": every, "start": "2026-10-24", "timezone": "Europe/Berlin"}
    refresh = {"look_back": "14d", "key": key, **({"allow_scan": True} if keys.pop("scanned", False) else {})}
    values = {"name": "e", "select_fields": ["id"], "partition": partition, "refresh": refresh}
    return TableEntry.model_validate(values | keys)


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    return [key for key in before if before[key] != after[key]]
