"""Reading what is published, always by way of the manifest: what no manifest names is not there."""

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from aggregation_pipeline.errors import StorageBusyError, StorageError
from aggregation_pipeline.extract import Dataset, Extract
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.keys import latest_key, manifest_key, split_manifest_key, tables_prefix
from aggregation_pipeline.storage.manifest import Manifest


def load_manifest(store: ObjectStore, prefix: str, table: str, window: str) -> Manifest | None:
    """The window's manifest; None while there is none: never published, or being republished at this moment."""
    key = manifest_key(prefix, table, window)
    content = read_if_there(store, key)
    return None if content is None else Manifest.from_json(content, where=store.uri(key))


def latest_window(store: ObjectStore, prefix: str, table: str) -> str | None:
    """The newest window of the table, as its `latest.json` says; None before the first."""
    key = latest_key(prefix, table)
    content = read_if_there(store, key)
    if content is None:
        return None
    try:
        window = json.loads(content)["window"]
    except (ValueError, KeyError, TypeError):
        window = None
    if not isinstance(window, str):
        raise StorageError(f"{store.uri(key)} does not name a window: delete it, the next run writes it anew.")
    return window


def published_windows(store: ObjectStore, prefix: str, table: str | None = None) -> Iterator[tuple[str, str]]:
    """(table, window) of every manifest, in the order of their keys."""
    start = tables_prefix(prefix) if table is None else latest_key(prefix, table).rpartition("/")[0] + "/"
    for stored in store.list(start):
        if names := split_manifest_key(prefix, stored.key):
            yield names


def fetch_window(store: ObjectStore, manifest: Manifest, directory: Path) -> tuple[Path, ...]:
    """Download the window's files into `directory`, in the manifest's order, each compared with the manifest.

    StorageBusyError when a file is not the one that the manifest names: the window was republished after the manifest was read.
    """
    directory.mkdir(parents=True, exist_ok=True)
    # The last segment of the key rather than the true name: it is one path segment whatever the name holds.
    return tuple(_fetch(store, file.key, file.bytes, file.crc64, directory / file.key.rpartition("/")[2]) for file in manifest.files)


def fetch_extract(store: ObjectStore, manifest: Manifest, directory: Path) -> Extract:
    """The stored extract of a window, downloaded: other formats are rendered from it without asking the database again.

    StorageError when the extract was not kept or has expired.
    """
    directory.mkdir(parents=True, exist_ok=True)
    datasets = []
    for dataset in manifest.datasets:
        stored = dataset.extract
        if stored.key is None or store.head(stored.key) is None:
            raise StorageError(
                f"The extract of table {manifest.table!r}, window {manifest.window}, dataset {dataset.name} is no longer stored "
                "(extracts expire, or are not kept at all): materialize the table itself to read it from the database again."
            )
        path = _fetch(store, stored.key, stored.bytes, stored.crc64, directory / f"{dataset.name}.parquet")
        datasets.append(
            Dataset(
                name=dataset.name,
                path=path,
                rows=dataset.rows,
                schema=pq.read_schema(path),
                truncated=dataset.truncated,
                sql=dataset.sql,
                order=dataset.order,
                zero_dates=dataset.zero_dates,
                masks=dataset.masks,
            )
        )
    return Extract(
        manifest.table,
        manifest.window,
        tuple(datasets),
        manifest.consistency,
        engines=manifest.engines,
        columns_asked=manifest.columns_asked,
    )


def read_if_there(store: ObjectStore, key: str) -> bytes | None:
    """Read first and ask afterwards: between a HEAD and a read, a publisher may take the object away."""
    try:
        return store.read(key)
    except StorageBusyError:
        raise
    except StorageError:
        if store.head(key) is None:
            return None
        raise


def _fetch(store: ObjectStore, key: str, size: int, crc64: str, target: Path) -> Path:
    got = store.get(key, target)
    if (got.bytes, got.crc64) != (size, crc64):
        target.unlink(missing_ok=True)
        raise StorageBusyError(
            f"{store.uri(key)} is not the file that its manifest names "
            f"({got.bytes} bytes, CRC64 {got.crc64}; the manifest says {size}, {crc64}): "
            "the window is being published anew, or somebody changed the file. Read the manifest again in a moment."
        )
    return target
