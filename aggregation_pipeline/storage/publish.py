"""Publish a window so that who reads by its manifest sees all of it or nothing, even if a request lands late.

    compare rows -> compare with the manifest in force -> mark -> files -> extracts -> {publication}/manifest.json
    -> {window}/manifest.json, the window manifest -> stable names -> latest.json

A publication is one attempt on one window. It writes in a folder of its own, and nothing there is ever written again.
So a writer that was killed, or that lost its lock and does not know yet, can spoil no file. The window manifest is the
one object that is replaced: until it is written the former version is in force, and whole. The caller holds the
window's lock, so there is one publisher at a time.
"""

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from aggregation_pipeline.config.file_names import StableNames
from aggregation_pipeline.errors import StorageError, this_program
from aggregation_pipeline.extract import Extract
from aggregation_pipeline.storage.base import ObjectStore, Report
from aggregation_pipeline.storage.keys import publication_id, run_of, window_folder
from aggregation_pipeline.storage.lock_protocol import Lock, NoLock
from aggregation_pipeline.storage.manifest import Manifest, ManifestCheck
from aggregation_pipeline.storage.parsed_keys import parse_key
from aggregation_pipeline.storage.publication_plan import PublicationPlan, plan_publication, refuse_wrong_files
from aggregation_pipeline.storage.publication_upload import keys_with_content, upload_publication
from aggregation_pipeline.storage.stable_names import stable_names_of, update_stable_names
from aggregation_pipeline.storage.superseded_versions import have_same_masks, versions_under_other_masks
from aggregation_pipeline.storage.window_manifest import (
    manifest_in_force,
    newest_publication_since,
    publications_of,
    repair_after_lost_lock,
    repaired_if_lock_is_lost,
    write_window_manifest,
)
from aggregation_pipeline.storage.window_names import is_window

if TYPE_CHECKING:  # a store needs the shape of what it publishes, not the libraries that render it
    from aggregation_pipeline.formats.common.file_format import RenderedFile

_NO_LOCK: Final = NoLock()


@dataclass(frozen=True)
class PublishedWindow:
    """What a window has become.

    Attributes:
        manifest: the one in force.
        names: the stable name of each file, by the file's key.
        name_problems: what went wrong with stable names, in words.
    """

    manifest: Manifest
    names: dict[str, str]
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
    lock: Lock = _NO_LOCK,
) -> PublishedWindow:
    """Publish the rendered `files` of `extract`; the manifest that is returned is the one in force at the end.

    From then on nobody may write into these files and the extract: a folder on the same disk holds them themselves.
    Where the data and everything said about it is unchanged, nothing is sent. The old manifest, with the id of the run
    that made it, stays and is returned. Whatever is raised, no manifest names anything unfinished.

    Args:
        partial: only some of the table's formats were rendered. The other files of the manifest in force stay if they
            were made from the same data, by the extracts' checksums. Otherwise the window loses them.
        report: is told, file by file, what was sent or left alone.
        lock: is asked before and after the window manifest is written, and at the end.

    Raises:
        FormatError: a file does not hold the rows of the extract.
        LockError: the lock is lost.
        StorageError: the store refuses, or the window has a name that no window has.
        StorageBusyError: the store is out of order for now.
    """
    refuse_wrong_files(extract, files)
    _refuse_unknown_window(extract)
    old, keys = _read_window(store, prefix, extract, report)
    planned = plan_publication(
        prefix,
        extract,
        files,
        _next_publication(prefix, run_id, keys),
        old,
        partial=partial,
        unchanged=lambda wanted: keys_with_content(store, wanted, report),
    )
    new = _new_manifest(extract, planned, run_id=run_id, notes=notes, checks=checks)
    attempt = _Attempt(store, prefix, names, lock, report, keys)
    if old is not None and _says_the_same(old, new):
        manifest, problems = old, attempt.compare_names(old)
    else:
        upload_publication(store, prefix, new, planned.uploads, lock, report)
        manifest, problems = new, attempt.put_in_force(new, old)
    stable_names = {
        file.key: key for key, file in stable_names_of(prefix, manifest, names).items() if key not in problems
    }
    return PublishedWindow(manifest, stable_names, tuple(problems.values()))


