"""The source tables that entries read, as Dagster shows them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from dagster import AssetKey, AssetSpec, MetadataValue

from aggregation_pipeline.assets.keys import source_key
from aggregation_pipeline.config.source_kinds import dialect_of
from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.runs.asset_keys import SOURCES_GROUP, place_of
from aggregation_pipeline.runs.tags import LAST_UPDATED_KEY, ROW_COUNT_KEY, SOURCE_KEY, TABLE_NAME_KEY
from aggregation_pipeline.storage.manifest import Manifest

if TYPE_CHECKING:
    from aggregation_pipeline.source.table_state import TableState


def sources_of(entry: TableEntry, database: str, prefix: tuple[str, ...] = ()) -> dict[AssetKey, TableName]:
    """Return the source tables of an entry, several if it reads shards, each with its database, and its schema.

    `database` is the connection's own, for source tables that are named without one.
    """
    places = {key: place_of(entry, table, database) for key, table in named_by_entry(entry, database, prefix).items()}
    return {key: TableName(".".join(place[:-1]), place[-1]) for key, place in places.items()}


def named_by_entry(entry: TableEntry, database: str, prefix: tuple[str, ...] = ()) -> dict[AssetKey, TableName]:
    """Return the same as the entry names them, which is what the server can be asked for.

    Of PostgreSQL's tables the first part is a schema, and no database can stand in its place.
    """
    return {
        source_key(*place_of(entry, table, database), source=entry.source, prefix=prefix, kind=entry.source_kind): table
        for table in entry.shards
    }


def source_spec(
    key: AssetKey, table: TableName, source: str | None = None, readers: Sequence[str] = (), kind: str = "mysql"
) -> AssetSpec:
    """Return the asset of a source table.

    Args:
        key: of the asset.
        table: with its database.
        source: the name of the database server, for tables of one that has a name.
        readers: the names of all entries that read the table.
        kind: of the source.
    """
    where = f"{table.database}, in the source {source}" if source else table.database
    read_by = f" Read by {', '.join(readers)}." if readers else ""
    return AssetSpec(
        key,
        group_name=SOURCES_GROUP,
        kinds={kind, "table"},
        description=f"The {dialect_of(kind).title} table {table.name} of {where}, read and never written.{read_by}",
        metadata={TABLE_NAME_KEY: str(table)} | ({SOURCE_KEY: source} if source else {}),
    )


def source_metadata(state: "TableState", rows: int | None = None) -> dict[str, Any]:
    """Return the metadata of an observed source table.

    Args:
        state: what the server knows without reading the table.
        rows: how many rows the table has, if a run has read them all.
    """
    from aggregation_pipeline.assets.display import readable_size

    now = datetime.now(UTC)
    # A row may carry a date in the future; nothing was written in the future.
    moments = [moment for moment in (state.changed, state.newest_at) if moment is not None and moment <= now]
    metadata: dict[str, Any] = {
        ROW_COUNT_KEY: rows,
        "estimated rows": state.rows,
        **{f"newest {column}": value for column, value in state.newest.items()},
        "last write": state.changed and MetadataValue.timestamp(state.changed),
        # The UI shows this as the time of the table's last update.
        LAST_UPDATED_KEY: MetadataValue.timestamp(max(moments)) if moments else None,
        "bytes": state.bytes,
        "size": None if state.bytes is None else readable_size(state.bytes),
    }
    return {name: value for name, value in metadata.items() if value is not None}


def source_row_count(entry: TableEntry, manifest: Manifest) -> int | None:
    """Return the rows of the source table, if the window's detail holds all of them, and no others; else None."""
    if entry.where is not None or entry.partition is not None or len(entry.shards) > 1:
        return None
    complete = (dataset.rows for dataset in manifest.datasets if dataset.name == "detail" and not dataset.truncated)
    return next(complete, None)
