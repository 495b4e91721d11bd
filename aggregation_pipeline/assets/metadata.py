"""What a window has become, as metadata that Dagster's UI draws and that batch_jobs is written from."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
from dagster import AssetKey, MetadataValue, TableColumn, TableColumnDep, TableColumnLineage, TableSchema

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.export.checks.results import counted_rows
from aggregation_pipeline.export.publishing import ExportedWindow
from aggregation_pipeline.formats.common.column_text import shown_text
from aggregation_pipeline.runs.tags import (
    ATTEMPT_KEY,
    BYTES_KEY,
    COLUMN_LINEAGE_KEY,
    COLUMN_SCHEMA_KEY,
    FILES_KEY,
    ITEMS_KEY,
    PLATFORM_KEY,
    ROW_COUNT_KEY,
    SECONDS_KEY,
    TABLE_KEY,
    URI_KEY,
    WINDOW_KEY,
)
from aggregation_pipeline.source.lineage import source_columns
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.manifest import ManifestFile

Metadata = dict[str, Any]


def table_metadata(exported: ExportedWindow, entry: TableEntry, source: AssetKey) -> Metadata:
    """Metadata of the table's own asset: rows a dataset, columns and what they are made of, SQL, a preview of the
    summary.

    Numbers stand as numbers, so that the UI draws their history.
    """
    manifest = exported.manifest
    origins = {
        f"{name}.{column}": columns
        for name, schema in exported.schemas.items()
        for column, columns in source_columns(entry, name, schema.names).items()
    }
    metadata: Metadata = {
        # Not the sum of both datasets: it stands at the top of the asset's page, as the rows of a table.
        ROW_COUNT_KEY: counted_rows(manifest),
        COLUMN_SCHEMA_KEY: TableSchema(
            [
                column
                for name, schema in exported.schemas.items()
                for column in _columns(name, schema, origins, exported.comments, entry.source.name)
            ]
        ),
        COLUMN_LINEAGE_KEY: TableColumnLineage(
            {
                output: [TableColumnDep(source, column) for column in columns]
                for output, columns in origins.items()
                if columns
            }
        ),
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


def format_metadata(
    exported: ExportedWindow, name: str, store: ObjectStore, link_seconds: int | None = None
) -> Metadata:
    """Metadata of one format's asset: its files, where they lie, how to get them, and what had to be changed in them.

    Metadata stays in Dagster's database for good and is open to whoever reads it, so a presigned link, which lets
    anybody in while it lives, stands there only for `link_seconds` that somebody asked for. The page of OSS's console
    lets in who may see the bucket.
    """
    files = [file for file in exported.manifest.files if file.format == name]
    changed = {
        note: sum(file.notes.get(note, 0) for file in files)
        for note in sorted({note for file in files for note in file.notes})
    }
    return {
        ROW_COUNT_KEY: counted_rows(exported.manifest),
        URI_KEY: store.uri(exported.shown_key(files[0])) if files else "",
        "window": exported.manifest.window,
        "bytes": sum(file.bytes for file in files),
        "size": size(sum(file.bytes for file in files)),
        "files": MetadataValue.md(
            "\n".join(
                f"- `{store.uri(exported.shown_key(file))}` ({file.rows:,} rows, {size(file.bytes)})" for file in files
            )
        ),
        **_ways_to_get(exported, files, store, link_seconds),
        **({"changed values": MetadataValue.json(changed)} if any(changed.values()) else {}),
    }


def _ways_to_get(
    exported: ExportedWindow, files: Sequence[ManifestFile], store: ObjectStore, link_seconds: int | None
) -> Metadata:
    metadata: Metadata = {}
    manifest = exported.manifest
    page = store.page(exported.shown_key(files[0])) if files else None
    if page:
        command = shlex.join(
            ["aggregation-pipeline", "download", "--table", manifest.table, "--window", manifest.window]
        )
        metadata |= {"console": MetadataValue.url(page), "download": MetadataValue.md(f"`{command}`")}
    links = [(file.name, store.link(file.key, link_seconds)) for file in files] if link_seconds else []
    if any(link for _, link in links):
        metadata["links"] = MetadataValue.md("\n".join(f"- [{_cell(name)}]({link})" for name, link in links))
        metadata["links end"] = MetadataValue.timestamp(datetime.now(UTC) + timedelta(seconds=link_seconds or 0))
    return metadata


def manifest_metadata(
    exported: ExportedWindow, store: ObjectStore, uri: str, platform: str, seconds: float, attempt: int
) -> Metadata:
    """Metadata of the manifest's asset, which speaks for the window as a whole: batch_jobs is projected from the
    `aggregation/` keys.
    """
    manifest = exported.manifest
    return {
        ROW_COUNT_KEY: counted_rows(manifest),
        URI_KEY: uri,
        TABLE_KEY: manifest.table,
        PLATFORM_KEY: platform,
        WINDOW_KEY: manifest.window,
        ITEMS_KEY: manifest.rows,
        SECONDS_KEY: round(seconds, 3),
        BYTES_KEY: sum(file.bytes for file in manifest.files),
        "size": size(sum(file.bytes for file in manifest.files)),
        ATTEMPT_KEY: attempt,
        FILES_KEY: MetadataValue.json([file_record(exported, file, store) for file in exported.files]),
    }


def size(number: int) -> str:
    """Bytes for people: `1.2 MiB`. The UI shows a number as a row of digits."""
    amount, units = float(number), iter(("bytes", "KiB", "MiB", "GiB", "TiB", "PiB"))
    unit = next(units)
    while amount >= 1023.95 and (larger := next(units, None)):
        amount, unit = amount / 1024, larger
    return f"{number:,} bytes" if unit == "bytes" else f"{amount:.1f} {unit}"


def file_record(exported: ExportedWindow, file: ManifestFile, store: ObjectStore) -> Mapping[str, Any]:
    """One file, as `run --json` and batch_jobs name it: by its stable name, which outlives the version that the
    manifest names.
    """
    return {
        "table": exported.manifest.table,
        "format": file.format,
        "dataset": file.dataset,
        "uri": store.uri(exported.shown_key(file)),
        "rows": file.rows,
        "bytes": file.bytes,
        "crc64": file.crc64,
    }


def markdown_table(table: pa.Table) -> str:
    """Lay out a few rows as Markdown; NULL is told from the text by its slant.

    The files are published by now: Python objects, which some values cannot be, are not made.
    """
    if not table.num_rows:
        return "*no rows*"
    columns = [
        shown_text(column.combine_chunks(), field).to_pylist()
        for column, field in zip(table.columns, table.schema, strict=True)
    ]
    lines = [[_cell(name) for name in table.column_names], ["---"] * table.num_columns]
    lines += [["*NULL*" if cell is None else _cell(cell) for cell in row] for row in zip(*columns, strict=True)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    text = text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
    return text if len(text) <= 80 else f"{text[:79]}…"


def _columns(
    dataset: str, schema: pa.Schema, origins: Mapping[str, Sequence[str]], comments: Mapping[str, str], source: str
) -> Iterator[TableColumn]:
    for field in schema:
        # One asset holds both datasets: columns that both have would be one name twice.
        name = f"{dataset}.{field.name}"
        made_of = origins.get(name, ())
        # The comment of a column says what its values mean, which a figure made of it changes only in part.
        comment = comments.get(made_of[0], "") if len(made_of) == 1 else ""
        # In words too: the open-source UI does not draw the lineage of columns.
        origin = f"from {', '.join(f'{source}.{column}' for column in made_of)}" if made_of else ""
        mysql_type = (field.metadata or {}).get(b"mysql_type", b"?").decode()
        yield TableColumn(name, mysql_type, description="; ".join(filter(None, (comment, origin))) or None)
