"""Publishing in one line, a store that is watched while it happens, and a lock that is lost when the test says so."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aggregation_pipeline.errors import LockError
from aggregation_pipeline.extract import Extract
from aggregation_pipeline.storage.base import ObjectStore, StoredObject
from aggregation_pipeline.storage.lock_protocol import NoLock
from aggregation_pipeline.storage.manifest import Manifest
from aggregation_pipeline.storage.publish import publish_window
from aggregation_pipeline_tests.storage.samples import render_csv, render_json


class Watched:
    """Passes everything on to a real store, records what is done to it, and can be made to fail."""

    def __init__(self, store: ObjectStore) -> None:
        self.store, self.done = store, list[str]()
        self.before: Callable[[str, str], None] = lambda _verb, _key: None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def put(self, key: str, source: Path | bytes, **how: Any) -> StoredObject:
        self.before("put", key)
        self.done.append(f"put {key}")
        return self.store.put(key, source, **how)

    def copy(self, source_key: str, target_key: str, **how: Any) -> bool:
        self.before("copy", target_key)
        changed = self.store.copy(source_key, target_key, **how)
        if changed:
            self.done.append(f"name {target_key}")
        return changed

    def symlink(self, source_key: str, target_key: str, **how: Any) -> bool:
        self.before("symlink", target_key)
        changed = self.store.symlink(source_key, target_key, **how)
        if changed:
            self.done.append(f"link {target_key}")
        return changed

    def delete(self, key: str) -> None:
        self.before("delete", key)
        self.done.append(f"delete {key}")
        self.store.delete(key)


class LostLock(NoLock):
    """A lock that is lost from the check number `lost_at` on; `meanwhile`: what others do until it is taken again."""

    def __init__(self, lost_at: int, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.left, self.meanwhile, self.taken_again = lost_at, meanwhile, 0

    def assert_held(self) -> None:
        self.left -= 1
        if self.left <= 0:
            raise LockError("the lock is lost")

    @contextmanager
    def reacquire(self) -> Iterator[NoLock]:
        self.taken_again += 1
        self.meanwhile()
        yield NoLock()


def publish(
    store: Any, extract: Extract, directory: Path, *, run: str, formats: str = "json csv", **how: Any
) -> Manifest:
    directory.mkdir(parents=True, exist_ok=True)
    files = [render_json(extract, directory)] if "json" in formats else []
    files += render_csv(extract, directory) if "csv" in formats else []
    return publish_window(store, "daily", extract, files, run_id=run, **how).manifest


class Killed(BaseException):
    """Stands for the end of the process: nothing may run after it. (Real kills are in test_kill.py.)"""


def killed_at(watched: Watched, step: int) -> None:
    """Let the process end at the `step`-th change of the store."""
    left = iter(range(step))

    def die(_verb: str, _key: str) -> None:
        if next(left, None) is None:
            raise Killed

    watched.before = die


def keys_below(store: ObjectStore, prefix: str) -> list[str]:
    return [stored.key.removeprefix(prefix) for stored in store.list(prefix)]


def everything(store: ObjectStore) -> dict[str, bytes]:
    return {stored.key: store.read(stored.key) for stored in store.list("")}
