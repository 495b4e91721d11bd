"""Which objects of a window are not needed any more: superseded versions, and leftovers of runs that died."""

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from aggregation_pipeline.errors import StorageDamagedError
from aggregation_pipeline.storage.base import ObjectStore, StoredObject
from aggregation_pipeline.storage.keys import (
    MANIFEST,
    MARK,
    extracts_folder,
    mark_key,
    run_of,
    window_folder,
    window_key,
)
from aggregation_pipeline.storage.manifest import Manifest
from aggregation_pipeline.storage.parsed_keys import parse_extract_key, parse_key
from aggregation_pipeline.storage.published import load_manifest
from aggregation_pipeline.storage.stable_names import superseded_names
from aggregation_pipeline.storage.stored_format import MARK_FORMAT, refuse_newer

# For so long readers may still use the former manifest, and a publication without manifest may still be at work.
GRACE: Final = timedelta(days=1)
# Whether the run of this id may still be at work.
IsActive = Callable[[str], bool]


@dataclass
class _Publication:
    """The folder of a publication: its objects by the last segment of their keys, and its extracts."""

    objects: dict[str, StoredObject] = field(default_factory=dict)
    extracts: list[StoredObject] = field(default_factory=list)

    @property
    def all_objects(self) -> list[StoredObject]:
        return [*self.objects.values(), *self.extracts]

    @property
    def written(self) -> datetime:
        """When its manifest was written; without a manifest, when anything was last written."""
        decisive = [self.objects[MANIFEST]] if MANIFEST in self.objects else self.all_objects
        return max((stored.modified for stored in decisive if stored.modified is not None), default=datetime.now(UTC))


@dataclass(frozen=True)
class WindowObjects:
    """All objects in the folder of a window, and its stored extracts."""

    table: str
    window: str
    objects: Sequence[StoredObject]
    extracts: Sequence[StoredObject]


def list_window_objects(store: ObjectStore, prefix: str, table: str, window: str) -> WindowObjects:
    """List what a window has in the store now."""
    extracts = [
        stored for stored in store.list(extracts_folder(prefix, table, window)) if parse_extract_key(prefix, stored.key)
    ]
    return WindowObjects(table, window, list(store.list(window_folder(prefix, table, window))), extracts)


def superseded_keys(
    store: ObjectStore,
    prefix: str,
    there: WindowObjects,
    *,
    now: datetime,
    keep_versions: int | None,
    is_active: IsActive,
    whole: bool,
) -> tuple[str, ...]:
    """Return the keys that may go, in the order in which they have to be deleted.

    With `whole`, that is all that was ever published of the window. Otherwise these stay: the version in force, as many
    versions as `keep_versions` says (None: all), and what was superseded less than a day ago, unless masks have changed
    since; whatever a kept manifest names, in any folder; and all that an active run may be about to name.

    Raises:
        StorageDamagedError: a manifest or a mark cannot be read, so it is not known what is needed.
    """
    publications = _publications(prefix, there)
    if _has_window_manifest(prefix, there) and not whole and len(publications) <= 1:
        return ()
    in_force = load_manifest(store, prefix, there.table, there.window)
    manifests = _load_manifests(store, prefix, there, publications)
    kept = [] if whole else _kept(in_force, manifests, publications, now=now, keep_versions=keep_versions)
    needed = frozenset(key for manifest in kept for key in manifest.keys)
    files = in_force.files if in_force is not None and not whole else ()
    names = {window_key(prefix, there.table, there.window, file.name) for file in files}
    keys = superseded_names(store, prefix, there.table, there.window, [stored.key for stored in there.objects], names)
    marks = []
    kept_publications = {manifest.publication for manifest in kept}
    for publication, folder in publications.items():
        if publication in kept_publications:
            continue
        manifest = manifests.get(publication)
        if manifest is None and not _is_left_over(folder, publication, needed, now=now, is_active=is_active):
            continue
        own = _keys_by_mark(store, prefix, there, publication, folder) if manifest is None else manifest.keys
        listed = [stored.key for stored in folder.all_objects]
        keys += [key for key in listed if key in own and key not in needed]
        if MANIFEST in folder.objects:
            keys.append(folder.objects[MANIFEST].key)
        # The mark says what the other objects are, so it stays until nothing is left that will go one day.
        if MARK in folder.objects and not needed.intersection(listed):
            marks.append(folder.objects[MARK].key)
    return (*keys, *marks)


