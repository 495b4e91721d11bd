"""The manifests that a window is compared with: its own, and those of earlier windows."""

from aggregation_pipeline.errors import StorageDamagedError, StorageError
from aggregation_pipeline.export.checks.results import counted_rows
from aggregation_pipeline.export.destination import Destination
from aggregation_pipeline.storage.manifest import Manifest
from aggregation_pipeline.storage.published import latest_window, load_manifest, published_windows


def require_manifest(destination: Destination, table: str, window: str) -> Manifest:
    """Return the manifest of a published window.

    Raises:
        StorageError: the window was never published.
    """
    manifest = load_manifest(destination.store, destination.prefix, table, window)
    if manifest is None:
        raise StorageError(
            f"table {table!r} has no published window {window}, so there is no stored extract to render from. "
            "Materialize the table itself; its formats come with it."
        )
    return manifest


def manifest_to_compare(destination: Destination, table: str, window: str) -> Manifest | None:
    """Return the window's own manifest, else that of the newest window; None if there is none or it is damaged."""
    store, prefix = destination.store, destination.prefix
    try:
        own = load_manifest(store, prefix, table, window)
        latest = None if own else latest_window(store, prefix, table)
        return own if latest is None else load_manifest(store, prefix, table, latest)
    except StorageDamagedError:
        return None


def rows_of_window_before(destination: Destination, table: str, window: str) -> int | None:
    """Return how many rows the newest window before this one has; None if there is no such window."""
    store, prefix = destination.store, destination.prefix
    earlier = max((name for _, name in published_windows(store, prefix, table) if name < window), default=None)
    manifest = None if earlier is None else load_manifest(store, prefix, table, earlier)
    return None if manifest is None else counted_rows(manifest)
