"""Read what is published, always by the manifest: what no manifest names does not count."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from aggregation_pipeline.errors import StorageBusyError, StorageDamagedError, StorageError, StorageMissingError
from aggregation_pipeline.extract import Dataset, Extract
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.keys import MANIFEST, latest_key, manifest_key, table_folder, tables_prefix
from aggregation_pipeline.storage.manifest import Manifest, ManifestDataset
from aggregation_pipeline.storage.parsed_keys import parse_key
from aggregation_pipeline.storage.stored_format import LATEST_FORMAT, refuse_newer
from aggregation_pipeline.storage.window_names import is_window


@dataclass(frozen=True)
class Latest:
    """latest.json: the newest window of a table. `names`: the files in the folder `latest` beside it."""

    window: str
    names: tuple[str, ...] = ()


def load_manifest(
    store: ObjectStore, prefix: str, table: str, window: str, *, publication: str | None = None
) -> Manifest | None:
    """Return the window's manifest in force, or that of a publication; None where there is none.

    Raises:
        StorageNewerError: a newer version of this package wrote it.
        StorageDamagedError: it cannot be understood, or names anything but objects of this window's publications.
    """
    key = manifest_key(prefix, table, window, publication=publication)
    content = read_if_there(store, key)
    if content is None:
        return None
    manifest = Manifest.from_json(content, where=store.uri(key))
    manifest.refuse_foreign_keys(prefix, table, window, where=store.uri(key))
    return manifest


def load_latest(store: ObjectStore, prefix: str, table: str) -> Latest | None:
    """Return what `latest.json` says; None before the first window.

    Raises:
        StorageNewerError: a newer version of this package wrote it.
        StorageDamagedError: it names no window.
    """
    key = latest_key(prefix, table)
    content = read_if_there(store, key)
    if content is None:
        return None
    refuse_newer(content, LATEST_FORMAT, where=store.uri(key))
    try:
        fields = json.loads(content)
        window, names = str(fields["window"]), fields["names"]
        if is_window(window) and isinstance(names, list):
            return Latest(window, tuple(map(str, names)))
    except (ValueError, KeyError, TypeError):
        pass
    raise StorageDamagedError(f"{store.uri(key)} does not name a window: the next run writes it anew.")


def latest_window(store: ObjectStore, prefix: str, table: str) -> str | None:
    """Return the newest window of the table by its `latest.json`; None before the first."""
    latest = load_latest(store, prefix, table)
    return None if latest is None else latest.window


def published_names(store: ObjectStore, prefix: str, table: str | None = None) -> dict[tuple[str, str], dict[str, int]]:
    """Return the stable names that exist, with their sizes, by (table, window).

    Every manifest in force has an entry; the order is that of the keys.
    """
    windows, names = list[tuple[str, str]](), dict[tuple[str, str], dict[str, int]]()
    for stored in store.list(tables_prefix(prefix) if table is None else table_folder(prefix, table)):
        parsed = parse_key(prefix, stored.key)
        if parsed is not None and not parsed.publication:
            if parsed.name == MANIFEST:
                windows.append((parsed.table, parsed.window))
            else:
                names.setdefault((parsed.table, parsed.window), {})[stored.key] = stored.bytes
    return {window: names.get(window, {}) for window in windows}


def published_windows(store: ObjectStore, prefix: str, table: str | None = None) -> Iterator[tuple[str, str]]:
    """Yield (table, window) of every manifest in force, in the order of their keys."""
    yield from published_names(store, prefix, table)


def fetch_window(store: ObjectStore, manifest: Manifest, directory: Path) -> tuple[Path, ...]:
    """Download the window's files into `directory`, in the manifest's order, each compared with the manifest.

    Raises:
        StorageBusyError: a file has been deleted since, as those of superseded versions are. Read the manifest again.
        StorageDamagedError: a file is not the one that the manifest names.
    """
    directory.mkdir(parents=True, exist_ok=True)
    # The last segment of the key rather than the true name: it is one path segment whatever the name holds.
    return tuple(
        _fetch(store, file.key, file.bytes, file.crc64, directory / file.key.rpartition("/")[2])
        for file in manifest.files
    )


def dataset_in(path: Path, described: ManifestDataset) -> Dataset:
    """The dataset that a manifest describes, in a Parquet file on the local disk."""
    return Dataset(
        name=described.name,
        path=path,
        rows=described.rows,
        schema=pq.read_schema(path),
        truncated=described.truncated,
        sql=described.sql,
        order=described.order,
        zero_dates=described.zero_dates,
        masks=described.masks,
    )


def fetch_extract(store: ObjectStore, manifest: Manifest, directory: Path) -> Extract:
    """Download the stored extract of a window, from which other formats are rendered without the database.

    Raises:
        StorageError: the extract has expired.
    """
    directory.mkdir(parents=True, exist_ok=True)
    datasets = []
    for dataset in manifest.datasets:
        stored = dataset.extract
        if store.head(stored.key) is None:
            raise StorageError(
                f"The extract of table {manifest.table!r}, window {manifest.window}, dataset {dataset.name} is no"
                " longer stored (extracts expire): materialize the table itself to read it from the database again."
            )
        path = _fetch(store, stored.key, stored.bytes, stored.crc64, directory / f"{dataset.name}.parquet")
        datasets.append(dataset_in(path, dataset))
    return Extract(
        manifest.table,
        manifest.window,
        tuple(datasets),
        manifest.consistency,
        engines=manifest.engines,
        columns_fingerprint=manifest.columns_fingerprint,
        masks_fingerprints=manifest.masks_fingerprints,
        refresh_key=manifest.refresh_key,
        source=manifest.source,
    )


def read_if_there(store: ObjectStore, key: str) -> bytes | None:
    """Return the content; None when there is no such object. One that may not be read is an error."""
    try:
        return store.read(key)
    except StorageMissingError:
        return None


def _fetch(store: ObjectStore, key: str, size: int, crc64: str, target: Path) -> Path:
    try:
        got = store.get(key, target)
    except StorageMissingError:
        raise StorageBusyError(
            f"{store.uri(key)} is not there any more: the window was published anew a while ago, and what its earlier"
            " manifest named has been deleted. Read the manifest again."
        ) from None
    if (got.bytes, got.crc64) != (size, crc64):
        target.unlink(missing_ok=True)
        raise StorageDamagedError(
            f"{store.uri(key)} is not the file that its manifest names ({got.bytes} bytes, CRC64 {got.crc64}; the"
            f" manifest says {size}, {crc64}): somebody changed it, for what is published is never written again."
            " Materialize the window, which sends the file under another key."
        )
    return target
