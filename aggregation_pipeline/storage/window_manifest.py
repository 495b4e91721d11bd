"""The switch: `{window}/manifest.json`, the one object of a window that is written more than once.

A request may land long after it was sent. Whoever finds its lock lost after having touched the switch therefore takes
the lock again and puts right what its own request may have undone. One that dies just there leaves an older version in
force, whole all the same, until the next publication.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from aggregation_pipeline.config.file_names import StableNames
from aggregation_pipeline.errors import LockError, PipelineError, StorageDamagedError
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.keys import MANIFEST, manifest_key, window_folder
from aggregation_pipeline.storage.lock import Lock
from aggregation_pipeline.storage.manifest import Manifest
from aggregation_pipeline.storage.parsed_keys import parse_key
from aggregation_pipeline.storage.published import load_manifest
from aggregation_pipeline.storage.stable_names import update_stable_names


@contextmanager
def fenced(lock: Lock, repair: Callable[[], None]) -> Iterator[None]:
    """Do what the body does; if the lock is lost by its end, `repair` what may be wrong now, and fail.

    Raises:
        LockError: it was lost.
    """
    try:
        yield
        lock.assert_held()
    except PipelineError:
        # A request that failed may land all the same: it counts only whether the lock is still there.
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
    how: StableNames,
    lock: Lock,
    report: Callable[[str], None],
    repair: Callable[[Manifest | None], Manifest | None],
) -> None:
    """Take the lost `lock` again and put right what a late request may have undone: the switch, then the names.

    `repair` is given the manifest in force and returns the one that should be, or None where that is right already.
    """
    with lock.reacquire() as held:
        current = manifest_in_force(store, prefix, table, window, report)
        better = repair(current)
        if better is not None:
            report(
                f"publication {better.publication} of {table} {window} is in force again: a late request had undone it"
            )
            write_window_manifest(store, prefix, better)
        if (current := better or current) is not None:
            update_stable_names(
                store,
                prefix,
                current,
                how,
                held,
                [each.key for each in store.list(window_folder(prefix, table, window))],
                report,
            )


def write_window_manifest(store: ObjectStore, prefix: str, manifest: Manifest) -> None:
    """Let `manifest`, all of whose objects stand, be the one in force."""
    store.put(manifest_key(prefix, manifest.table, manifest.window), manifest.to_json(), media_type="application/json")


def manifest_in_force(
    store: ObjectStore, prefix: str, table: str, window: str, report: Callable[[str], None]
) -> Manifest | None:
    """The manifest in force. One that was read and makes no sense counts as none; one that may not be read is an
    error.
    """
    try:
        return load_manifest(store, prefix, table, window)
    except StorageDamagedError as error:
        report(f"a manifest is of no use: {error}")
        return None


def publications_of(prefix: str, keys: Collection[str]) -> set[str]:
    """The publications, among a window's `keys`, that are complete: their manifest is there."""
    places = filter(None, (parse_key(prefix, key) for key in keys))
    return {place.publication for place in places if place.publication and place.name == MANIFEST}


def newest_publication_since(
    store: ObjectStore, prefix: str, table: str, window: str, known: Collection[str]
) -> Manifest | None:
    """The manifest of the newest publication of a window that is not among the `known`; None where there is no
    other.
    """
    found = []
    for stored in store.list(window_folder(prefix, table, window)):
        place = parse_key(prefix, stored.key)
        if place is not None and place.publication not in {"", *known} and place.name == MANIFEST:
            found.append((stored.modified is not None, stored.modified, place.publication))
    for _, _, publication in sorted(found, reverse=True):
        try:
            return load_manifest(store, prefix, table, window, publication=publication)
        except StorageDamagedError:
            continue
    return None
