"""A published window as metadata: Dagster's UI shows it, and batch_jobs is written from it."""

import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pyarrow as pa
from dagster import AssetKey, MetadataValue, TableColumn, TableColumnDep, TableColumnLineage, TableSchema

from aggregation_pipeline.assets.configured_table import ConfiguredTable
from aggregation_pipeline.assets.display import markdown_cell, markdown_table, readable_size
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.export.checks.results import counted_rows
from aggregation_pipeline.export.publishing import ExportedWindow
from aggregation_pipeline.formats.common.field_metadata import source_type
from aggregation_pipeline.resources.publisher import Publisher
from aggregation_pipeline.runs.tags import (
    ATTEMPT_KEY,
    BYTES_KEY,
    COLUMN_LINEAGE_KEY,
    COLUMN_SCHEMA_KEY,
    FILES_KEY,
    ITEMS_KEY,
    PARTITION_ROW_COUNT_KEY,
    PLATFORM_KEY,
    ROW_COUNT_KEY,
    SECONDS_KEY,
    SOURCE_KEY,
    STAGE_SECONDS_KEY,
    TABLE_KEY,
    URI_KEY,
    WINDOW_KEY,
)
from aggregation_pipeline.source.lineage import source_columns
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.manifest import ManifestFile

Metadata = dict[str, Any]
# The lineage of columns is stored with each event: thousands of shards would make it as large as the data.
_SHARDS_IN_LINEAGE: Final = 16


def window_metadata(
    exported: ExportedWindow,
    table: ConfiguredTable,
    publisher: Publisher,
    *,
    selected: Collection[AssetKey],
    seconds: float,
    attempt: int,
) -> Mapping[AssetKey, Metadata]:
    """Return the metadata of every asset of a window, the manifest last.

    What was made without being selected is among them: all formats of a table that was materialized alone, and always
    the manifest.

    Args:
        exported: the window.
        table: its table.
        publisher: where it is published.
        selected: the assets that the run was asked for.
        seconds: how long the window took, waiting for its lock included.
        attempt: of the op, from 1 on.
    """
    entry = table.entry
    by_asset: dict[AssetKey, Metadata] = {}
    if table.keys.table in selected:
        by_asset[table.keys.table] = _table_metadata(exported, entry, list(table.source_assets))
    for name in dict.fromkeys(file.format for file in exported.files):
        by_asset[table.keys.export(name)] = _format_metadata(exported, name, publisher)
    by_asset[table.keys.manifest] = {
        **_manifest_metadata(exported, publisher),
        PLATFORM_KEY: entry.platform,
        **({SOURCE_KEY: entry.source} if entry.source else {}),
        SECONDS_KEY: round(seconds, 3),
        STAGE_SECONDS_KEY: MetadataValue.json({stage: round(took, 3) for stage, took in exported.seconds.items()}),
        ATTEMPT_KEY: attempt,
    }
    if table.partitions is not None:
        for metadata in by_asset.values():
            metadata[PARTITION_ROW_COUNT_KEY] = metadata.pop(ROW_COUNT_KEY)
    return by_asset


def _table_metadata(exported: ExportedWindow, entry: TableEntry, sources: Sequence[AssetKey]) -> Metadata:
    """Of the table's own asset: rows by dataset, columns and where they come from, SQL, a preview of the summary.

    Numbers stay numbers, so that the UI draws their history.
    """
    manifest = exported.manifest
    metadata: Metadata = {
        # Not the sum of both datasets: the page of the asset shows this as the rows of the table.
        ROW_COUNT_KEY: counted_rows(manifest),
        **_column_metadata(exported, entry, sources),
        "window": manifest.window,
        "consistency": manifest.consistency,
        "engines": manifest.engines,
        **{f"{stage} seconds": round(seconds, 3) for stage, seconds in exported.seconds.items()},
    }
    for dataset in manifest.datasets:
        metadata |= {
            f"{dataset.name} rows": dataset.rows,
            f"{dataset.name} order": dataset.order,
            f"{dataset.name} truncated": dataset.truncated,
            f"{dataset.name} SQL": MetadataValue.md(f"```sql\n{dataset.sql}\n```"),
        }
    if exported.preview is not None:
        metadata["summary preview"] = MetadataValue.md(markdown_table(exported.preview))
    return metadata


def _column_metadata(exported: ExportedWindow, entry: TableEntry, sources: Sequence[AssetKey]) -> Metadata:
    """The columns of both datasets, and the source columns that each is computed from, in some of many shards."""
    origins = {
        f"{dataset}.{column}": columns
        for dataset, schema in exported.schemas.items()
        for column, columns in source_columns(entry, dataset, schema.names).items()
    }
    columns = [
        column
        for dataset, schema in exported.schemas.items()
        for column in _columns(dataset, schema, origins, exported.comments, entry.source_table.name)
    ]
    lineage = {
        name: [TableColumnDep(source, column) for source in sources[:_SHARDS_IN_LINEAGE] for column in found]
        for name, found in origins.items()
        if found
    }
    return {COLUMN_SCHEMA_KEY: TableSchema(columns), COLUMN_LINEAGE_KEY: TableColumnLineage(lineage)}


