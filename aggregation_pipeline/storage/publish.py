"""Publishing a window so that whoever goes by the manifest sees all of it or nothing.

    reconcile rows -> compare with what stands there -> extract -> manifest away -> files -> obsolete files away -> manifest -> latest.json

A run that is killed anywhere on this way leaves either the old window, still whole, or a window without a manifest, which no reader
takes for finished; the next run sends only what does not stand there yet. The caller holds the window's lock: one publisher at a time.
"""

import json
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from aggregation_pipeline.errors import StorageBusyError, StorageError
from aggregation_pipeline.extract import Extract
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.keys import extracts_folder, latest_key, manifest_key, window_folder, window_key
from aggregation_pipeline.storage.manifest import Manifest, ManifestCheck, ManifestFile
from aggregation_pipeline.storage.planning import Finder, Upload, plan_datasets, plan_files, reconcile
from aggregation_pipeline.storage.windows import latest_window, load_manifest

if TYPE_CHECKING:  # a store needs the shape of what it publishes, not the libraries that render it
    from aggregation_pipeline.formats.files import RenderedFile

_AT_ONCE = 4  # a window's files are few and mostly small: their round trips overlap
_OUR_ENDINGS = (".json", ".jsonl", ".csv", ".xlsx", ".parquet")

Report = Callable[[str], None]