def versions_under_other_masks(store: ObjectStore, prefix: str, in_force: Manifest) -> tuple[str, ...]:
    """Return the keys of former versions that were read under other masks: they may show what is masked now."""
    there = list_window_objects(store, prefix, in_force.table, in_force.window)
    return superseded_keys(
        store, prefix, there, now=datetime.now(UTC), keep_versions=None, is_active=lambda _: True, whole=False
    )


def have_same_masks(one: Manifest, other: Manifest) -> bool:
    """Whether two versions were read under the same masks, also those of columns that are no output any more."""
    masks = {dataset.name: dataset.masks for dataset in other.datasets}
    fingerprints = zip(one.masks_fingerprints.split(), other.masks_fingerprints.split(), strict=False)
    return all(dataset.masks == masks.get(dataset.name, dataset.masks) for dataset in one.datasets) and all(
        a == b for a, b in fingerprints
    )


def _publications(prefix: str, there: WindowObjects) -> Mapping[str, _Publication]:
    found: dict[str, _Publication] = defaultdict(_Publication)
    for stored in there.objects:
        parsed = parse_key(prefix, stored.key)
        if parsed is not None and parsed.publication:
            found[parsed.publication].objects[parsed.name] = stored
    for stored in there.extracts:
        parsed = parse_extract_key(prefix, stored.key)
        # Extracts whose publication is gone otherwise go by their age.
        if parsed is not None and parsed.publication in found:
            found[parsed.publication].extracts.append(stored)
    return found


def _has_window_manifest(prefix: str, there: WindowObjects) -> bool:
    parsed = filter(None, (parse_key(prefix, stored.key) for stored in there.objects))
    return any(each.name == MANIFEST and not each.publication for each in parsed)


def _load_manifests(
    store: ObjectStore, prefix: str, there: WindowObjects, publications: Mapping[str, _Publication]
) -> dict[str, Manifest]:
    """Return the manifests of complete publications, by publication."""
    loaded = {
        name: load_manifest(store, prefix, there.table, there.window, publication=name)
        for name, folder in publications.items()
        if MANIFEST in folder.objects
    }
    return {name: manifest for name, manifest in loaded.items() if manifest is not None}


def _kept(
    in_force: Manifest | None,
    manifests: Mapping[str, Manifest],
    publications: Mapping[str, _Publication],
    *,
    now: datetime,
    keep_versions: int | None,
) -> list[Manifest]:
    """Return the manifests whose versions stay, the one in force first."""
    written = {name: publications[name].written for name in manifests}
    former = sorted(
        (name for name in manifests if in_force is None or name != in_force.publication), key=written.__getitem__
    )
    kept = [] if in_force is None else [in_force]
    for number, name in enumerate(reversed(former), start=1):
        superseded_at = min((later for later in written.values() if later > written[name]), default=written[name])
        in_number = in_force is not None and (keep_versions is None or number < keep_versions)
        if (in_number or now - superseded_at <= GRACE) and (
            in_force is None or have_same_masks(in_force, manifests[name])
        ):
            kept.append(manifests[name])
    return kept


def _is_left_over(
    folder: _Publication, publication: str, needed: Collection[str], *, now: datetime, is_active: IsActive
) -> bool:
    """Whether a publication without manifest is what a dead run left, and has anything that is not needed."""
    if MARK not in folder.objects:
        return False
    unneeded = [stored for stored in folder.all_objects if stored.key not in needed]
    has_more = any(stored.key != folder.objects[MARK].key for stored in unneeded) or len(folder.objects) == 1
    return has_more and now - folder.written > GRACE and not is_active(run_of(publication))


def _keys_by_mark(
    store: ObjectStore, prefix: str, there: WindowObjects, publication: str, folder: _Publication
) -> frozenset[str]:
    """Return the keys of a publication without manifest, as its mark lists them."""
    key = mark_key(prefix, there.table, there.window, publication)
    content = store.read(key)
    refuse_newer(content, MARK_FORMAT, where=store.uri(key))
    try:
        names = [str(name) for name in json.loads(content)["files"]]
    except (ValueError, KeyError, TypeError):
        raise StorageDamagedError(
            f"{store.uri(key)} does not say which files the publication has. Delete its folder by hand."
        ) from None
    files = (window_key(prefix, there.table, there.window, name, publication=publication) for name in names)
    return frozenset([*files, *(stored.key for stored in folder.extracts)])
