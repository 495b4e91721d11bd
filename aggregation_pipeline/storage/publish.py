"""Publishing a window so that whoever goes by its manifest sees all of it or nothing, however late a request may land.

    reconcile rows -> compare with what is in force -> mark -> files -> extracts -> {publication}/manifest.json ->
    {window}/manifest.json
    -> stable names -> latest.json

A publication is one attempt on one window. What it sends lies in a folder of its own and is never written again, so a
writer that was killed, or has lost its lock and does not know yet, can spoil no file. The one switch is
`{window}/manifest.json`: until it is written the former version is in force, and whole. The caller holds the window's
lock: one publisher at a time.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aggregation_pipeline.config.file_names import StableNames
from aggregation_pipeline.errors import StorageError
from aggregation_pipeline.extract import Extract
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.keys import manifest_key, mark_key, publication_id, run_of, window_folder
from aggregation_pipeline.storage.lock import Lock, NoLock
from aggregation_pipeline.storage.manifest import Manifest, ManifestCheck
from aggregation_pipeline.storage.parsed_keys import parse_key
from aggregation_pipeline.storage.publication_plan import Content, Plan, Upload, plan, refuse_wrong_files
from aggregation_pipeline.storage.stable_names import stable_names_of, update_stable_names
from aggregation_pipeline.storage.superseded_versions import same_masks, versions_under_other_masks
from aggregation_pipeline.storage.window_manifest import (
    fenced,
    manifest_in_force,
    newest_publication_since,
    publications_of,
    repair_after_lost_lock,
    write_window_manifest,
)
from aggregation_pipeline.storage.window_names import is_window

if TYPE_CHECKING:  # a store needs the shape of what it publishes, not the libraries that render it
    from aggregation_pipeline.formats.common.file_format import RenderedFile

_AT_ONCE = 4  # a window's files are few and mostly small: their round trips overlap

Report = Callable[[str], None]


@dataclass(frozen=True)
class PublishedWindow:
    """What a window has become. `names`: the stable name of each file, by the file's key; `name_problems`: what went wrong
    with names.
    """

    manifest: Manifest
    names: Mapping[str, str]
    name_problems: tuple[str, ...]


def publish_window(
    store: ObjectStore,
    prefix: str,
    extract: Extract,
    files: "Sequence[RenderedFile]",
    *,
    run_id: str,
    partial: bool = False,
    names: StableNames = "copy",
    notes: Sequence[str] = (),
    checks: Sequence[ManifestCheck] = (),
    report: Report = lambda _: None,
    lock: Lock = NoLock(),  # noqa: B008  it has no state
) -> PublishedWindow:
    """Publish the rendered `files` of `extract`; the manifest that is returned is the one in force at the end.

    `partial`: only some of the table's formats were rendered. The other files of the manifest in force stay, provided
    that they were made from the same data (the extracts' checksums say so); otherwise they are not part of the window
    any more. `report` is told, file by file, what was sent or left alone. `lock` is asked before and after the switch,
    and at the end.

    Raises FormatError when a file does not hold the rows of the extract, LockError when the lock is lost, StorageError
    and StorageBusyError from the store, and StorageError for a name that no window has. Whatever is raised, no manifest
    names anything unfinished. Where the data and everything said about it is unchanged, nothing is sent and the old
    manifest, with the id of the run that made it, stays and is returned.
    """
    refuse_wrong_files(extract, files)
    table, window = extract.table, extract.window
    if not is_window(window):
        raise StorageError(
            f"Table {table!r}: {window!r} is no window. Windows are called 2026-11-20, 2026-11-20T1400 or"
            " 2026-11-20-14:00."
        )
    with ThreadPoolExecutor(1) as pool:
        listing = pool.submit(lambda: {stored.key for stored in store.list(window_folder(prefix, table, window))})
        old = manifest_in_force(store, prefix, table, window, report)
        before = listing.result()
    publication = _next_publication(prefix, run_id, before)
    planned = plan(
        prefix, extract, files, publication, old, partial=partial, whole=lambda wanted: _whole(store, wanted, report)
    )
    new = Manifest(
        table=table,
        window=window,
        run_id=run_id,
        publication=publication,
        consistency=extract.consistency,
        engines=extract.engines,
        columns_asked=extract.columns_asked,
        masks_asked=extract.masks_asked,
        datasets=planned.datasets,
        files=planned.files,
        notes=tuple(notes),
        checks=tuple(checks),
    )
    changed = old is None or not _says_the_same(old, new)
    manifest = new if changed or old is None else old
    if changed:
        _send(store, prefix, new, planned, lock, report)

    def repair(current: Manifest | None) -> Manifest | None:
        ours = changed and current is not None and run_of(current.publication) == run_id
        return (
            newest_publication_since(store, prefix, table, window, {*publications_of(prefix, before), publication})
            if ours
            else None
        )

    def put_right() -> None:
        repair_after_lost_lock(store, prefix, table, window, names, lock, report, repair)

    lock.assert_held()
    with fenced(lock, put_right):
        if changed:
            write_window_manifest(store, prefix, new)
            lock.assert_held()
        name_problems = update_stable_names(store, prefix, manifest, names, lock, before, report)
        if changed and old is not None and not same_masks(new, old):
            name_problems |= _forget(store, prefix, new, lock, report)
    wanted = stable_names_of(prefix, manifest, names)
    return PublishedWindow(
        manifest,
        {file.key: key for key, file in wanted.items() if key not in name_problems},
        tuple(name_problems.values()),
    )


def _forget(store: ObjectStore, prefix: str, manifest: Manifest, lock: Lock, report: Report) -> dict[str, str]:
    """Delete former versions that may show what is masked now. What cannot be deleted is told, and goes with the next
    retention.
    """
    try:
        keys = versions_under_other_masks(store, prefix, manifest)
        lock.assert_held()
        for key in keys:
            store.delete(key)
    except StorageError as error:
        return {"former versions": f"the masks changed, and former versions could not be deleted: {error}"}
    report(f"removed {len(keys)} objects of former versions, which were read under other masks")
    return {}


def _next_publication(prefix: str, run_id: str, keys: Collection[str]) -> str:
    """An id that no other attempt of the run has, dead or alive: each has left its mark before it sent anything
    else.
    """
    places = filter(None, (parse_key(prefix, key) for key in keys))
    taken = [int(place.publication.partition(".")[2] or 1) for place in places if run_of(place.publication) == run_id]
    return publication_id(run_id, max(taken, default=0) + 1)


def _says_the_same(old: Manifest, new: Manifest) -> bool:
    """Whether `new` differs in nothing but who wrote it; what its checks said of the same data when it was published
    stands.
    """
    return old == new.model_copy(update={"run_id": old.run_id, "publication": old.publication, "checks": old.checks})


def _send(store: ObjectStore, prefix: str, new: Manifest, planned: Plan, lock: Lock, report: Report) -> None:
    """Write all of a publication, its manifest last."""
    mark = {
        "version": 1,
        "table": new.table,
        "window": new.window,
        "publication": new.publication,
        "run_id": new.run_id,
        "files": [file.name for file in new.files if any(upload.key == file.key for upload in planned.uploads)],
    }
    text = json.dumps(mark, ensure_ascii=False, indent=2) + "\n"
    store.put(mark_key(prefix, new.table, new.window, new.publication), text.encode(), media_type="application/json")
    # Held still: whoever takes the lock from now on finds the mark, and takes another folder. Lost: nothing but the
    # mark was written.
    lock.assert_held()

    def send(upload: Upload) -> None:
        store.put(
            upload.key, upload.path, media_type=upload.media_type, metadata=upload.metadata, filename=upload.filename
        )

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for upload, _ in zip(planned.uploads, pool.map(send, planned.uploads), strict=True):
            report(f"sent {upload.key} ({upload.content.bytes:,} bytes)")
    key = manifest_key(prefix, new.table, new.window, publication=new.publication)
    store.put(key, new.to_json(), media_type="application/json")


def _whole(store: ObjectStore, wanted: Mapping[str, Content], report: Report) -> set[str]:
    """Those of the keys whose objects stand as they are `wanted`: a file that somebody changed is not named again."""

    def stands(key: str) -> bool:
        found = store.head(key)
        return found is not None and (found.bytes, found.crc64) == wanted[key]

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        whole = [key for key, there in zip(wanted, pool.map(stands, wanted), strict=True) if there]
    for key in whole:
        report(f"unchanged {key}")
    return set(whole)
