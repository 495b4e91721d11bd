"""What is said of the MySQL tables that entries read."""

from collections.abc import Sequence
from datetime import UTC, datetime

from dagster import AssetSpec, MetadataValue

from aggregation_pipeline.assets.keys import source_key
from aggregation_pipeline.assets.metadata import Metadata, size
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.runs.asset_keys import SOURCES_GROUP
from aggregation_pipeline.runs.tags import LAST_UPDATED_KEY, ROW_COUNT_KEY, TABLE_NAME_KEY
from aggregation_pipeline.source.mysql.table_state import TableState
from aggregation_pipeline.storage.manifest import Manifest


def source_of(entry: TableEntry, database: str, readers: Sequence[str] = ()) -> AssetSpec:
    """Return the asset of an entry's source table; `database` is the connection's own, `readers` are the entries that
    read the table.
    """
    name = entry.source
    schema = name.database or database
    read_by = f" Read by {', '.join(readers)}." if readers else ""
    return AssetSpec(
        source_key(schema, name.name),
        group_name=SOURCES_GROUP,
        kinds={"mysql", "table"},
        description=f"The MySQL table {name.name} of {schema}, read and never written.{read_by}",
        metadata={TABLE_NAME_KEY: f"{schema}.{name.name}"},
    )


def source_metadata(state: TableState, rows: int | None = None) -> Metadata:
    """Metadata of an observed source table: what is known of it without reading it, and its `rows` where a run has read
    them all.
    """
    now = datetime.now(UTC)
    # A row may be dated ahead; nothing was written in the future.
    moments = [moment for moment in (state.changed, state.newest_at) if moment is not None and moment <= now]
    known: Metadata = {
        ROW_COUNT_KEY: rows,
        "rows, as the server estimates": state.rows,
        **{f"newest {column}": value for column, value in state.newest.items()},
        "last write": state.changed and MetadataValue.timestamp(state.changed),
        # By this one the UI draws when the table was updated.
        LAST_UPDATED_KEY: MetadataValue.timestamp(max(moments)) if moments else None,
        "bytes": state.bytes,
        "size": None if state.bytes is None else size(state.bytes),
    }
    return {name: value for name, value in known.items() if value is not None}


def rows_of_source(entry: TableEntry, manifest: Manifest) -> int | None:
    """How many rows the source table has, where the window's detail is all of them; None where that is not known."""
    if entry.where is not None or entry.partition is not None:
        return None
    return next(
        (dataset.rows for dataset in manifest.datasets if dataset.name == "detail" and not dataset.truncated), None
    )