@dataclass(frozen=True)
class _Attempt:
    """What one publication works with. `keys`: those of the window before anything was sent."""

    store: ObjectStore
    prefix: str
    names: StableNames
    lock: Lock
    report: Report
    keys: frozenset[str]

    def compare_names(self, manifest: Manifest) -> dict[str, str]:
        """Put the stable names right while the manifest stays as it is; return what went wrong, by name."""
        self.lock.assert_held()
        with self._repaired(manifest, choose=lambda _: None):
            return self._update_names(manifest)

    def put_in_force(self, new: Manifest, former: Manifest | None) -> dict[str, str]:
        """Write the window manifest, then the stable names; return what went wrong, by name."""

        def choose(current: Manifest | None) -> Manifest | None:
            if current is None or run_of(current.publication) != new.run_id:
                return None
            known = {*publications_of(self.prefix, self.keys), new.publication}
            return newest_publication_since(self.store, self.prefix, new.table, new.window, known)

        self.lock.assert_held()
        with self._repaired(new, choose):
            write_window_manifest(self.store, self.prefix, new)
            self.lock.assert_held()
            problems = self._update_names(new)
            if former is not None and not have_same_masks(new, former):
                problems |= _delete_other_masks(self.store, self.prefix, new, self.lock, self.report)
        return problems

    def _update_names(self, manifest: Manifest) -> dict[str, str]:
        return update_stable_names(self.store, self.prefix, manifest, self.names, self.lock, self.keys, self.report)

    def _repaired(
        self, manifest: Manifest, choose: Callable[[Manifest | None], Manifest | None]
    ) -> AbstractContextManager[None]:
        repair = partial(
            repair_after_lost_lock,
            self.store,
            self.prefix,
            manifest.table,
            manifest.window,
            self.names,
            self.lock,
            self.report,
            choose=choose,
        )
        return repaired_if_lock_is_lost(self.lock, repair)


def _refuse_unknown_window(extract: Extract) -> None:
    if not is_window(extract.window):
        raise StorageError(
            f"Table {extract.table!r}: {extract.window!r} is no window. Windows are called 2026-11-20, 2026-11-20T1400"
            " or 2026-11-20-14:00."
        )


def _read_window(
    store: ObjectStore, prefix: str, extract: Extract, report: Report
) -> tuple[Manifest | None, frozenset[str]]:
    """Return the manifest in force and all keys of the window; both requests run at once."""
    table, window = extract.table, extract.window
    with ThreadPoolExecutor(1) as pool:
        listing = pool.submit(lambda: frozenset(each.key for each in store.list(window_folder(prefix, table, window))))
        return manifest_in_force(store, prefix, table, window, report), listing.result()


def _next_publication(prefix: str, run_id: str, keys: Collection[str]) -> str:
    """Return an id that no other attempt of the run has; each has left its mark before it sent anything else."""
    parsed = filter(None, (parse_key(prefix, key) for key in keys))
    taken = [int(each.publication.partition(".")[2] or 1) for each in parsed if run_of(each.publication) == run_id]
    return publication_id(run_id, max(taken, default=0) + 1)


def _new_manifest(
    extract: Extract,
    planned: PublicationPlan,
    *,
    run_id: str,
    notes: Sequence[str],
    checks: Sequence[ManifestCheck],
) -> Manifest:
    return Manifest(
        written_by=this_program(),
        source=extract.source,
        table=extract.table,
        window=extract.window,
        run_id=run_id,
        publication=planned.publication,
        consistency=extract.consistency,
        engines=extract.engines,
        columns_fingerprint=extract.columns_fingerprint,
        masks_fingerprints=extract.masks_fingerprints,
        refresh_key=extract.refresh_key,
        datasets=planned.datasets,
        files=planned.files,
        notes=tuple(notes),
        checks=tuple(checks),
    )


def _says_the_same(old: Manifest, new: Manifest) -> bool:
    """Whether `new` differs only in who wrote it, its format and its checks: results on the same data stay."""
    same = ("version", "written_by", "run_id", "publication", "checks")
    return old == new.model_copy(update={name: getattr(old, name) for name in same})


def _delete_other_masks(
    store: ObjectStore, prefix: str, manifest: Manifest, lock: Lock, report: Report
) -> dict[str, str]:
    """Delete former versions that may show what is masked now.

    Returns what went wrong, by what it is about. The next retention deletes what could not be deleted now.
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