def publish_window(
    store: ObjectStore,
    prefix: str,
    extract: Extract,
    files: "Sequence[RenderedFile]",
    *,
    run_id: str,
    partial: bool = False,
    keep_extract: bool = True,
    versioned: bool = False,
    notes: Sequence[str] = (),
    checks: Sequence[ManifestCheck] = (),
    stems: Collection[str] = (),
    report: Report = lambda _: None,
    guard: Callable[[], None] = lambda: None,
    alone: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Manifest:
    """Publish the rendered `files` of `extract` and return the manifest that stands at the end.

    `partial`: only some of the table's formats were rendered. The other files of the standing manifest stay, provided that they were
    made from the same data (the extracts' checksums say so); otherwise they go, for a manifest never mixes two states of a table.
    `versioned`: the files lie in a folder of their run, with a manifest of their own, and are never overwritten, so the old manifest holds
    until the new one replaces it.
    `stems`: what files of this window may be called without their endings, besides the names that begin with the table's.
    `report` is told, file by file, what was sent, left alone or removed. `guard` raises when the window's lock is lost; it is asked
    before the old manifest goes and before the new one is written. `alone` keeps the publishers of the table's other windows off
    latest.json while it is read and written.

    Raises FormatError when a file does not hold the rows of the extract, StorageError and StorageBusyError from the store. Whatever
    is raised, no manifest names anything unfinished. Where the data and everything said about it is unchanged, the old manifest,
    with the id of the run that made it, stays and is returned.
    """
    reconcile(extract, files)
    old = _standing(store, prefix, extract, report)
    stored = _leftovers(store, prefix, extract) if old is None and keep_extract else lambda *_: None
    datasets, extracts = plan_datasets(prefix, extract, run_id, old, keep=keep_extract, stored=stored)
    entries, uploads = plan_files(prefix, extract, files, old, version=run_id if versioned else None)
    if partial and old and [d.extract.crc64 for d in old.datasets] == [d.extract.crc64 for d in datasets]:
        entries += _other_formats(store, old, entries)
    new = Manifest(
        table=extract.table,
        window=extract.window,
        run_id=run_id,
        consistency=extract.consistency,
        engines=extract.engines,
        columns_asked=extract.columns_asked,
        datasets=datasets,
        files=tuple(sorted(entries, key=lambda entry: entry.key)),
        notes=tuple(notes),
        checks=tuple(checks),
    )
    obsolete = [] if versioned else _obsolete(store, prefix, new, old, stems)
    key = manifest_key(prefix, extract.table, extract.window)
    named = {file.key for file in old.files} | _extract_keys(old) if old else set()
    withdrawn = False
    # The extracts first: they mostly have keys of their own, so the old window stays readable while they are sent.
    for uploads_now, gone in ((extracts, []), (uploads, obsolete)):
        changed = _changed(store, uploads_now, report)
        replaced = [upload.key for upload in changed if upload.key in named and not _only_expired(store, upload, extracts)]
        if not withdrawn and not named.isdisjoint([*gone, *replaced]):
            guard()
            store.delete(key)  # from here on the window is unfinished, and shows it
            withdrawn = True
        _send(store, changed, report)
        for unnamed in gone:
            store.delete(unnamed)
            report(f"removed {unnamed}: not part of this window any more")
    guard()
    if old and not withdrawn and old == new.model_copy(update={"run_id": old.run_id}):
        new = old
    else:
        if versioned:
            store.put(manifest_key(prefix, extract.table, extract.window, version=run_id), new.to_json(), media_type="application/json")
        store.put(key, new.to_json(), media_type="application/json")
    # With `versioned`, files of the other layout: whoever reads by the old manifest has them until now.
    unversioned = _obsolete(store, prefix, new, old, stems) if versioned and old else []
    for superseded in (*(_extract_keys(old) - _extract_keys(new)), *unversioned):
        store.delete(superseded)
    _point_latest(store, prefix, new, alone)
    return new


def _standing(store: ObjectStore, prefix: str, extract: Extract, report: Report) -> Manifest | None:
    """The manifest that stands. One that cannot be read goes: it promises what nobody can check."""
    try:
        return load_manifest(store, prefix, extract.table, extract.window)
    except StorageBusyError:
        raise
    except StorageError as error:
        report(f"replacing a manifest that cannot be read: {error}")
        store.delete(manifest_key(prefix, extract.table, extract.window))
        return None


def _leftovers(store: ObjectStore, prefix: str, extract: Extract) -> Finder:
    """How to find the extract of a run that stored it and was killed before a manifest named it."""
    left = list(store.list(extracts_folder(prefix, extract.table, extract.window)))

    def find(dataset: str, size: int, checksum: str) -> str | None:
        for candidate in left:
            if candidate.bytes == size and candidate.key.endswith(f"/{dataset}.parquet"):
                found = store.head(candidate.key)
                if found is not None and found.crc64 == checksum:
                    return candidate.key
        return None

    return find


def _only_expired(store: ObjectStore, upload: Upload, extracts: Sequence[Upload]) -> bool:
    """Whether it is an extract that has expired: storing it again takes nothing from those who read by the old manifest."""
    return upload in extracts and store.head(upload.key) is None


def _other_formats(store: ObjectStore, old: Manifest, rendered: Sequence[ManifestFile]) -> list[ManifestFile]:
    """Files of formats that this run did not render and that still stand as the old manifest names them."""
    formats = {entry.format for entry in rendered}
    others = [file for file in old.files if file.format not in formats]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return [file for file, whole in zip(others, pool.map(lambda file: _stands(store, file), others), strict=True) if whole]


def _changed(store: ObjectStore, uploads: Sequence[Upload], report: Report) -> list[Upload]:
    """What does not stand in the store yet, told by size and checksum."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        standing = list(pool.map(lambda upload: _stands(store, upload), uploads))
    for upload, whole in zip(uploads, standing, strict=True):
        if whole:
            report(f"unchanged {upload.key}")
    return [upload for upload, whole in zip(uploads, standing, strict=True) if not whole]


def _send(store: ObjectStore, uploads: Sequence[Upload], report: Report) -> None:
    """Put and then ask for each object: what a HEAD shows afterwards is what readers will get."""

    def send(upload: Upload) -> None:
        store.put(upload.key, upload.path, media_type=upload.media_type, metadata=upload.metadata, filename=upload.filename)
        if not _stands(store, upload):
            raise StorageError(
                f"{store.uri(upload.key)} was stored, and a moment later it is not the same: something else writes to this window, which "
                "its lock should prevent. Do two deployments share OSS_BUCKET and OSS_PREFIX? The window is left without a manifest."
            )

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for upload, _ in zip(uploads, pool.map(send, uploads), strict=True):
            report(f"sent {upload.key} ({upload.bytes:,} bytes)")


def _stands(store: ObjectStore, wanted: Upload | ManifestFile) -> bool:
    found = store.head(wanted.key)
    return found is not None and (found.bytes, found.crc64) == (wanted.bytes, wanted.crc64)


def _obsolete(store: ObjectStore, prefix: str, new: Manifest, old: Manifest | None, stems: Collection[str]) -> list[str]:
    """Data files in the window's folder that the new manifest does not name; what lies deeper belongs to a run and stays.

    The old manifest knows them. Without one, a run may have died half-way: then the folder is searched, for names of our own making only.
    """
    if old:
        folder = window_folder(prefix, new.table, new.window)
        candidates = [file.key for file in old.files if file.key.startswith(folder) and "/" not in file.key.removeprefix(folder)]
    else:
        ours = tuple(window_key(prefix, new.table, new.window, f"{stem}.x").removesuffix("x") for stem in (new.table, *stems))
        listed = [stored.key for stored in store.list(window_folder(prefix, new.table, new.window))]
        candidates = [key for key in listed if key.startswith(ours) and key.endswith(_OUR_ENDINGS)]
    named = {file.key for file in new.files} | {manifest_key(prefix, new.table, new.window)}
    return [key for key in candidates if key not in named]


def _extract_keys(manifest: Manifest | None) -> set[str]:
    return {dataset.extract.key for dataset in manifest.datasets if dataset.extract.key} if manifest else set()


def _point_latest(store: ObjectStore, prefix: str, manifest: Manifest, alone: Callable[[], AbstractContextManager[object]]) -> None:
    """Let latest.json name the newest window. Windows of one table sort by time as text; a backfill of an older one changes nothing.

    A window's lock keeps nobody off this object, which all windows of the table share: the one who is to change it looks again, `alone`.
    """
    if not _is_newer(store, prefix, manifest):
        return
    with alone():
        if _is_newer(store, prefix, manifest):
            key = manifest_key(prefix, manifest.table, manifest.window)
            content = {"version": 1, "table": manifest.table, "window": manifest.window, "manifest": key}
            text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
            store.put(latest_key(prefix, manifest.table), text.encode(), media_type="application/json")


def _is_newer(store: ObjectStore, prefix: str, manifest: Manifest) -> bool:
    try:
        current = latest_window(store, prefix, manifest.table)
    except StorageBusyError:
        raise
    except StorageError:  # damaged, and about to be replaced
        return True
    return current is None or current < manifest.window
