"""What of a window nobody needs any more: superseded versions, and what runs that died half-way have left."""

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

# Readers that hold the former manifest have so long, and so has a run that was killed until it counts as one that left
# something.
GRACE: Final = timedelta(days=1)
# Whether a run of this id may still be at work.
IsActive = Callable[[str], bool]


@dataclass
class _Folder:
    """A publication: its objects by the last segment of their keys, and its extracts."""

    objects: dict[str, StoredObject] = field(default_factory=dict)
    extracts: list[StoredObject] = field(default_factory=list)

    @property
    def written(self) -> datetime:
        """When its manifest was; when anything was where there is none."""
        complete = [self.objects[MANIFEST]] if MANIFEST in self.objects else [*self.objects.values(), *self.extracts]
        return max((stored.modified for stored in complete if stored.modified is not None), default=datetime.now(UTC))


@dataclass(frozen=True)
class WindowObjects:
    """All that lies in the folder of a window, and its stored extracts."""

    table: str
    window: str
    objects: Sequence[StoredObject]
    extracts: Sequence[StoredObject]


def list_window_objects(store: ObjectStore, prefix: str, table: str, window: str) -> WindowObjects:
    """What lies there now."""
    extracts = [
        stored for stored in store.list(extracts_folder(prefix, table, window)) if parse_extract_key(prefix, stored.key)
    ]
    return WindowObjects(table, window, list(store.list(window_folder(prefix, table, window))), extracts)


def superseded(
    store: ObjectStore,
    prefix: str,
    there: WindowObjects,
    *,
    now: datetime,
    keep_versions: int | None,
    is_active: IsActive,
    whole: bool,
) -> tuple[str, ...]:
    """Keys that may go, in the order in which they have to be deleted; with `whole`, all that was ever published of the
    window.

    Kept are the version in force, those that `keep_versions` says (None: all), and what was superseded less than a day
    ago, unless masks have changed since; then what a kept manifest names, wherever it lies; and all that a live run may
    be about to name.

    Raises:
        StorageDamagedError: a manifest, or a mark, that makes no sense. Nobody knows then what is needed.
    """
    folders = _folders(prefix, there)
    standing = any(
        place.name == MANIFEST
        for stored in there.objects
        if (place := parse_key(prefix, stored.key)) and not place.publication
    )
    if standing and not whole and len(folders) <= 1:
        return ()
    in_force = load_manifest(store, prefix, there.table, there.window)
    manifests = {
        publication: manifest
        for publication, folder in folders.items()
        if MANIFEST in folder.objects
        and (manifest := load_manifest(store, prefix, there.table, there.window, publication=publication)) is not None
    }
    kept = [] if whole else _kept(in_force, manifests, folders, now=now, keep_versions=keep_versions)
    needed = frozenset(key for manifest in kept for key in manifest.keys)
    wanted = (
        {window_key(prefix, there.table, there.window, file.name) for file in in_force.files}
        if in_force and not whole
        else set()
    )
    gone = superseded_names(store, prefix, there.table, there.window, [stored.key for stored in there.objects], wanted)
    marks = []
    for publication, folder in folders.items():
        if publication in {manifest.publication for manifest in kept}:
            continue
        named = manifests.get(publication)
        if named is None and not _is_left(folder, publication, needed, now=now, is_active=is_active):
            continue
        mine = _own(store, prefix, there, publication, folder) if named is None else named.keys
        listed = [stored.key for stored in (*folder.objects.values(), *folder.extracts)]
        going = [key for key in listed if key in mine and key not in needed]
        gone += [*going, *([folder.objects[MANIFEST].key] if MANIFEST in folder.objects else [])]
        # The mark tells whose the rest is, and what: it goes when nothing is left that is to go one day.
        if MARK in folder.objects and not needed.intersection(listed):
            marks.append(folder.objects[MARK].key)
    return (*gone, *marks)


def versions_under_other_masks(store: ObjectStore, prefix: str, in_force: Manifest) -> tuple[str, ...]:
    """Keys of the former versions of a window that were read under other masks than the one in force; they may show
    what is masked now.
    """
    there = list_window_objects(store, prefix, in_force.table, in_force.window)
    return superseded(
        store, prefix, there, now=datetime.now(UTC), keep_versions=None, is_active=lambda _: True, whole=False
    )


def _folders(prefix: str, there: WindowObjects) -> Mapping[str, _Folder]:
    found: dict[str, _Folder] = defaultdict(_Folder)
    for stored in there.objects:
        place = parse_key(prefix, stored.key)
        if place is not None and place.publication:
            found[place.publication].objects[place.name] = stored
    for stored in there.extracts:
        place = parse_extract_key(prefix, stored.key)
        if place is not None and place.publication in found:  # of one that is gone otherwise, they go by their age
            found[place.publication].extracts.append(stored)
    return found


def _kept(
    in_force: Manifest | None,
    manifests: Mapping[str, Manifest],
    folders: Mapping[str, _Folder],
    *,
    now: datetime,
    keep_versions: int | None,
) -> list[Manifest]:
    """The manifests whose versions stay, the one in force first."""
    former = sorted(
        (name for name in manifests if in_force is None or name != in_force.publication),
        key=lambda name: folders[name].written,
    )
    newest_first = list(reversed(former))
    everything = sorted(folders[name].written for name in manifests)
    kept = [] if in_force is None else [in_force]
    for number, name in enumerate(newest_first, start=1):
        written = folders[name].written
        superseded_at = next((later for later in everything if later > written), written)
        in_number = in_force is not None and (keep_versions is None or number < keep_versions)
        if (in_number or now - superseded_at <= GRACE) and (in_force is None or same_masks(in_force, manifests[name])):
            kept.append(manifests[name])
    return kept


def same_masks(one: Manifest, other: Manifest) -> bool:
    """Whether two versions were read under the same masks, those of columns that are no output any more included."""
    masks = {dataset.name: dataset.masks for dataset in other.datasets}
    asked = zip(one.masks_asked.split(), other.masks_asked.split(), strict=False)
    return all(dataset.masks == masks.get(dataset.name, dataset.masks) for dataset in one.datasets) and all(
        a == b for a, b in asked
    )


def _is_left(folder: _Folder, publication: str, needed: Collection[str], *, now: datetime, is_active: IsActive) -> bool:
    """Whether a publication without a manifest is what a dead run has left, and holds anything that is not needed."""
    if MARK not in folder.objects:
        return False
    unneeded = [stored for stored in (*folder.objects.values(), *folder.extracts) if stored.key not in needed]
    others = any(stored.key != folder.objects[MARK].key for stored in unneeded) or len(folder.objects) == 1
    return others and now - folder.written > GRACE and not is_active(run_of(publication))


def _own(store: ObjectStore, prefix: str, there: WindowObjects, publication: str, folder: _Folder) -> frozenset[str]:
    """The keys that a publication without a manifest has taken for itself: its mark says."""
    key = mark_key(prefix, there.table, there.window, publication)
    try:
        names = [str(name) for name in json.loads(store.read(key))["files"]]
    except (ValueError, KeyError, TypeError):
        raise StorageDamagedError(
            f"{store.uri(key)} does not say which files the publication has. Delete its folder by hand."
        ) from None
    files = (window_key(prefix, there.table, there.window, name, publication=publication) for name in names)
    return frozenset([*files, *(stored.key for stored in folder.extracts)])
