"""A window that several runs publish, on a store whose requests can be held back for one of them."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from aggregation_pipeline.config.file_names import StableNames
from aggregation_pipeline.errors import StorageMissingError
from aggregation_pipeline.postgres.engine import create_engine
from aggregation_pipeline.postgres.window_lock import window_lock
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.expiry import RetentionRule
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline.storage.lock_protocol import Lock
from aggregation_pipeline.storage.manifest import Manifest
from aggregation_pipeline.storage.oss.store import OssStore
from aggregation_pipeline.storage.publish import publish_window
from aggregation_pipeline.storage.published import load_latest, load_manifest
from aggregation_pipeline.storage.retention import RetentionResult, apply_retention
from aggregation_pipeline_tests.storage.samples import WINDOW, render_csv, render_json, sample_extract
from aggregation_pipeline_tests.support.servers.fence import Fences, folder_fence, oss_proxy, take_lock_away
from aggregation_pipeline_tests.support.servers.oss import OssServer

PREFIX = "daily"
NAMES = ("orders.json", "orders.summary.csv", "orders.detail.csv")


class Work:
    """A call that runs in a thread beside the test."""

    def __init__(self, call: Callable[[], object]) -> None:
        pool = ThreadPoolExecutor(1)
        self._future = pool.submit(call)
        pool.shutdown(wait=False)

    def end(self) -> "Work":
        wait([self._future], 60)
        assert self._future.done(), "it never ended"
        return self

    @property
    def error(self) -> BaseException | None:
        """What the call raised, when it has ended."""
        return self._future.exception(0)

    @property
    def result(self) -> object:
        return self._future.result(0)


class Scene:
    """One window on a store. `behind` is the store itself; requests of `fenced` to it can be held back."""

    def __init__(
        self,
        behind: ObjectStore,
        fenced: ObjectStore,
        fences: Fences,
        names: StableNames,
        postgres_url: str,
        folder: Path,
    ) -> None:
        self.behind, self.fenced, self.fences, self.names = behind, fenced, fences, names
        self._url, self._folder = postgres_url, folder
        self.engine = create_engine(postgres_url, application_name="fence")
        # By name, every content that some run ever published: a reader by names has to get one of them.
        self.contents: dict[str, set[bytes]] = {name: set() for name in NAMES}

    def publish(
        self, run: str, value: int, *, fenced: bool = False, window: str = WINDOW, store: ObjectStore | None = None
    ) -> Manifest:
        """Publish a table in which everything is `value`, under the window's lock."""
        folder = self._folder / f"{run}-{value}-{window}-{threading.get_ident()}"
        extract = sample_extract(folder / "extract", window=window, value=value)
        files = [render_json(extract, folder), *render_csv(extract, folder)]
        for file in files:
            self.contents[file.name].add(file.path.read_bytes())
        store = store or (self.fenced if fenced else self.behind)
        with self._lock("orders", window, run) as lock:
            return publish_window(store, PREFIX, extract, files, run_id=run, names=self.names, lock=lock).manifest

    def apply_retention(self, *, fenced: bool = False, keep: timedelta | None = None) -> RetentionResult:
        """Apply retention as in three days, when no run of today is active any more."""
        return apply_retention(
            self.fenced if fenced else self.behind,
            PREFIX,
            [RetentionRule("orders", keep, names=self.names)],
            now=datetime.now(UTC) + timedelta(days=3),
            keep_extracts=timedelta(days=365),
            lock=lambda table, window: self._lock(table, window, "retention"),
            is_active=lambda _: False,
            report=lambda _: None,
            dry_run=False,
        )

    def take_lock_away(self, window: str = WINDOW) -> None:
        take_lock_away(self.engine, PREFIX, "orders", window)

    def in_force(self, window: str = WINDOW) -> Manifest:
        """Return the manifest in force, after proof that all its objects are as it says."""
        manifest = load_manifest(self.behind, PREFIX, "orders", window)
        assert manifest is not None
        self.assert_whole(manifest)
        return manifest

    def assert_whole(self, manifest: Manifest) -> None:
        wanted = {file.key: (file.bytes, file.crc64) for file in manifest.files}
        wanted |= {dataset.extract.key: (dataset.extract.bytes, dataset.extract.crc64) for dataset in manifest.datasets}
        for key, right in wanted.items():
            found = self.behind.head(key)
            assert found is not None, f"{key} is named by {manifest.publication} and is not there"
            assert (found.bytes, found.crc64) == right, f"{key} is not the file that {manifest.publication} names"

    def assert_names_are_of(self, manifest: Manifest) -> None:
        for file in manifest.files:
            for key in (f"{PREFIX}/orders/{WINDOW}/{file.name}", f"{PREFIX}/orders/latest/{file.name}"):
                found = self.behind.head(key)
                assert found is not None, f"{key} is not there"
                assert (found.bytes, found.crc64) == (file.bytes, file.crc64), (
                    f"{key} is not that of {manifest.publication}"
                )
                # What it leads to stays for as long as the manifest is in force.
                assert found.link in {None, file.key}
        latest = load_latest(self.behind, PREFIX, "orders")
        assert latest is not None
        assert (latest.window, set(latest.names)) == (WINDOW, set(NAMES))

    @contextmanager
    def readers(self) -> Iterator[list[str]]:
        """Read all the time, by the manifest and by names; the list gets what is wrong."""
        wrong: list[str] = []
        done = threading.Event()
        works = [Work(partial(self._read, one, wrong, done)) for one in (self._read_by_manifest, self._read_by_names)]
        try:
            yield wrong
        finally:
            done.set()
            for work in works:
                work.end()
        for work in works:
            if work.error is not None:
                raise work.error
        assert wrong == []

    def _read(self, one: Callable[[], None], wrong: list[str], done: threading.Event) -> None:
        while not done.is_set():
            try:
                one()
            except AssertionError as error:
                wrong.append(str(error))
            done.wait(0.005)

    def _read_by_manifest(self) -> None:
        manifest = load_manifest(self.behind, PREFIX, "orders", WINDOW)
        if manifest is None:
            return
        try:
            self.assert_whole(manifest)
        except AssertionError:
            # Retention gives readers a day with a manifest that is superseded, and none with that of a window that
            # expires.
            if load_manifest(self.behind, PREFIX, "orders", WINDOW) == manifest:
                raise

    def _read_by_names(self) -> None:
        for name in NAMES:
            key = f"{PREFIX}/orders/{WINDOW}/{name}"
            with suppress(StorageMissingError):
                assert self.behind.read(key) in self.contents[name], f"{key} holds what no run published"

    @contextmanager
    def _lock(self, table: str, window: str, run: str) -> Iterator[Lock]:
        with window_lock(self._url, PREFIX, table, window, holder=run[:60], on_wait=lambda _: None, poll=0.05) as lock:
            yield lock


@contextmanager
def scene(kind: str, server: OssServer | None, postgres_url: str, folder: Path) -> Iterator[Scene]:
    """`kind`: folder, oss (names are copies), oss-symlink, or oss-parts (every upload and copy is multipart)."""
    fences = Fences()
    with ExitStack() as stack:
        behind: ObjectStore
        fenced: ObjectStore
        if server is None:
            root = folder / "exports"
            stack.enter_context(folder_fence(fences, root))
            behind = fenced = FolderStore(root)
        else:
            endpoint = stack.enter_context(oss_proxy(fences, server.port))
            parts = {"multipart_above": 0, "copy_above": 0} if kind == "oss-parts" else {}
            behind = OssStore(server.options(**parts))
            fenced = OssStore(server.options(endpoint=endpoint, read_timeout=100, **parts))
        made = Scene(behind, fenced, fences, "symlink" if kind == "oss-symlink" else "copy", postgres_url, folder)
        try:
            yield made
        finally:
            fences.let_all_go()
            made.engine.dispose()
