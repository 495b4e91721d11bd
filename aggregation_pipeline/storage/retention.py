"""What has expired: planned first, so that a dry run shows exactly what a real one deletes.

Only objects that a manifest names are ever deleted, and extracts by their age; whatever else lies in the bucket is not ours. While a
window goes, its manifest stands as `expired.json`: readers no longer see the window, and a run that was killed is gone on with.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from aggregation_pipeline.errors import PipelineError, StorageError
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline.storage.keys import (
    EXPIRED,
    EXTRACTS,
    MANIFEST,
    expired_key,
    extracts_folder,
    manifest_key,
    split_manifest_key,
    tables_prefix,
    window_folder,
)
from aggregation_pipeline.storage.manifest import Manifest
from aggregation_pipeline.storage.windows import read_if_there

# No file takes a day to be copied.
_HALF_WRITTEN_FOR = timedelta(days=1)
_DATE = re.compile(r"(\d{4})-(\d{2})(?:-(\d{2}))?(?!\d)")


@dataclass(frozen=True)
class Rule:
    """How long one table's windows stay; with neither limit, for ever. `lasts`: a window named by its first day ages from its last."""

    table: str
    keep: timedelta | None = None
    keep_last: int | None = None
    lasts: timedelta = timedelta()


@dataclass(frozen=True)
class Expired:
    """A window to delete. `keys` in the order of deletion: the manifest first, so that no reader meets a half window."""

    table: str
    window: str
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Swept:
    """What a pass deleted, or would delete. `problems`: tables that were left alone, in words."""

    windows: tuple[Expired, ...]
    extracts: tuple[str, ...]
    half_written: tuple[str, ...]
    problems: tuple[str, ...]


def sweep(
    store: ObjectStore,
    prefix: str,
    rules: Sequence[Rule],
    *,
    now: datetime,
    keep_extracts: timedelta,
    lock: Callable[[str, str], AbstractContextManager[object]],
    report: Callable[[str], None],
    dry_run: bool,
) -> Swept:
    """Delete what `rules` let go, extracts older than `keep_extracts`, and what killed writers left half written in a folder.

    `now` is in the time zone of the windows. `lock(table, window)` keeps publishers off a window while it goes; a dry run takes none.
    What is wrong with one table is kept as a problem and stops no other; StorageBusyError stops the pass, which can be repeated.
    """
    windows, problems = list[Expired](), list[str]()
    for rule in rules:
        try:
            keep = None if rule.keep is None else rule.keep + rule.lasts
            for expired in expired_windows(store, prefix, rule.table, now=now, keep=keep, keep_last=rule.keep_last):
                report(f"{rule.table} {expired.window}: {len(expired.keys)} objects{' would go' if dry_run else ''}")
                if not dry_run:
                    with lock(rule.table, expired.window):
                        remove_window(store, prefix, expired)
                windows.append(expired)
        except PipelineError as error:
            if error.retryable:
                raise
            problems.append(str(error))
            report(str(error))
    extracts = expired_extracts(store, prefix, now=now, keep=keep_extracts)
    report(f"extracts older than {keep_extracts.days} days: {len(extracts)} objects{' would go' if dry_run else ''}")
    if not dry_run:
        delete(store, extracts)
    left = store.sweep(now.astimezone(UTC) - _HALF_WRITTEN_FOR, dry_run=dry_run) if isinstance(store, FolderStore) else ()
    return Swept(tuple(windows), extracts, tuple(map(str, left)), tuple(problems))


