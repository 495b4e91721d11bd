"""The MySQL tables that entries read, as external assets: the beginning of the lineage."""

from collections.abc import Iterable

from dagster import AssetSpec

from aggregation_pipeline.assets.names import source_key
from aggregation_pipeline.config.model import TableEntry
from aggregation_pipeline.runs.asset_keys import SOURCES_GROUP


def source_of(entry: TableEntry, database: str) -> AssetSpec:
    """Return the external asset for an entry's source table; `database` is the connection's own."""
    name = entry.source
    schema = name.database or database
    return AssetSpec(
        source_key(schema, name.name),
        group_name=SOURCES_GROUP,
        kinds={"mysql", "table"},
        description=f"The MySQL table {name.name} of {schema}, read and never written.",
        metadata={"dagster/table_name": f"{schema}.{name.name}"},
    )


def build_sources(entries: Iterable[tuple[TableEntry, str]]) -> list[AssetSpec]:
    """Return one external asset for each distinct source table of the (entry, connection's database) pairs."""
    return list({spec.key: spec for spec in (source_of(entry, database) for entry, database in entries)}.values())
