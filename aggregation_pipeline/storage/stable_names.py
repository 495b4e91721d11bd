"""Stable names for people and old consumers, set after the switch; the pipeline itself reads by manifests only.

    {table}/{window}/{file}      {table}/latest/{file}      {table}/latest.json

A name that cannot be set is told and fails nothing: each publication compares all of its names, and sets those that are
not right.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

from aggregation_pipeline.config.file_names import StableNames
from aggregation_pipeline.errors import StorageDamagedError, StorageError
from aggregation_pipeline.storage.base import ObjectStore, StoredObject
from aggregation_pipeline.storage.keys import LATEST, MANIFEST, latest_key, latest_name_key, manifest_key, window_key
from aggregation_pipeline.storage.lock import Lock
from aggregation_pipeline.storage.manifest import Manifest, ManifestFile
from aggregation_pipeline.storage.parsed_keys import parse_key
from aggregation_pipeline.storage.published import Latest, load_latest, load_manifest

_AT_ONCE = 8  # each is a few round trips without content
Report = Callable[[str], None]


def stable_names_of(prefix: str, manifest: Manifest, how: StableNames) -> dict[str, ManifestFile]:
    """The names that the files of a manifest have, or are to have, in their window's folder."""
    if how == "none":
        return {}
    return {window_key(prefix, manifest.table, manifest.window, file.name): file for file in manifest.files}


def superseded_names(
    store: ObjectStore, prefix: str, table: str, window: str, keys: Iterable[str], wanted: Collection[str]
) -> list[str]:
    """Those of a window's `keys` that are names of ours and not `wanted`: a manifest of one of its publications has a
    file of that name.
    """
    places = {key: place for key in keys if (place := parse_key(prefix, key)) is not None}
    found = {
        key: place.name
        for key, place in places.items()
        if not place.publication and place.name != MANIFEST and key not in wanted
    }
    if not found:
        return []
    ours = set()
    for place in places.values():
        if place.publication and place.name == MANIFEST:
            with suppress(StorageDamagedError):
                manifest = load_manifest(store, prefix, table, window, publication=place.publication)
                ours |= {file.key.rpartition("/")[2] for file in manifest.files} if manifest else set()
    return [key for key, name in found.items() if name in ours]


def set_names(
    store: ObjectStore, how: StableNames, wanted: Mapping[str, ManifestFile], gone: Iterable[str], report: Report
) -> dict[str, str]:
    """Give each of the `wanted` names to its file, and take those that are `gone` away; returns what went wrong, by
    name.
    """

    def give(key: str, file: ManifestFile) -> bool:
        setting = store.symlink if how == "symlink" else store.copy
        # Sent just now, or looked at: and what the manifest says is what the name has to hold.
        known = StoredObject(file.key, file.bytes, file.crc64)
        return setting(file.key, key, media_type=file.media_type, filename=file.name, known=known)

    def take(key: str) -> bool:
        store.delete(key)
        return True

    work: dict[str, Callable[[], bool]] = {key: partial(give, key, file) for key, file in wanted.items()}
    work |= {key: partial(take, key) for key in gone}
    problems = {}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for key, outcome in zip(work, pool.map(_tried, work.values()), strict=True):
            if isinstance(outcome, StorageError):
                problems[key] = str(outcome)
            elif outcome:
                report(f"named {key}" if key in wanted else f"removed {key}: not part of this window any more")
    return problems


def update_latest(
    store: ObjectStore, prefix: str, manifest: Manifest, how: StableNames, lock: Lock, report: Report
) -> dict[str, str]:
    """Let `latest/` and latest.json follow the newest window, also when it was published again; returns what went
    wrong, by name.

    Windows of one table sort by time as text; a backfill of an older one changes nothing. A window's lock keeps nobody
    off these objects, which all windows of the table share: the one who is to change them looks again, under a lock of
    their own.
    """
    if _is_older(manifest, _standing(store, prefix, manifest.table)):
        return {}
    with lock.hold_also(LATEST):
        standing = _standing(store, prefix, manifest.table)
        if _is_older(manifest, standing):
            return {}
        table = manifest.table
        wanted = {} if how == "none" else {latest_name_key(prefix, table, file.name): file for file in manifest.files}
        before = {latest_name_key(prefix, table, name): name for name in standing.names} if standing else {}
        problems = set_names(store, how, wanted, [key for key in before if key not in wanted], report)
        # What could not be taken away stays listed, and is tried again.
        left = [name for key, name in before.items() if key in problems and key not in wanted]
        latest = Latest(manifest.window, (*(file.name for file in wanted.values()), *left))
        if latest != standing:
            content = {
                "version": 1,
                "table": table,
                "window": manifest.window,
                "manifest": manifest_key(prefix, table, manifest.window),
                "names": latest.names,
            }
            text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
            store.put(latest_key(prefix, table), text.encode(), media_type="application/json")
    return problems


def update_stable_names(
    store: ObjectStore,
    prefix: str,
    manifest: Manifest,
    how: StableNames,
    lock: Lock,
    keys: Iterable[str],
    report: Report,
) -> dict[str, str]:
    """Put all names right that follow the manifest in force; `keys` are those of its window. Returns what went wrong,
    by name.
    """
    wanted = stable_names_of(prefix, manifest, how)
    gone = superseded_names(store, prefix, manifest.table, manifest.window, keys, wanted)
    problems = set_names(store, how, wanted, gone, report)
    return problems | update_latest(store, prefix, manifest, how, lock, report)


def find_wrong_names(store: ObjectStore, prefix: str, manifest: Manifest, how: StableNames) -> dict[str, str]:
    """The names of a window that are not there, or are not those of the files that the manifest in force names, and
    why.
    """

    def look(key: str, file: ManifestFile) -> str | None:
        found = store.head(key)
        if found is None:
            return f"{store.uri(key)} is not there"
        right = (found.bytes, found.crc64) == (file.bytes, file.crc64)
        return None if right else f"{store.uri(key)} is not the file that the manifest names"

    wanted = stable_names_of(prefix, manifest, how)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        looked = pool.map(look, wanted.keys(), wanted.values())
        return {key: found for key, found in zip(wanted, looked, strict=True) if found is not None}


def _tried(call: Callable[[], bool]) -> bool | StorageError:
    try:
        return call()
    except StorageError as error:
        return error


def _standing(store: ObjectStore, prefix: str, table: str) -> Latest | None:
    try:
        return load_latest(store, prefix, table)
    except StorageDamagedError:  # about to be replaced
        return None


def _is_older(manifest: Manifest, standing: Latest | None) -> bool:
    return standing is not None and manifest.window < standing.window
