"""Publishing in one line, and a store that is watched while it happens."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from aggregation_pipeline.extract import Extract
from aggregation_pipeline.storage.base import ObjectStore, StoredObject
from aggregation_pipeline.storage.manifest import Manifest
from aggregation_pipeline.storage.publish import publish_window
from aggregation_pipeline_tests.storage.samples import render_csv, render_json


class Watched:
    """A store that notes what is done to it and can be told to fail: a pass-through, the store behind it is real."""

    def __init__(self, store: ObjectStore) -> None:
        self.store, self.done = store, list[str]()
        self.before: Callable[[str, str], None] = lambda _verb, _key: None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def put(self, key: str, source: Path | bytes, **how: Any) -> StoredObject:
        self.before("put", key)
        self.done.append(f"put {key}")
        return self.store.put(key, source, **how)

    def delete(self, key: str) -> None:
        self.before("delete", key)
        self.done.append(f"delete {key}")
        self.store.delete(key)


def publish(store: Any, extract: Extract, directory: Path, *, run: str, formats: str = "json csv", **how: Any) -> Manifest:
    directory.mkdir(parents=True, exist_ok=True)
    files = [render_json(extract, directory)] if "json" in formats else []
    files += render_csv(extract, directory) if "csv" in formats else []
    return publish_window(store, "daily", extract, files, run_id=run, **how)
