"""What has expired: planned first, so that a dry run shows exactly what a real one deletes. Nothing else deletes what
is published.

    windows beyond `keep` and `keep_last`        superseded versions of the windows that stay
    publications whose run died half-way         stored extracts after their days

Only names of our own making are deleted, as a manifest names them, or the mark that a publication leaves before it
sends anything. Of a window that goes, the manifest in force is the first: readers no longer see the window, and what a
pass that is killed leaves is superseded for the next one.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from aggregation_pipeline.errors import PipelineError
from aggregation_pipeline.storage.base import ObjectStore, StoredObject
from aggregation_pipeline.storage.expiry import RetentionRule, expired_windows
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline.storage.keys import MANIFEST, extracts_root, manifest_key, table_folder
from aggregation_pipeline.storage.lock import Lock
from aggregation_pipeline.storage.manifest import Manifest
from aggregation_pipeline.storage.parsed_keys import parse_extract_key, parse_key
from aggregation_pipeline.storage.published import load_manifest
from aggregation_pipeline.storage.superseded_versions import IsActive, WindowObjects, list_window_objects, superseded
from aggregation_pipeline.storage.window_manifest import (
    fenced,
    newest_publication_since,
    publications_of,
    repair_after_lost_lock,
)

# No file takes a day to be copied.
_HALF_WRITTEN_FOR = timedelta(days=1)


@dataclass(frozen=True)
class Expired:
    """What is deleted of a window, in this order."""

    table: str
    window: str
    keys: tuple[str, ...]


@dataclass(frozen=True)
class RetentionResult:
    """What a pass deleted, or would delete.

    `windows` went as a whole; of other windows `versions` did, and `extracts`. `problems`: tables that were left alone,
    in words.
    """

    windows: tuple[Expired, ...]
    versions: tuple[Expired, ...]
    extracts: tuple[Expired, ...]
    half_written: tuple[str, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True)
class _Pass:
    """What is the same for all windows of a pass. `lock(table, window)` keeps publishers off."""

    store: ObjectStore
    prefix: str
    now: datetime
    keep_extracts: timedelta
    lock: Callable[[str, str], AbstractContextManager[Lock]]
    is_active: IsActive
    report: Callable[[str], None]
    dry_run: bool


@dataclass(frozen=True)
class _Going:
    """What goes of one window: all of it, or superseded versions; and extracts that are too old."""

    whole: bool
    keys: tuple[str, ...]
    extracts: tuple[str, ...]


def apply_retention(
    store: ObjectStore,
    prefix: str,
    rules: Sequence[RetentionRule],
    *,
    now: datetime,
    keep_extracts: timedelta,
    lock: Callable[[str, str], AbstractContextManager[Lock]],
    is_active: IsActive,
    report: Callable[[str], None],
    dry_run: bool,
) -> RetentionResult:
    """Delete what `rules` let go, extracts older than `keep_extracts`, and what killed writers left half written in a
    folder.

    `now` is in the time zone of the windows. `lock(table, window)` keeps publishers off a window while it is swept; a
    dry run takes none. `is_active(run id)`: whether that run may still be at work. What is wrong with one table is kept as
    a problem and stops no other; StorageBusyError stops the pass, which can be repeated.
    """
    this = _Pass(store, prefix, now, keep_extracts, lock, is_active, report, dry_run)
    would = " would go" if dry_run else ""
    windows, versions, extracts, problems = list[Expired](), list[Expired](), list[Expired](), list[str]()
    stored = _stored_extracts(store, prefix)
    known = {rule.table: rule for rule in rules}
    for table in [*known, *sorted(stored.keys() - known.keys())]:
        try:
            # Of a table that is not in the configuration any more only the extracts go.
            for window, going in _sweep_table(this, known.get(table), table, stored.get(table, {})):
                if going.keys:
                    what = "" if going.whole else " that are superseded or were left by dead runs"
                    report(f"{table} {window}: {len(going.keys)} objects{what}{would}")
                    (windows if going.whole else versions).append(Expired(table, window, going.keys))
                if going.extracts:
                    extracts.append(Expired(table, window, going.extracts))
        except PipelineError as error:
            if error.retryable:
                raise
            problems.append(str(error))
            report(str(error))
    report(f"extracts older than {keep_extracts.days} days: {sum(len(each.keys) for each in extracts)} objects{would}")
    left = (
        store.delete_half_written(now.astimezone(UTC) - _HALF_WRITTEN_FOR, dry_run=dry_run)
        if isinstance(store, FolderStore)
        else ()
    )
    return RetentionResult(tuple(windows), tuple(versions), tuple(extracts), tuple(map(str, left)), tuple(problems))


def _sweep_table(
    this: _Pass, rule: RetentionRule | None, table: str, extracts: dict[str, list[StoredObject]]
) -> Iterator[tuple[str, _Going]]:
    listed: dict[str, list[StoredObject]] = defaultdict(list)
    standing = set()
    for stored in this.store.list(table_folder(this.prefix, table)) if rule is not None else ():
        if place := parse_key(this.prefix, stored.key):
            listed[place.window].append(stored)
            if not place.publication and place.name == MANIFEST:
                standing.add(place.window)
    expired = [] if rule is None else expired_windows(standing, rule, now=this.now)
    for window in sorted({*listed, *extracts}):
        there = WindowObjects(table, window, listed.get(window, []), extracts.get(window, []))
        going = _going(this, rule, there, whole=window in expired)
        if going.keys or going.extracts:
            yield window, (going if this.dry_run else _delete(this, rule, table, window, whole=going.whole))


def _going(this: _Pass, rule: RetentionRule | None, there: WindowObjects, *, whole: bool) -> _Going:
    ages = {each.key: this.now - each.modified for each in there.extracts if each.modified is not None}
    old = [key for key, age in ages.items() if age > this.keep_extracts]
    if rule is None:
        return _Going(whole=False, keys=(), extracts=tuple(old))
    keys = superseded(
        this.store,
        this.prefix,
        there,
        now=this.now,
        keep_versions=rule.keep_versions,
        is_active=this.is_active,
        whole=whole,
    )
    if whole:
        keys = (manifest_key(this.prefix, there.table, there.window), *keys)
    return _Going(whole, keys, tuple(key for key in old if key not in keys))


def _delete(this: _Pass, rule: RetentionRule | None, table: str, window: str, *, whole: bool) -> _Going:
    """Look at the window anew, under its lock: it may have been published again since. Delete what still may go."""
    store, prefix = this.store, this.prefix
    with this.lock(table, window) as held:
        there = list_window_objects(store, prefix, table, window)
        going = _going(this, rule, there, whole=whole)
        before = load_manifest(store, prefix, table, window) if going.whole else None
        known = publications_of(prefix, [stored.key for stored in there.objects])

        def repair(current: Manifest | None) -> Manifest | None:
            return (
                (newest_publication_since(store, prefix, table, window, known) or before) if current is None else None
            )

        def put_right() -> None:
            repair_after_lost_lock(
                store, prefix, table, window, rule.names if rule else "none", held, this.report, repair
            )

        held.assert_held()
        with fenced(held, put_right):
            for key in going.keys[: 1 if going.whole else 0]:
                store.delete(key)
                held.assert_held()  # before anything that it names
            for key in (*going.keys[1 if going.whole else 0 :], *going.extracts):
                store.delete(key)
        return going


def _stored_extracts(store: ObjectStore, prefix: str) -> dict[str, dict[str, list[StoredObject]]]:
    """By table and window. Whatever else lies in their folder is not ours."""
    found: dict[str, dict[str, list[StoredObject]]] = defaultdict(lambda: defaultdict(list))
    for stored in store.list(extracts_root(prefix)):
        if place := parse_extract_key(prefix, stored.key):
            found[place.table][place.window].append(stored)
    return found
