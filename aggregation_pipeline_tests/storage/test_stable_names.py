"""Stable names: set after the window manifest, repaired by each publication, never a reason to fail. On both stores."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from aggregation_pipeline.config.options import FormatOptions
from aggregation_pipeline.errors import StorageDeniedError, StorageError
from aggregation_pipeline.formats.registry import render
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.keys import latest_key, window_key
from aggregation_pipeline.storage.lock_protocol import NoLock
from aggregation_pipeline.storage.publish import PublishedWindow, publish_window
from aggregation_pipeline.storage.published import latest_window, published_windows
from aggregation_pipeline.storage.stable_names import find_wrong_names
from aggregation_pipeline_tests.storage.publishing import Watched, publish
from aggregation_pipeline_tests.storage.samples import WINDOW, render_json, sample_extract

FOLDER = f"daily/orders/{WINDOW}"
LATEST = "daily/orders/latest"


def published(
    store: Any, tmp_path: Path, *, run: str = "run-1", value: int = 7, window: str = WINDOW, **how: Any
) -> PublishedWindow:
    extract = sample_extract(tmp_path / f"{window}-{value}", value=value, window=window)
    return publish_window(store, "daily", extract, [render_json(extract, tmp_path)], run_id=run, **how)


def test_names_hold_what_the_manifest_in_force_names_and_are_put_right_by_a_run_that_sends_nothing(
    watched: Watched, tmp_path: Path
):
    first = published(watched, tmp_path)
    (file,) = first.manifest.files
    assert first.names == {file.key: f"{FOLDER}/orders.json"}
    content = watched.store.read(file.key)
    assert watched.store.read(f"{FOLDER}/orders.json") == watched.store.read(f"{LATEST}/orders.json") == content
    watched.store.delete(f"{LATEST}/orders.json")
    watched.store.delete(f"{FOLDER}/orders.json")
    watched.store.put(f"{FOLDER}/orders.json", b"edited by hand", media_type="text/plain")
    watched.done.clear()
    assert published(watched, tmp_path, run="run-2") == first
    assert sorted(watched.done) == [f"name {FOLDER}/orders.json", f"name {LATEST}/orders.json"]
    assert watched.store.read(f"{FOLDER}/orders.json") == watched.store.read(f"{LATEST}/orders.json") == content
    assert find_wrong_names(watched.store, "daily", first.manifest, "copy") == {}


def test_latest_follows_the_newest_window_and_its_new_versions(store: ObjectStore, tmp_path: Path):
    for window, value, shown in (
        ("2026-11-19", 1, 1),
        ("2026-11-21", 2, 2),
        ("2026-11-20", 3, 2),
        ("2026-11-21", 4, 4),
    ):
        published(store, tmp_path, run=f"run-{value}", window=window, value=value)
        rows = json.loads(store.read(f"{LATEST}/orders.json"))["detail"]
        assert {row["value"] for row in rows} == {shown}
    content = json.loads(store.read(latest_key("daily", "orders")))
    assert content == {
        "version": 1,
        "table": "orders",
        "window": "2026-11-21",
        "manifest": "daily/orders/2026-11-21/manifest.json",
        "names": ["orders.json"],
    }
    assert sorted(published_windows(store, "daily")) == [("orders", f"2026-11-{day}") for day in (19, 20, 21)]


def test_names_with_the_date_in_them_do_not_pile_up_in_latest(store: ObjectStore, tmp_path: Path):
    for window in ("2026-11-19", "2026-11-20"):
        extract = sample_extract(tmp_path / window, window=window)
        (tmp_path / f"out-{window}").mkdir()
        files = render("csv", extract, tmp_path / f"out-{window}", FormatOptions(file_names="{table}_{date}.{dataset}"))
        publish_window(store, "daily", extract, files, run_id="run")
        store.put(f"{LATEST}/a colleague's notes.txt", b"hands off", media_type="text/plain")
    assert [stored.key.removeprefix(f"{LATEST}/") for stored in store.list(f"{LATEST}/")] == [
        "a colleague's notes.txt",
        "orders_20261120.detail.csv",
        "orders_20261120.summary.csv",
    ]


def test_names_can_be_turned_off_and_then_there_are_none(store: ObjectStore, tmp_path: Path):
    published(store, tmp_path)
    store.put(f"{FOLDER}/notes.json", b"a colleague's", media_type="text/plain")
    result = published(store, tmp_path, run="run-2", value=8, names="none")
    assert result.names == {}
    assert [stored.key for stored in store.list(f"{FOLDER}/") if stored.key.count("/") == 3] == [
        f"{FOLDER}/manifest.json",
        f"{FOLDER}/notes.json",
    ]
    assert list(store.list(f"{LATEST}/")) == []
    assert latest_window(store, "daily", "orders") == WINDOW


def test_names_may_be_symlinks(watched: Watched, tmp_path: Path):
    result = published(watched, tmp_path, names="symlink")
    assert f"link {FOLDER}/orders.json" in watched.done
    assert watched.store.read(f"{FOLDER}/orders.json") == watched.store.read(result.manifest.files[0].key)
    watched.done.clear()
    published(watched, tmp_path, run="run-2", names="symlink")
    assert watched.done == []


class Refusing:
    """A store that gives no name of this one."""

    def __init__(self, store: Any, name: str) -> None:
        self.store, self.name = store, name

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def copy(self, source_key: str, target_key: str, **how: Any) -> bool:
        if target_key == self.name:
            raise StorageDeniedError(f"Cannot copy {target_key}: the key may not do it.")
        changed: bool = self.store.copy(source_key, target_key, **how)
        return changed


def test_a_name_that_cannot_be_set_is_told_and_set_by_the_next_publication(store: ObjectStore, tmp_path: Path):
    name = f"{FOLDER}/orders.json"
    result = published(Refusing(store, name), tmp_path)
    assert result.name_problems == (f"Cannot copy {name}: the key may not do it.",)
    assert result.names == {}
    assert store.head(name) is None
    assert store.head(f"{LATEST}/orders.json") is not None
    assert list(find_wrong_names(store, "daily", result.manifest, "copy")) == [name]
    again = published(store, tmp_path, run="run-2")
    assert (again.manifest, again.name_problems) == (result.manifest, ())
    assert store.read(name) == store.read(result.manifest.files[0].key)


def test_of_two_windows_published_at_once_the_newer_stays_the_latest(watched: Watched, tmp_path: Path):
    # The other window arrives exactly between the first look at latest.json and the turn to write it.
    class Overtaken(NoLock):
        @contextmanager
        def hold_also(self, window: str, /) -> Iterator[None]:
            assert window == "latest.json"
            publish(
                watched.store, sample_extract(tmp_path / "new", window="2026-11-21"), tmp_path / "out-new", run="run-2"
            )
            yield

    publish(watched, sample_extract(tmp_path / "old"), tmp_path / "out", run="run-1", lock=Overtaken())
    assert latest_window(watched.store, "daily", "orders") == "2026-11-21"


@pytest.mark.parametrize("content", [b"[]", b"not json", b'{"window": "zzz", "names": []}', b'{"window": 7}'])
def test_a_damaged_latest_is_an_error_to_readers_and_is_written_anew_by_the_next_run(
    store: ObjectStore, tmp_path: Path, content: bytes
):
    published(store, tmp_path)
    store.put(latest_key("daily", "orders"), content, media_type="application/json")
    with pytest.raises(StorageError, match="does not name a window: the next run writes it anew"):
        latest_window(store, "daily", "orders")
    published(store, tmp_path, run="run-2")
    assert latest_window(store, "daily", "orders") == WINDOW


def test_what_is_no_window_is_neither_listed_nor_the_latest(store: ObjectStore, tmp_path: Path):
    result = published(store, tmp_path)
    for folder in ("zzz", "latest", "2026-11-31", "2026-11-20T2500", "backup 2026-11-20"):
        store.put(f"daily/orders/{folder}/manifest.json", result.manifest.to_json(), media_type="application/json")
    assert list(published_windows(store, "daily")) == [("orders", WINDOW)]


def test_a_table_whose_files_are_called_as_the_stores_own_objects_has_names_too(store: ObjectStore, tmp_path: Path):
    for table in ("manifest", "publication", "latest"):
        extract = sample_extract(tmp_path / table, table=table)
        result = publish_window(store, "daily", extract, [render_json(extract, tmp_path)], run_id="run-1")
        (file,) = result.manifest.files
        assert store.read(window_key("daily", table, WINDOW, f"{table}.json")) == store.read(file.key)
        again = publish_window(store, "daily", extract, [render_json(extract, tmp_path)], run_id="run-2")
        assert again.manifest == result.manifest
