"""One published file of a folder, found by its key or by one of its stable names."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aggregation_pipeline.errors import StorageDamagedError
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.keys import check_key
from aggregation_pipeline.storage.manifest import Manifest, ManifestFile
from aggregation_pipeline.storage.parsed_keys import ParsedKey, parse_key, parse_latest_name
from aggregation_pipeline.storage.published import load_latest, load_manifest

# No file system has names of more bytes: asking for one is an error.
_LONGEST_NAME: Final = 255


@dataclass(frozen=True)
class PublishedFile:
    """A file as its manifest has it, and where it lies. Nobody writes into it any more."""

    file: ManifestFile
    path: Path


def find_published(store: ObjectStore, prefix: str, key: str) -> PublishedFile | None:
    """Return the file with this key or stable name in a folder; None for whatever no manifest names.

    A stable name leads to the file that the manifest in force has under that name. Nothing else can be found: neither
    manifests, extracts and files that are being written, nor what is reached by a symbolic link.

    Raises:
        StorageError: the folder cannot be read.
    """
    root = store.local_folder()
    too_long = any(len(part.encode()) > _LONGEST_NAME for part in key.split("/"))
    file = None if root is None or too_long else _named(store, prefix, key)
    if root is None or file is None:
        return None
    path = root / check_key(file.key)
    # Without any link on the way: one may lead anywhere.
    is_itself = path.resolve() == root.resolve() / file.key and path.is_file()
    return PublishedFile(file, path) if is_itself else None


def _named(store: ObjectStore, prefix: str, key: str) -> ManifestFile | None:
    try:
        if (latest := parse_latest_name(prefix, key)) is not None:
            table, name = latest
            newest = load_latest(store, prefix, table)
            manifest = None if newest is None else load_manifest(store, prefix, table, newest.window)
            return None if manifest is None else _by_name(manifest, name)
        parsed = parse_key(prefix, key)
        return None if parsed is None else _in_window(store, prefix, parsed, key)
    except StorageDamagedError:
        return None


def _in_window(store: ObjectStore, prefix: str, parsed: ParsedKey, key: str) -> ManifestFile | None:
    manifest = load_manifest(store, prefix, parsed.table, parsed.window)
    if manifest is None:
        return None
    if not parsed.publication:
        return _by_name(manifest, parsed.name)
    # The manifest in force may name files of earlier publications. Other files are those of superseded versions.
    own = load_manifest(store, prefix, parsed.table, parsed.window, publication=parsed.publication)
    named = (each for one in (manifest, own) if one is not None for each in one.files if each.key == key)
    return next(named, None)


def _by_name(manifest: Manifest, name: str) -> ManifestFile | None:
    """The file whose key, and so its stable name, ends with `name`."""
    return next((file for file in manifest.files if file.key.rpartition("/")[2] == name), None)
