"""One table as this deployment runs it: its entry, and what the settings add to it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from dagster import AssetKey, TimeWindowPartitionsDefinition

from aggregation_pipeline.assets.keys import TableKeys
from aggregation_pipeline.assets.source_specs import sources_of
from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.runs.asset_keys import DEPLOYMENT, Scope

if TYPE_CHECKING:
    from aggregation_pipeline.source.options import SourceOptions


@dataclass(frozen=True)
class ConfiguredTable:
    """An entry and everything else that its op needs; the same for all its runs.

    Attributes:
        formats: the formats that the table is exported in.
        source: returns where the database is when a run asks for it. Without one, only running fails, not loading.
        database: the connection's own database.
        zone: of its schedule, of its windows without a partition, and of the database's session.
        partitions: None for a table that is read whole.
        crons: when it runs, in five fields; empty for a table that only people start.
        config: the YAML file with the entry.
        scope: what its names in Dagster begin with.
    """

    entry: TableEntry
    formats: Sequence[str]
    source: "Callable[[], SourceOptions]"
    database: str
    zone: ZoneInfo
    partitions: TimeWindowPartitionsDefinition | None = None
    crons: tuple[str, ...] = ()
    config: Path | None = None
    scope: Scope = DEPLOYMENT

    @property
    def keys(self) -> TableKeys:
        """The keys of its assets."""
        return TableKeys(self.entry.name, self.scope.key_prefix)

    @property
    def source_assets(self) -> dict[AssetKey, TableName]:
        """Its source tables by their keys, several if it reads shards, each with its database."""
        return sources_of(self.entry, self.database, self.scope.key_prefix)

    @property
    def partition_columns(self) -> dict[str, ZoneInfo]:
        """The column that the partitions are cut by, with the zone of its values; empty without partitions."""
        partition = self.entry.partition
        if partition is None or self.partitions is None or self.entry.issues:
            return {}
        return {partition.column: ZoneInfo(partition.column_timezone or self.partitions.timezone)}
