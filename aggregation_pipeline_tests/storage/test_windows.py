"""Reading what is published: the newest window, whole windows, stored extracts, manifests. On both stores."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from aggregation_pipeline.errors import StorageBusyError, StorageError
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.keys import latest_key, manifest_key
from aggregation_pipeline.storage.manifest import Manifest
from aggregation_pipeline.storage.windows import fetch_extract, fetch_window, latest_window, load_manifest, published_windows
from aggregation_pipeline_tests.storage.publishing import publish
from aggregation_pipeline_tests.storage.samples import WINDOW, sample_extract


def test_latest_points_at_the_newest_window_whatever_the_order_of_publishing(store: ObjectStore, tmp_path: Path):
    assert latest_window(store, "daily", "orders") is None
    for window, newest in (("2026-11-19", "2026-11-19"), ("2026-11-21", "2026-11-21"), ("2026-11-20", "2026-11-21")):
        publish(store, sample_extract(tmp_path / window, window=window), tmp_path / "out", run="run")
        assert latest_window(store, "daily", "orders") == newest
    content = json.loads(store.read(latest_key("daily", "orders")))
    assert content == {"version": 1, "table": "orders", "window": "2026-11-21", "manifest": "daily/orders/2026-11-21/manifest.json"}
    assert sorted(published_windows(store, "daily")) == [("orders", "2026-11-19"), ("orders", "2026-11-20"), ("orders", "2026-11-21")]


def test_a_damaged_latest_is_an_error_to_readers_and_is_written_anew_by_the_next_run(store: ObjectStore, tmp_path: Path):
    extract = sample_extract(tmp_path / "extract")
    publish(store, extract, tmp_path / "out", run="run-1")
    store.put(latest_key("daily", "orders"), b"[]", media_type="application/json")
    with pytest.raises(StorageError, match="does not name a window: delete it"):
        latest_window(store, "daily", "orders")
    publish(store, extract, tmp_path / "out", run="run-2")
    assert latest_window(store, "daily", "orders") == WINDOW


def test_a_reader_whose_window_is_replaced_meanwhile_is_told_to_read_the_manifest_again(store: ObjectStore, tmp_path: Path):
    old = publish(store, sample_extract(tmp_path / "a"), tmp_path / "out", run="run-1")
    publish(store, sample_extract(tmp_path / "b", value=8), tmp_path / "out", run="run-2")
    with pytest.raises(StorageBusyError, match="not the file that its manifest names"):
        fetch_window(store, old, tmp_path / "read")
    assert list((tmp_path / "read").iterdir()) == []


def test_the_stored_extract_comes_back_as_it_was(store: ObjectStore, tmp_path: Path):
    extract = sample_extract(tmp_path / "extract", rows=1000)
    manifest = publish(store, extract, tmp_path / "out", run="run-1")
    fetched = fetch_extract(store, manifest, tmp_path / "fetched")
    assert fetched == replace(
        extract, datasets=tuple(replace(d, path=tmp_path / "fetched" / f"{d.name}.parquet") for d in extract.datasets)
    )
    assert [d.path.read_bytes() for d in fetched.datasets] == [d.path.read_bytes() for d in extract.datasets]


def test_an_extract_that_was_not_kept_or_has_expired_says_what_to_do(store: ObjectStore, tmp_path: Path):
    extract = sample_extract(tmp_path / "extract")
    manifest = publish(store, extract, tmp_path / "out", run="run-1", keep_extract=False)
    assert [stored.key for stored in store.list("daily/_extracts/")] == []
    with pytest.raises(
        StorageError, match=r"'orders', window 2026-11-20, dataset summary is no longer stored.*materialize the table itself"
    ):
        fetch_extract(store, manifest, tmp_path / "fetched")
    kept = publish(store, extract, tmp_path / "out", run="run-2")
    assert kept.datasets[0].extract.key is not None
    store.delete(kept.datasets[0].extract.key)
    with pytest.raises(StorageError, match="no longer stored"):
        fetch_extract(store, kept, tmp_path / "fetched")


@pytest.mark.parametrize("content", [b"", b"not json", b"{}", b'{"version": 2}'])
def test_a_manifest_that_cannot_be_read_is_an_error_to_readers_and_replaced_by_the_next_run(
    store: ObjectStore, tmp_path: Path, content: bytes
):
    extract = sample_extract(tmp_path / "extract")
    publish(store, extract, tmp_path / "out", run="run-1")
    store.put(manifest_key("daily", "orders", WINDOW), content, media_type="application/json")
    with pytest.raises(StorageError, match=r"manifest\.json is not a manifest of version 1.*materialize the window again"):
        load_manifest(store, "daily", "orders", WINDOW)
    manifest = publish(store, extract, tmp_path / "out", run="run-2")
    assert load_manifest(store, "daily", "orders", WINDOW) == manifest


def test_a_manifest_is_stable_json_with_true_characters(tmp_path: Path, store: ObjectStore):
    manifest = publish(store, sample_extract(tmp_path / "extract", table="用户 表"), tmp_path / "out", run="run-1")
    content = manifest.to_json()
    assert "用户 表".encode() in content
    assert Manifest.from_json(content, where="here") == manifest
    assert Manifest.from_json(content, where="here").to_json() == content
