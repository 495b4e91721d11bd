"""What has expired: planned first, so that a dry run shows exactly what a real one deletes.

Only objects that a manifest names are ever deleted, and extracts by their age; whatever else lies in the bucket is not ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from aggregation_pipeline.errors import StorageError
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.keys import EXTRACTS, latest_key, manifest_key, tables_prefix
from aggregation_pipeline.storage.windows import load_manifest, published_windows


@dataclass(frozen=True)
class Expired:
    """A window to delete. `keys` in the order of deletion: the manifest first, so that no reader meets a half window."""

    table: str
    window: str
    keys: tuple[str, ...]


def expired_windows(
    store: ObjectStore, prefix: str, table: str, *, now: datetime, keep: timedelta | None = None, keep_last: int | None = None
) -> tuple[Expired, ...]:
    """Windows of the table beyond `keep` (by the window's own date, not by when it was written) or beyond the newest `keep_last`.

    With both, a window goes only when both let it go. The newest window always stays. A window whose name does not begin with a date
    never expires by age. StorageError for a limit that would keep nothing.
    """
    if (keep_last is not None and keep_last < 1) or (keep is not None and keep <= timedelta()):
        raise StorageError(f"Table {table!r}: keep and keep_last have to leave something: a time above 0, a number from 1.")
    if keep is None and keep_last is None:
        return ()
    windows = sorted((window for _, window in published_windows(store, prefix, table)), reverse=True)
    gone = [
        window
        for place, window in enumerate(windows)
        if place > 0 and (keep_last is None or place >= keep_last) and (keep is None or _older(window, now, keep))
    ]
    return tuple(_window(store, prefix, table, window) for window in reversed(gone))


def expired_extracts(store: ObjectStore, prefix: str, *, now: datetime, keep: timedelta) -> tuple[str, ...]:
    """Keys of stored extracts that were written longer than `keep` ago. Windows stay readable; only new formats need the extract."""
    root = f"{tables_prefix(prefix)}{EXTRACTS}/"
    return tuple(stored.key for stored in store.list(root) if stored.modified is not None and now - stored.modified > keep)


def delete(store: ObjectStore, keys: Sequence[str]) -> None:
    """Delete in the given order; what is gone already is fine, so a run that was interrupted can simply be repeated."""
    for key in keys:
        store.delete(key)


def _window(store: ObjectStore, prefix: str, table: str, window: str) -> Expired:
    manifest = load_manifest(store, prefix, table, window)
    if manifest is None or (manifest.table, manifest.window) != (table, window):
        raise StorageError(
            f"Table {table!r}, window {window}: the manifest changed while it was judged, or names another window. Nothing was deleted."
        )
    inside = tables_prefix(prefix)
    named = [file.key for file in manifest.files] + [d.extract.key for d in manifest.datasets if d.extract.key]
    own = {latest_key(prefix, table).rpartition("/")[0], f"{inside}{EXTRACTS}/{latest_key('', table).rpartition('/')[0]}"}
    if strangers := [key for key in named if not any(key.startswith(f"{folder}/") for folder in own)]:
        raise StorageError(
            f"Table {table!r}, window {window}: the manifest names {strangers[0]!r}, "
            "which lies outside of the table's folder. Nothing was deleted."
        )
    return Expired(table, window, (manifest_key(prefix, table, window), *named))


def _older(window: str, now: datetime, keep: timedelta) -> bool:
    try:
        day = datetime.strptime(window[:10], "%Y-%m-%d").replace(tzinfo=now.tzinfo)
    except ValueError:
        return False
    return now - day > keep
