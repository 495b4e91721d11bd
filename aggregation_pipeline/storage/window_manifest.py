"""The window manifest, `{window}/manifest.json`: the one object of a window that is written more than once.

A request may land long after it was sent. So a writer that finds its lock lost after it touched the window manifest
takes the lock again and repairs what its own request may have undone. If it dies right there, an older version is in
force until the next publication. It is whole, too.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from aggregation_pipeline.config.file_names import StableNames
from aggregation_pipeline.errors import LockError, PipelineError, StorageDamagedError
from aggregation_pipeline.storage.base import JSON_MEDIA_TYPE, ObjectStore, Report
from aggregation_pipeline.storage.keys import MANIFEST, manifest_key, window_folder
from aggregation_pipeline.storage.lock_protocol import Lock
from aggregation_pipeline.storage.manifest import Manifest
from aggregation_pipeline.storage.parsed_keys import parse_key
from aggregation_pipeline.storage.published import load_manifest
from aggregation_pipeline.storage.stable_names import update_stable_names


@contextmanager
def repaired_if_lock_is_lost(lock: Lock, repair: Callable[[], None]) -> Iterator[None]:
    """Run the body; if the lock is lost by its end, `repair` what may be wrong now, and fail.

    Raises:
        LockError: the lock was lost.
    """
    try:
        yield
        lock.assert_held()
    except PipelineError:
        # A request that failed may still land, so only the lock decides whether to repair.
        try:
            lock.assert_held()
        except LockError:
            repair()
            raise
        raise


def repair_after_lost_lock(
    store: ObjectStore,
    prefix: str,
    table: str,
    window: str,
    naming: StableNames,
    lock: Lock,
    report: Report,
    *,
    choose: Callable[[Manifest | None], Manifest | None],
) -> None:
    """Take the lost `lock` again and repair what a late request may have undone: window manifest, then names.

    `choose` is given the manifest in force. It returns the one that should be in force, or None where it is right.
    """
    with lock.reacquire() as held:
        current = manifest_in_force(store, prefix, table, window, report)
        better = choose(current)
        if better is not None:
            report(
                f"publication {better.publication} of {table} {window} is in force again: a late request had undone it"
            )
            write_window_manifest(store, prefix, better)
        if (current := better or current) is not None:
            keys = [stored.key for stored in store.list(window_folder(prefix, table, window))]
            update_stable_names(store, prefix, current, naming, held, keys, report)


def write_window_manifest(store: ObjectStore, prefix: str, manifest: Manifest) -> None:
    """Put `manifest` in force. All objects that it names must be there."""
    store.put(manifest_key(prefix, manifest.table, manifest.window), manifest.to_json(), media_type=JSON_MEDIA_TYPE)


def manifest_in_force(store: ObjectStore, prefix: str, table: str, window: str, report: Report) -> Manifest | None:
    """Return the manifest in force. One that was read and makes no sense counts as none.

    Raises:
        StorageError: it may not be read.
    """
    try:
        return load_manifest(store, prefix, table, window)
    except StorageDamagedError as error:
        report(f"a manifest cannot be used: {error}")
        return None


def publications_of(prefix: str, keys: Collection[str]) -> set[str]:
    """Return the complete publications among a window's `keys`: those whose manifest is there."""
    parsed = filter(None, (parse_key(prefix, key) for key in keys))
    return {each.publication for each in parsed if each.publication and each.name == MANIFEST}


def newest_publication_since(
    store: ObjectStore, prefix: str, table: str, window: str, known: Collection[str]
) -> Manifest | None:
    """Return the manifest of a window's newest publication that is not among the `known`; None without any."""
    found = []
    for stored in store.list(window_folder(prefix, table, window)):
        parsed = parse_key(prefix, stored.key)
        if parsed is not None and parsed.publication not in {"", *known} and parsed.name == MANIFEST:
            found.append((stored.modified is not None, stored.modified, parsed.publication))
    for _, _, publication in sorted(found, reverse=True):
        try:
            return load_manifest(store, prefix, table, window, publication=publication)
        except StorageDamagedError:
            continue
    return None
