"""Layouts of a window, extracts that outlive or predecease their manifest, and latest.json, which windows share. On both stores."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aggregation_pipeline.storage.keys import manifest_key
from aggregation_pipeline.storage.windows import fetch_window, latest_window, published_windows
from aggregation_pipeline_tests.storage.publishing import Watched, publish
from aggregation_pipeline_tests.storage.samples import WINDOW, sample_extract


def test_versioned_files_are_never_overwritten_and_the_old_manifest_holds_until_the_new_one(watched: Watched, tmp_path: Path):
    first = publish(watched, sample_extract(tmp_path / "a"), tmp_path / "out", run="run-1", versioned=True)
    watched.done.clear()
    second = publish(watched, sample_extract(tmp_path / "b", value=8), tmp_path / "out", run="run-2", versioned=True)
    assert {file.key.split("/")[3] for file in first.files} == {"run-1"}
    assert {file.key.split("/")[3] for file in second.files} == {"run-2"}
    assert not [step for step in watched.done if step.startswith("delete") and "_extracts" not in step]
    fetch_window(watched.store, first, tmp_path / "first")  # immutable: still what its manifest says
    unchanged = publish(watched, sample_extract(tmp_path / "b", value=8), tmp_path / "out", run="run-3", versioned=True)
    assert unchanged == second


def test_each_run_of_a_versioned_window_keeps_a_manifest_of_its_own(watched: Watched, tmp_path: Path):
    first = publish(watched, sample_extract(tmp_path / "a"), tmp_path / "out", run="run-1", versioned=True)
    second = publish(watched, sample_extract(tmp_path / "b", value=8), tmp_path / "out", run="run-2", versioned=True)
    for run, manifest in (("run-1", first), ("run-2", second)):
        kept = watched.store.read(manifest_key("daily", "orders", WINDOW, version=run))
        assert kept == manifest.to_json()
    manifests = [step for step in watched.done if step.endswith("manifest.json")][-2:]
    assert manifests == [f"put daily/orders/{WINDOW}/run-2/manifest.json", f"put daily/orders/{WINDOW}/manifest.json"]
    assert list(published_windows(watched.store, "daily")) == [("orders", WINDOW)]


def test_a_change_to_the_versioned_layout_takes_the_old_files_away_last_and_the_way_back_leaves_the_runs_alone(
    watched: Watched, tmp_path: Path
):
    publish(watched, sample_extract(tmp_path / "a"), tmp_path / "out", run="run-1")
    watched.done.clear()
    versioned = publish(watched, sample_extract(tmp_path / "b", value=8), tmp_path / "out", run="run-2", versioned=True)
    manifest = watched.done.index(f"put {manifest_key('daily', 'orders', WINDOW)}")
    gone = [step for step in watched.done if step.startswith("delete") and "_extracts" not in step]
    assert len(gone) == 3
    assert all(watched.done.index(step) > manifest for step in gone)
    publish(watched, sample_extract(tmp_path / "c", value=9), tmp_path / "out", run="run-3")
    fetch_window(watched.store, versioned, tmp_path / "read")


def test_the_extract_of_a_run_that_died_before_its_manifest_is_not_sent_again(watched: Watched, tmp_path: Path):
    publish(watched, sample_extract(tmp_path / "a"), tmp_path / "out", run="run-1")
    watched.store.delete(manifest_key("daily", "orders", WINDOW))  # as if the run had died before it
    watched.done.clear()
    manifest = publish(watched, sample_extract(tmp_path / "a"), tmp_path / "out", run="run-2")
    assert watched.done == [f"put {manifest_key('daily', 'orders', WINDOW)}"]
    assert {dataset.extract.key.split("/")[-2] for dataset in manifest.datasets if dataset.extract.key} == {"run-1"}


def test_an_extract_that_has_expired_is_stored_again_without_withdrawing_the_manifest(watched: Watched, tmp_path: Path):
    manifest = publish(watched, sample_extract(tmp_path / "a"), tmp_path / "out", run="run-1")
    keys = [dataset.extract.key for dataset in manifest.datasets if dataset.extract.key]
    for key in keys:
        watched.store.delete(key)
    watched.done.clear()
    assert publish(watched, sample_extract(tmp_path / "a"), tmp_path / "out", run="run-2") == manifest
    assert sorted(watched.done) == sorted(f"put {key}" for key in keys)


def test_of_two_windows_published_at_once_the_newer_stays_the_latest(watched: Watched, tmp_path: Path):
    # The other window arrives exactly between the first look at latest.json and the turn to write it.
    @contextmanager
    def overtaken() -> Iterator[None]:
        publish(watched.store, sample_extract(tmp_path / "new", window="2026-11-21"), tmp_path / "out-new", run="run-2")
        yield

    publish(watched, sample_extract(tmp_path / "old"), tmp_path / "out", run="run-1", alone=overtaken)
    assert latest_window(watched.store, "daily", "orders") == "2026-11-21"
