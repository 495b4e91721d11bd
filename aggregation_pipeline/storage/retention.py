"""Delete what has expired. It is planned first, so that a dry run shows exactly what a real one deletes.

    windows beyond `keep` and `keep_last`        superseded versions of the windows that stay
    publications whose run died half-way         stored extracts after their days

Nothing else deletes what is published. Only names of our own making go: what a manifest names, or what the mark lists
that a publication leaves before it sends anything. Of a window that goes, the window manifest goes first, so readers no
longer see the window. What a killed pass leaves is superseded for the next one.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from aggregation_pipeline.errors import PipelineError
from aggregation_pipeline.storage.base import ObjectStore, Report, StoredObject
from aggregation_pipeline.storage.expiry import RetentionRule, expired_windows
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline.storage.keys import MANIFEST, extracts_root, manifest_key, table_folder
from aggregation_pipeline.storage.lock_protocol import Lock
from aggregation_pipeline.storage.manifest import Manifest
from aggregation_pipeline.storage.parsed_keys import parse_extract_key, parse_key
from aggregation_pipeline.storage.published import load_manifest
from aggregation_pipeline.storage.superseded_versions import (
    IsActive,
    WindowObjects,
    list_window_objects,
    superseded_keys,
)
from aggregation_pipeline.storage.window_manifest import (
    newest_publication_since,
    publications_of,
    repair_after_lost_lock,
    repaired_if_lock_is_lost,
)

# No file takes a day to be written.
_HALF_WRITTEN_FOR = timedelta(days=1)
_Extracts = dict[str, list[StoredObject]]


@dataclass(frozen=True)
class ExpiredObjects:
    """What is deleted of a window, in this order."""

    table: str
    window: str
    keys: tuple[str, ...]


@dataclass(frozen=True)
class RetentionResult:
    """What a pass deleted, or would delete.

    Attributes:
        windows: went as a whole.
        versions: superseded versions, and leftovers of dead runs, of windows that stay.
        extracts: of windows that stay.
        half_written: files that killed writers left in a folder.
        problems: which tables were left alone, and why.
    """

    windows: tuple[ExpiredObjects, ...]
    versions: tuple[ExpiredObjects, ...]
    extracts: tuple[ExpiredObjects, ...]
    half_written: tuple[str, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True)
class _RetentionPass:
    """What is the same for all windows of a pass. `lock(table, window)` keeps publishers away."""

    store: ObjectStore
    prefix: str
    now: datetime
    keep_extracts: timedelta
    lock: Callable[[str, str], AbstractContextManager[Lock]]
    is_active: IsActive
    report: Report
    dry_run: bool


@dataclass(frozen=True)
class _ExpiredOfWindow:
    """What goes of one window: all of it, or superseded versions; and extracts that are too old."""

    window: str
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
    report: Report,
    dry_run: bool,
) -> RetentionResult:
    """Delete what `rules` let go, extracts older than `keep_extracts`, and half-written files of killed writers.

    A problem with one table is kept in the result and stops no other table.

    Args:
        now: in the time zone of the windows.
        lock: called with (table, window), keeps publishers away from a window. A dry run takes no lock.
        is_active: whether the run of an id may still be at work.

    Raises:
        StorageBusyError: the store is out of order for now. The pass stops, and can be repeated.
    """
    this = _RetentionPass(store, prefix, now, keep_extracts, lock, is_active, report, dry_run)
    would = " would go" if dry_run else ""
    windows, versions, extracts = list[ExpiredObjects](), list[ExpiredObjects](), list[ExpiredObjects]()
    problems = list[str]()
    stored = _stored_extracts(store, prefix)
    known = {rule.table: rule for rule in rules}
    for table in [*known, *sorted(stored.keys() - known.keys())]:
        try:
            # A table that is not configured any more loses its extracts only.
            for expired in _apply_to_table(this, known.get(table), table, stored.get(table, {})):
                if expired.keys:
                    what = "" if expired.whole else " that are superseded or were left by dead runs"
                    report(f"{table} {expired.window}: {len(expired.keys)} objects{what}{would}")
                    deleted = ExpiredObjects(table, expired.window, expired.keys)
                    (windows if expired.whole else versions).append(deleted)
                if expired.extracts:
                    extracts.append(ExpiredObjects(table, expired.window, expired.extracts))
        except PipelineError as error:
            if error.retryable:
                raise
            problems.append(str(error))
            report(str(error))
    report(f"extracts older than {keep_extracts.days} days: {sum(len(each.keys) for each in extracts)} objects{would}")
    half_written = _delete_half_written(this)
    return RetentionResult(tuple(windows), tuple(versions), tuple(extracts), half_written, tuple(problems))


def _apply_to_table(
    this: _RetentionPass, rule: RetentionRule | None, table: str, extracts: _Extracts
) -> Iterator[_ExpiredOfWindow]:
    listed: dict[str, list[StoredObject]] = defaultdict(list)
    published = set()
    for stored in this.store.list(table_folder(this.prefix, table)) if rule is not None else ():
        if parsed := parse_key(this.prefix, stored.key):
            listed[parsed.window].append(stored)
            if not parsed.publication and parsed.name == MANIFEST:
                published.add(parsed.window)
    expired = [] if rule is None else expired_windows(published, rule, now=this.now)
    for window in sorted({*listed, *extracts}):
        there = WindowObjects(table, window, listed.get(window, []), extracts.get(window, []))
        found = _expired_of_window(this, rule, there, whole=window in expired)
        if found.keys or found.extracts:
            yield found if this.dry_run else _delete(this, rule, table, window, whole=found.whole)


def _expired_of_window(
    this: _RetentionPass, rule: RetentionRule | None, there: WindowObjects, *, whole: bool
) -> _ExpiredOfWindow:
    ages = {each.key: this.now - each.modified for each in there.extracts if each.modified is not None}
    old = [key for key, age in ages.items() if age > this.keep_extracts]
    if rule is None:
        return _ExpiredOfWindow(there.window, whole=False, keys=(), extracts=tuple(old))
    keys = superseded_keys(
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
    return _ExpiredOfWindow(there.window, whole, keys, tuple(key for key in old if key not in keys))


def _delete(
    this: _RetentionPass, rule: RetentionRule | None, table: str, window: str, *, whole: bool
) -> _ExpiredOfWindow:
    """Look at the window again under its lock, since it may have been published meanwhile; delete what still may go."""
    store, prefix = this.store, this.prefix
    with this.lock(table, window) as held:
        there = list_window_objects(store, prefix, table, window)
        expired = _expired_of_window(this, rule, there, whole=whole)
        before = load_manifest(store, prefix, table, window) if expired.whole else None
        known = publications_of(prefix, [stored.key for stored in there.objects])

        def choose(current: Manifest | None) -> Manifest | None:
            """Restore a window manifest that a late delete took away."""
            if current is not None:
                return None
            return newest_publication_since(store, prefix, table, window, known) or before

        def repair() -> None:
            names = rule.names if rule else "none"
            repair_after_lost_lock(store, prefix, table, window, names, held, this.report, choose=choose)

        held.assert_held()
        with repaired_if_lock_is_lost(held, repair):
            window_manifest, others = (expired.keys[:1], expired.keys[1:]) if expired.whole else ((), expired.keys)
            for key in window_manifest:
                store.delete(key)
                held.assert_held()  # before anything that it names
            for key in (*others, *expired.extracts):
                store.delete(key)
        return expired


def _delete_half_written(this: _RetentionPass) -> tuple[str, ...]:
    if not isinstance(this.store, FolderStore):
        return ()
    before = this.now.astimezone(UTC) - _HALF_WRITTEN_FOR
    return tuple(map(str, this.store.delete_half_written(before, dry_run=this.dry_run)))


def _stored_extracts(store: ObjectStore, prefix: str) -> dict[str, _Extracts]:
    """List stored extracts by table and window. Whatever else lies in their folder is not ours."""
    found: dict[str, _Extracts] = defaultdict(lambda: defaultdict(list))
    for stored in store.list(extracts_root(prefix)):
        if parsed := parse_extract_key(prefix, stored.key):
            found[parsed.table][parsed.window].append(stored)
    return found
