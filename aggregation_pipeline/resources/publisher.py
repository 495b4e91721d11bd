"""What tables publish with: the store, the window locks, and the destination of a window's files."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dagster import InitResourceContext, ResourceDefinition, resource

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import StorageError
from aggregation_pipeline.export.destination import Destination
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.settings.connections import open_store
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.keys import manifest_key
from aggregation_pipeline.storage.lock_protocol import Lock, NoLock
from aggregation_pipeline.storage.manifest import Manifest

if TYPE_CHECKING:
    import sqlalchemy as sa

# The resource key of the publisher.
PUBLISHER: Final = "publisher"
# That of the IO manager which loads tables for assets of users, and keeps what these return.
IO_MANAGER: Final = "io_manager"


@dataclass(frozen=True)
class Publisher:
    """Where the tables of this deployment are published. Their ops get it as the resource `publisher`.

    Attributes:
        store: the bucket or the folder.
        prefix: the beginning of every key; empty for none.
        temp_dir: local folder for extracts and rendered files.
        locks_url: PostgreSQL that holds the window locks.
        locks: keeps the session that holds them, while a run goes on; None opens one for each lock.
        link_seconds: how long the download links live that assets' metadata holds; None for no links there.
    """

    store: ObjectStore
    prefix: str
    temp_dir: Path
    locks_url: str
    link_seconds: int | None = None
    locks: "sa.Engine | None" = None

    @contextmanager
    def locked(
        self, entry: TableEntry, window: str, run_id: str, on_wait: Callable[[str], None]
    ) -> Iterator[Destination]:
        """Hold the window lock for the body, and yield where the run publishes the window.

        `on_wait` is called with a sentence that says who holds the lock, while this run waits for it. Once the run is
        stopped, the lock is not confirmed any more, and so nothing is published.

        Raises:
            LockError: PostgreSQL cannot be reached.
        """
        from aggregation_pipeline.postgres.run_lock import session_name
        from aggregation_pipeline.postgres.window_lock import window_lock
        from aggregation_pipeline.runs.stopped import interrupt_if_stopped

        holder = session_name(run_id)
        database = self.locks or self.locks_url
        refuse = functools.partial(interrupt_if_stopped, run_id=run_id)
        with window_lock(
            database, self.prefix, entry.name, window, holder=holder, on_wait=on_wait, on_confirm=refuse
        ) as lock:
            yield self._destination(entry, run_id, lock)

    def unlocked(self, entry: TableEntry, run_id: str) -> Destination:
        """Return where the entry is published, for a run that only reads."""
        return self._destination(entry, run_id, NoLock())

    def latest_manifest(self, table: str) -> Manifest:
        """Return the manifest of the newest window of an entry.

        Raises:
            StorageError: there is none.
        """
        from aggregation_pipeline.storage.published import latest_window, load_manifest

        window = latest_window(self.store, self.prefix, table)
        manifest = None if window is None else load_manifest(self.store, self.prefix, table, window)
        if manifest is None:
            raise StorageError(f"table {table!r} has no published window yet. Materialize the table first.")
        return manifest

    def manifest_uri(self, table: str, window: str) -> str:
        """Return the address of a window's manifest."""
        return self.store.uri(manifest_key(self.prefix, table, window))

    def _destination(self, entry: TableEntry, run_id: str, lock: Lock) -> Destination:
        return Destination(self.store, self.prefix, run_id, entry.options, self.temp_dir, lock, entry.names)


def publisher_of(settings: Settings) -> Publisher:
    """Return the publisher that the settings describe. Nothing is opened; without DAGSTER_PG_URL it has no locks."""
    return Publisher(
        open_store(settings),
        settings.oss_prefix,
        settings.temp_dir,
        "" if settings.dagster_pg_url is None else settings.dagster_pg_url.get_secret_value(),
        settings.oss_link_seconds if settings.oss_links_in_metadata else None,
    )


def build_publisher(publisher: Publisher) -> ResourceDefinition:
    """Build the resource `publisher`. A run keeps its sessions to its end: for window locks, and for the source."""

    @resource(description="Publishes the windows of tables, on OSS or in the folder, each under its window lock.")
    def for_one_run(_context: InitResourceContext) -> Iterator[Publisher]:
        from aggregation_pipeline.postgres.engine import create_engine
        from aggregation_pipeline.source.kept_connections import kept_connections

        locks = create_engine(publisher.locks_url, application_name="aggregation lock", keep=True)
        try:
            with kept_connections():
                yield replace(publisher, locks=locks)
        finally:
            locks.dispose()

    return for_one_run