def expired_windows(
    store: ObjectStore, prefix: str, table: str, *, now: datetime, keep: timedelta | None = None, keep_last: int | None = None
) -> tuple[Expired, ...]:
    """Windows of the table beyond `keep` (by the window's own date, not by when it was written) or beyond the newest `keep_last`.

    With both, a window goes only when both let it go. The newest window always stays. A window whose name does not begin with a date
    never expires by age. With neither, only what an earlier pass began to delete is left to do. StorageError for a limit that would
    keep nothing.
    """
    if (keep_last is not None and keep_last < 1) or (keep is not None and keep <= timedelta()):
        raise StorageError(f"Table {table!r}: keep and keep_last have to leave something: a time above 0, a number from 1.")
    standing, going = set[str](), set[str]()
    for stored in store.list(window_folder(prefix, table, "x").removesuffix("x/")):
        for name, windows in ((MANIFEST, standing), (EXPIRED, going)):
            if found := split_manifest_key(prefix, stored.key, name):
                windows.add(found[1])
    gone = [
        window
        for place, window in enumerate(sorted(standing, reverse=True))
        if (keep is not None or keep_last is not None)
        and place > 0
        and (keep_last is None or place >= keep_last)
        and (keep is None or _older(window, now, keep))
    ]
    # A window that was published again after its deletion had begun is a window like any other: only the mark goes.
    return tuple(
        Expired(table, window, (expired_key(prefix, table, window),))
        if window in standing and window not in gone
        else _window(store, prefix, table, window)
        for window in sorted({*gone, *going})
    )


def remove_window(store: ObjectStore, prefix: str, expired: Expired) -> None:
    """Delete an expired window, looking at it anew: it may have been published again while its lock was waited for.

    Killed anywhere on the way, it leaves `expired.json`, from which the next pass goes on.
    """
    mark = expired_key(prefix, expired.table, expired.window)
    manifest = manifest_key(prefix, expired.table, expired.window)
    content = read_if_there(store, manifest)
    if content is None or manifest in expired.keys:
        keys = _window(store, prefix, expired.table, expired.window).keys
        if content is not None:
            store.put(mark, content, media_type="application/json")
        delete(store, keys)
    store.delete(mark)


def expired_extracts(store: ObjectStore, prefix: str, *, now: datetime, keep: timedelta) -> tuple[str, ...]:
    """Keys of stored extracts that were written longer than `keep` ago. Windows stay readable; only new formats need the extract."""
    root = f"{tables_prefix(prefix)}{EXTRACTS}/"
    return tuple(stored.key for stored in store.list(root) if stored.modified is not None and now - stored.modified > keep)


def delete(store: ObjectStore, keys: Sequence[str]) -> None:
    """Delete in the given order; what is gone already is fine, so a run that was interrupted can simply be repeated."""
    for key in keys:
        store.delete(key)


def _window(store: ObjectStore, prefix: str, table: str, window: str) -> Expired:
    """What is to be deleted of a window: its manifest, the manifests of its runs (layout: versioned), and what they name."""
    folder = window_folder(prefix, table, window)
    own = (folder, extracts_folder(prefix, table, window))
    mark = expired_key(prefix, table, window)
    manifests, named = list[str](), list[str]()
    for key in sorted(_manifests(store, folder), key=lambda key: (key.count("/"), key == mark)):
        content = read_if_there(store, key)
        if content is None:
            continue
        manifest = Manifest.from_json(content, where=store.uri(key))
        if (manifest.table, manifest.window) != (table, window):
            raise StorageError(f"Table {table!r}, window {window}: {store.uri(key)} names another window. Nothing was deleted.")
        manifests.append(key)
        named += [file.key for file in manifest.files] + [d.extract.key for d in manifest.datasets if d.extract.key]
    if strangers := [key for key in named if not key.startswith(own)]:
        raise StorageError(
            f"Table {table!r}, window {window}: the manifest names {strangers[0]!r}, "
            "which lies outside of the window's folder. Nothing was deleted."
        )
    return Expired(table, window, tuple(dict.fromkeys([*(key for key in manifests if key != mark), *named])))


def _manifests(store: ObjectStore, folder: str) -> Iterator[str]:
    for stored in store.list(folder):
        match stored.key.removeprefix(folder).split("/"):
            case [name] if name in {MANIFEST, EXPIRED}:
                yield stored.key
            case [_, name] if name == MANIFEST:
                yield stored.key
            case _:
                pass


def _older(window: str, now: datetime, keep: timedelta) -> bool:
    """By the day, or the end of the month, that the window is named by."""
    match = _DATE.match(window)
    if match is None:
        return False
    year, month, day = int(match[1]), int(match[2]), int(match[3] or 0)
    try:
        if not day:  # a month lasts until the first of the next
            year, month, day = year + month // 12, month % 12 + 1, 1
        begun = datetime(year, month, day, tzinfo=now.tzinfo)
    except ValueError:
        return False
    return now - begun > keep