def _columns(
    dataset: str, schema: pa.Schema, origins: Mapping[str, Sequence[str]], comments: Mapping[str, str], source: str
) -> Iterator[TableColumn]:
    for field in schema:
        # One asset holds both datasets. A column that both have would be the same name twice.
        name = f"{dataset}.{field.name}"
        origin = origins.get(name, ())
        # A column's comment says what its values mean. A figure that is computed from the column changes that only in
        # part.
        comment = comments.get(origin[0], "") if len(origin) == 1 else ""
        # As text too: the open-source UI does not draw the lineage of columns.
        computed_from = f"from {', '.join(f'{source}.{column}' for column in origin)}" if origin else ""
        description = "; ".join(filter(None, (comment, computed_from))) or None
        yield TableColumn(name, source_type(field) or "?", description=description)


def _format_metadata(exported: ExportedWindow, name: str, publisher: Publisher) -> Metadata:
    """Of one format's asset: its files, where they are, how to get them, and how many values had to be changed."""
    store, files = publisher.store, [file for file in exported.manifest.files if file.format == name]
    size = sum(file.bytes for file in files)
    changed = {
        note: sum(file.notes.get(note, 0) for file in files)
        for note in sorted({note for file in files for note in file.notes})
    }
    lines = [
        f"- `{store.uri(exported.shown_key(file))}` ({file.rows:,} rows, {readable_size(file.bytes)})" for file in files
    ]
    return {
        ROW_COUNT_KEY: counted_rows(exported.manifest),
        URI_KEY: store.uri(exported.shown_key(files[0])) if files else "",
        "window": exported.manifest.window,
        "bytes": size,
        "size": readable_size(size),
        "files": MetadataValue.md("\n".join(lines)),
        **(_download_metadata(exported, files, publisher) if files else {}),
        **({"changed values": MetadataValue.json(changed)} if any(changed.values()) else {}),
    }


def _download_metadata(exported: ExportedWindow, files: Sequence[ManifestFile], publisher: Publisher) -> Metadata:
    """How to get the files: OSS's console, a command, and presigned links if they are configured.

    A presigned link lets anybody in until it expires, and everyone who uses Dagster sees metadata. So links are written
    only if they are configured (`link_seconds`). OSS's console checks who may see the bucket.
    """
    store, manifest, link_seconds = publisher.store, exported.manifest, publisher.link_seconds
    metadata: Metadata = {}
    if page := store.page(exported.shown_key(files[0])):
        command = ["aggregation-pipeline", "download", "--table", manifest.table, "--window", manifest.window]
        metadata |= {"console": MetadataValue.url(page), "download": MetadataValue.md(f"`{shlex.join(command)}`")}
    if not link_seconds:
        return metadata
    links = [(file.name, store.link(file.key, link_seconds)) for file in files]
    if any(link for _, link in links):
        lines = [f"- [{markdown_cell(name)}]({link})" for name, link in links]
        metadata["links"] = MetadataValue.md("\n".join(lines))
        metadata["links expire"] = MetadataValue.timestamp(datetime.now(UTC) + timedelta(seconds=link_seconds))
    return metadata


def _manifest_metadata(exported: ExportedWindow, publisher: Publisher) -> Metadata:
    """Of the manifest's asset, which speaks for the whole window: `aggregation/` keys are projected into batch_jobs."""
    manifest = exported.manifest
    size = sum(file.bytes for file in manifest.files)
    return {
        ROW_COUNT_KEY: counted_rows(manifest),
        URI_KEY: publisher.manifest_uri(manifest.table, manifest.window),
        TABLE_KEY: manifest.table,
        WINDOW_KEY: manifest.window,
        ITEMS_KEY: manifest.rows,
        BYTES_KEY: size,
        "size": readable_size(size),
        FILES_KEY: MetadataValue.json([_file_record(exported, file, publisher.store) for file in exported.files]),
    }


def _file_record(exported: ExportedWindow, file: ManifestFile, store: ObjectStore) -> Mapping[str, Any]:
    """One file as `run --json` and batch_jobs have it, under its stable name: that outlives this version."""
    return {
        "table": exported.manifest.table,
        "format": file.format,
        "dataset": file.dataset,
        "uri": store.uri(exported.shown_key(file)),
        "rows": file.rows,
        "bytes": file.bytes,
        "crc64": file.crc64,
    }
