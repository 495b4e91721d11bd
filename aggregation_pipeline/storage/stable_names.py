"""Stable names for people and older consumers, set after the window manifest. The pipeline itself reads by manifests.

    {table}/{window}/{file}      {table}/latest/{file}      {table}/latest.json

A name that cannot be set is reported and fails nothing. Each publication compares all names of its window, and sets
those that are wrong.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

from aggregation_pipeline.config.file_names import StableNames
from aggregation_pipeline.errors import StorageDamagedError, StorageError
from aggregation_pipeline.storage.base import JSON_MEDIA_TYPE, ObjectStore, Report, StoredObject
from aggregation_pipeline.storage.keys import LATEST, MANIFEST, latest_key, latest_name_key, manifest_key, window_key
from aggregation_pipeline.storage.lock_protocol import Lock
from aggregation_pipeline.storage.manifest import Manifest, ManifestFile
from aggregation_pipeline.storage.parsed_keys import parse_key
from aggregation_pipeline.storage.published import Latest, load_latest, load_manifest
from aggregation_pipeline.storage.stored_format import LATEST_FORMAT

_AT_ONCE = 8  # each is a few round trips without content


def stable_names_of(prefix: str, manifest: Manifest, naming: StableNames) -> dict[str, ManifestFile]:
    """Return the stable names that a manifest's files have, or are to have, in their window's folder."""
    if naming == "none":
        return {}
    return {window_key(prefix, manifest.table, manifest.window, file.name): file for file in manifest.files}


def superseded_names(
    store: ObjectStore, prefix: str, table: str, window: str, keys: Iterable[str], wanted: Collection[str]
) -> list[str]:
    """Return those of a window's `keys` that are names of ours and not `wanted`.

    A name is ours when a manifest of one of the window's publications has a file of that name.
    """
    parsed = {key: each for key in keys if (each := parse_key(prefix, key)) is not None}
    unwanted = {
        key: each.name
        for key, each in parsed.items()
        if not each.publication and each.name != MANIFEST and key not in wanted
    }
    if not unwanted:
        return []
    ours = set()
    for each in parsed.values():
        if each.publication and each.name == MANIFEST:
            with suppress(StorageDamagedError):
                manifest = load_manifest(store, prefix, table, window, publication=each.publication)
                ours |= {file.key.rpartition("/")[2] for file in manifest.files} if manifest else set()
    return [key for key, name in unwanted.items() if name in ours]


def set_names(
    store: ObjectStore, naming: StableNames, wanted: Mapping[str, ManifestFile], gone: Iterable[str], report: Report
) -> dict[str, str]:
    """Give each of the `wanted` names to its file, and delete those `gone`; return what went wrong, by name."""

    def give(key: str, file: ManifestFile) -> bool:
        set_name = store.symlink if naming == "symlink" else store.copy
        # The file was sent or looked at just now, so the name has to hold what the manifest says.
        known = StoredObject(file.key, file.bytes, file.crc64)
        return set_name(file.key, key, media_type=file.media_type, filename=file.name, known=known)

    def take(key: str) -> bool:
        store.delete(key)
        return True

    work: dict[str, Callable[[], bool]] = {key: partial(give, key, file) for key, file in wanted.items()}
    work |= {key: partial(take, key) for key in gone}
    problems = {}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for key, outcome in zip(work, pool.map(_error_or_result, work.values()), strict=True):
            if isinstance(outcome, StorageError):
                problems[key] = str(outcome)
            elif outcome:
                report(f"named {key}" if key in wanted else f"removed {key}: not part of this window any more")
    return problems


def update_latest(
    store: ObjectStore, prefix: str, manifest: Manifest, naming: StableNames, lock: Lock, report: Report
) -> dict[str, str]:
    """Let `latest/` and latest.json follow the newest window, also when it is published again.

    Windows of a table sort by time as text, and a backfill of an older one changes nothing. All windows of the table
    share these objects, so a window's lock does not protect them. Whoever is about to change them takes a lock of their
    own and looks again. Returns what went wrong, by name.
    """
    if _is_older(manifest, _load_latest(store, prefix, manifest.table)):
        return {}
    with lock.hold_also(LATEST):
        latest = _load_latest(store, prefix, manifest.table)
        if _is_older(manifest, latest):
            return {}
        table = manifest.table
        wanted = (
            {} if naming == "none" else {latest_name_key(prefix, table, file.name): file for file in manifest.files}
        )
        before = {latest_name_key(prefix, table, name): name for name in latest.names} if latest else {}
        problems = set_names(store, naming, wanted, [key for key in before if key not in wanted], report)
        # A name that could not be deleted stays listed, and the next publication tries again.
        left = [name for key, name in before.items() if key in problems and key not in wanted]
        new = Latest(manifest.window, (*(file.name for file in wanted.values()), *left))
        if new != latest:
            _put_latest(store, prefix, table, new)
    return problems


def update_stable_names(
    store: ObjectStore,
    prefix: str,
    manifest: Manifest,
    naming: StableNames,
    lock: Lock,
    keys: Iterable[str],
    report: Report,
) -> dict[str, str]:
    """Set all names that follow the manifest in force; `keys` are those of its window.

    Returns what went wrong, by name.
    """
    wanted = stable_names_of(prefix, manifest, naming)
    gone = superseded_names(store, prefix, manifest.table, manifest.window, keys, wanted)
    problems = set_names(store, naming, wanted, gone, report)
    return problems | update_latest(store, prefix, manifest, naming, lock, report)


def find_wrong_names(store: ObjectStore, prefix: str, manifest: Manifest, naming: StableNames) -> dict[str, str]:
    """Return the names of a window that are missing, or are not the files that the manifest names; and why."""

    def problem(key: str, file: ManifestFile) -> str | None:
        found = store.head(key)
        if found is None:
            return f"{store.uri(key)} is not there"
        right = (found.bytes, found.crc64) == (file.bytes, file.crc64)
        return None if right else f"{store.uri(key)} is not the file that the manifest names"

    wanted = stable_names_of(prefix, manifest, naming)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        problems = pool.map(problem, wanted.keys(), wanted.values())
        return {key: found for key, found in zip(wanted, problems, strict=True) if found is not None}


def _error_or_result(call: Callable[[], bool]) -> bool | StorageError:
    try:
        return call()
    except StorageError as error:
        return error


def _load_latest(store: ObjectStore, prefix: str, table: str) -> Latest | None:
    try:
        return load_latest(store, prefix, table)
    except StorageDamagedError:  # about to be replaced
        return None


def _put_latest(store: ObjectStore, prefix: str, table: str, latest: Latest) -> None:
    content = {
        "version": LATEST_FORMAT,
        "table": table,
        "window": latest.window,
        "manifest": manifest_key(prefix, table, latest.window),
        "names": latest.names,
    }
    text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
    store.put(latest_key(prefix, table), text.encode(), media_type=JSON_MEDIA_TYPE)


def _is_older(manifest: Manifest, latest: Latest | None) -> bool:
    return latest is not None and manifest.window < latest.window
