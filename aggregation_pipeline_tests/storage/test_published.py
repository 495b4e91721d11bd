"""Reading what is published: whole windows, stored extracts, manifests. On both stores."""

from dataclasses import replace
from pathlib import Path

import pytest

from aggregation_pipeline.errors import StorageBusyError, StorageDamagedError, StorageError
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.keys import manifest_key
from aggregation_pipeline.storage.manifest import Manifest
from aggregation_pipeline.storage.published import fetch_extract, fetch_window, load_manifest
from aggregation_pipeline_tests.storage.publishing import publish
from aggregation_pipeline_tests.storage.samples import WINDOW, sample_extract


def test_a_reader_whose_window_is_published_anew_meanwhile_gets_it_whole_as_it_was(store: ObjectStore, tmp_path: Path):
    old = publish(store, sample_extract(tmp_path / "a"), tmp_path / "out", run="run-1")
    publish(store, sample_extract(tmp_path / "b", value=8), tmp_path / "out", run="run-2")
    for path, file in zip(fetch_window(store, old, tmp_path / "read"), old.files, strict=True):
        assert path.read_bytes() == store.read(file.key)


def test_a_reader_of_a_version_that_was_deleted_is_told_to_read_the_manifest_again(store: ObjectStore, tmp_path: Path):
    old = publish(store, sample_extract(tmp_path / "a"), tmp_path / "out", run="run-1")
    store.delete(old.files[1].key)
    with pytest.raises(StorageBusyError, match=r"is not there any more.*Read the manifest again"):
        fetch_window(store, old, tmp_path / "read")


def test_a_file_that_somebody_changed_is_an_error_and_is_not_left_behind(store: ObjectStore, tmp_path: Path):
    old = publish(store, sample_extract(tmp_path / "a"), tmp_path / "out", run="run-1")
    store.put(old.files[0].key, b"edited by hand", media_type="text/plain")
    with pytest.raises(StorageDamagedError, match="not the file that its manifest names"):
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


def test_an_extract_that_has_expired_says_what_to_do(store: ObjectStore, tmp_path: Path):
    manifest = publish(store, sample_extract(tmp_path / "extract"), tmp_path / "out", run="run-1")
    store.delete(manifest.datasets[0].extract.key)
    with pytest.raises(
        StorageError,
        match=r"'orders', window 2026-11-20, dataset summary is no longer stored.*materialize the table itself",
    ):
        fetch_extract(store, manifest, tmp_path / "fetched")


@pytest.mark.parametrize("content", [b"", b"not json", b"{}", b'{"version": 0}'])
def test_a_manifest_that_cannot_be_read_is_an_error_to_readers_and_replaced_by_the_next_run(
    store: ObjectStore, tmp_path: Path, content: bytes
):
    extract = sample_extract(tmp_path / "extract")
    publish(store, extract, tmp_path / "out", run="run-1")
    store.put(manifest_key("daily", "orders", WINDOW), content, media_type="application/json")
    with pytest.raises(
        StorageError, match=r"manifest\.json is not a manifest of version 1 or 2.*Materialize the window again"
    ):
        load_manifest(store, "daily", "orders", WINDOW)
    manifest = publish(store, extract, tmp_path / "out", run="run-2")
    assert load_manifest(store, "daily", "orders", WINDOW) == manifest


@pytest.mark.parametrize(
    "change",
    [
        {"table": "users"},
        {"window": "2026-11-19"},
        {"key": "daily/users/2026-11-20/run-1/orders.json"},
        {"key": "daily/orders/2026-11-19/run-1/orders.json"},
        {"key": "daily/orders/2026-11-20/orders.json"},
        {"key": "daily/orders/2026-11-20/run-1/../../../users/x.json"},
        {"key": "other/orders/2026-11-20/run-1/orders.json"},
        {"key": "daily/_extracts/orders/2026-11-20/run-1/summary.parquet"},
        {"extract": "daily/orders/2026-11-20/run-1/orders.json"},
        {"extract": "daily/_extracts/users/2026-11-20/run-1/summary.parquet"},
    ],
)
def test_a_manifest_that_leads_out_of_its_windows_publications_is_refused(
    store: ObjectStore, tmp_path: Path, change: dict[str, str]
):
    extract = sample_extract(tmp_path / "extract")
    manifest = publish(store, extract, tmp_path / "out", run="run-1")
    change = dict(change)
    if key := change.pop("key", None):
        manifest = manifest.model_copy(
            update={"files": (manifest.files[0].model_copy(update={"key": key}), *manifest.files[1:])}
        )
    if key := change.pop("extract", None):
        dataset = manifest.datasets[0]
        stolen = dataset.model_copy(update={"extract": dataset.extract.model_copy(update={"key": key})})
        manifest = manifest.model_copy(update={"datasets": (stolen, *manifest.datasets[1:])})
    forged = manifest.model_copy(update=change)
    store.put(manifest_key("daily", "orders", WINDOW), forged.to_json(), media_type="application/json")
    with pytest.raises(
        StorageDamagedError, match=r"manifest\.json is not a manifest of version 1 or 2: it (is of table|names)"
    ):
        load_manifest(store, "daily", "orders", WINDOW)
    # The next run takes over nothing that it names.
    again = publish(store, extract, tmp_path / "out", run="run-2")
    assert {file.key.split("/")[3] for file in again.files} == {"run-2"}


def test_a_manifest_is_stable_json_with_true_characters(tmp_path: Path, store: ObjectStore):
    manifest = publish(store, sample_extract(tmp_path / "extract", table="用户 表"), tmp_path / "out", run="run-1")
    content = manifest.to_json()
    assert "用户 表".encode() in content
    assert Manifest.from_json(content, where="here") == manifest
    assert Manifest.from_json(content, where="here").to_json() == content
