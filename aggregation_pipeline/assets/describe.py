"""What a window has become, as metadata that Dagster's UI draws and that batch_jobs is written from."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from dagster import MetadataValue, TableColumn, TableSchema

from aggregation_pipeline.export import Exported
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.manifest import ManifestFile

Metadata = dict[str, Any]


def table_metadata(exported: Exported) -> Metadata:
    """Metadata of the table's own asset: rows a dataset, columns, SQL, a preview of the summary."""
    manifest = exported.manifest
    metadata: Metadata = {
        "dagster/row_count": manifest.rows,
        "dagster/column_schema": TableSchema([column for name, schema in exported.schemas.items() for column in _columns(name, schema)]),
        "window": manifest.window,
        "consistency": manifest.consistency,
        "read seconds": round(exported.seconds["read"], 3),
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


def format_metadata(exported: Exported, name: str, store: ObjectStore) -> Metadata:
    """Metadata of one format's asset: its files, where they lie, and what had to be changed in them."""
    files = [file for file in exported.manifest.files if file.format == name]
    changed = {note: sum(file.notes.get(note, 0) for file in files) for note in sorted({note for file in files for note in file.notes})}
    return {
        "dagster/row_count": exported.manifest.rows,
        "dagster/uri": store.uri(files[0].key) if files else "",
        "window": exported.manifest.window,
        "bytes": sum(file.bytes for file in files),
        "files": MetadataValue.md("\n".join(f"- `{store.uri(file.key)}` ({file.rows:,} rows, {file.bytes:,} bytes)" for file in files)),
        **({"changed values": MetadataValue.json(changed)} if any(changed.values()) else {}),
    }


def manifest_metadata(exported: Exported, store: ObjectStore, uri: str, platform: str, seconds: float, attempt: int) -> Metadata:
    """Metadata of the manifest's asset, which speaks for the window as a whole: batch_jobs is projected from the `aggregation/` keys."""
    manifest = exported.manifest
    return {
        "dagster/row_count": manifest.rows,
        "dagster/uri": uri,
        "aggregation/table": manifest.table,
        "aggregation/platform": platform,
        "aggregation/window": manifest.window,
        "aggregation/items": manifest.rows,
        "aggregation/seconds": round(seconds, 3),
        "aggregation/bytes": sum(file.bytes for file in manifest.files),
        "aggregation/attempt": attempt,
        "aggregation/files": MetadataValue.json([file_record(manifest.table, file, store) for file in exported.files]),
    }


def file_record(table: str, file: ManifestFile, store: ObjectStore) -> Mapping[str, Any]:
    """One file, as `run --json` and batch_jobs name it."""
    return {
        "table": table,
        "format": file.format,
        "dataset": file.dataset,
        "uri": store.uri(file.key),
        "rows": file.rows,
        "bytes": file.bytes,
        "crc64": file.crc64,
    }


def markdown_table(table: pa.Table) -> str:
    """Lay out a few rows as Markdown; NULL is told from the text by its slant."""
    if not table.num_rows:
        return "*no rows*"
    lines = [table.column_names, ["---"] * table.num_columns]
    lines += [["*NULL*" if cell is None else _cell(cell) for cell in row.values()] for row in table.to_pylist()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: object) -> str:
    text = str(value).replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
    return text if len(text) <= 80 else f"{text[:79]}…"


def _columns(dataset: str, schema: pa.Schema) -> list[TableColumn]:
    # One asset holds both datasets: columns that both have would be one name twice.
    return [
        TableColumn(f"{dataset}.{field.name}", (field.metadata or {}).get(b"mysql_type", b"?").decode(), description=f"Arrow {field.type}")
        for field in schema
    ]
