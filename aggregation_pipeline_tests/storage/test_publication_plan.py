"""What a publication names again, what it sends anew, and which files it refuses. On both stores."""

from dataclasses import replace
from pathlib import Path

import pytest

from aggregation_pipeline.config.options import FormatOptions
from aggregation_pipeline.errors import FormatError
from aggregation_pipeline.extract import Extract
from aggregation_pipeline.formats.registry import RenderedFile, render
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.keys import window_key
from aggregation_pipeline.storage.publish import publish_window
from aggregation_pipeline.storage.published import fetch_extract, fetch_window, load_manifest
from aggregation_pipeline_tests.storage.publishing import Watched, keys_below, publish
from aggregation_pipeline_tests.storage.samples import WINDOW, render_csv, render_json, sample_extract

FOLDER = f"daily/orders/{WINDOW}"


def test_an_equal_file_is_named_where_it_lies(watched: Watched, tmp_path: Path):
    first = publish(watched, sample_extract(tmp_path / "a", rows=3), tmp_path / "out", run="run-1")
    # One row more of detail: the summary is the same.
    second = publish(watched, sample_extract(tmp_path / "b", rows=4), tmp_path / "out", run="run-2")
    assert {file.name: file.key.split("/")[3] for file in second.files} == {
        "orders.detail.csv": "run-2",
        "orders.json": "run-2",
        "orders.summary.csv": "run-1",
    }
    assert [dataset.extract.key.split("/")[4] for dataset in second.datasets] == ["run-1", "run-2"]
    third = publish(watched, sample_extract(tmp_path / "a2", rows=3), tmp_path / "out", run="run-3")
    # Only the version in force is compared: a former one may be deleted at any moment.
    assert {file.name: file.key.split("/")[3] for file in third.files} == {
        "orders.detail.csv": "run-3",
        "orders.json": "run-3",
        "orders.summary.csv": "run-1",
    }
    for manifest in (first, second, third):
        fetch_window(watched.store, manifest, tmp_path / manifest.run_id)


@pytest.mark.parametrize("partial", [False, True])
def test_formats_that_were_not_asked_for_are_carried_over_where_the_data_is_the_same(
    watched: Watched, tmp_path: Path, partial: bool
):
    publish(watched, sample_extract(tmp_path / "extract"), tmp_path / "out", run="run-1", formats="json")
    old = load_manifest(watched.store, "daily", "orders", WINDOW)
    assert old is not None
    extract = fetch_extract(watched.store, old, tmp_path / "fetched")
    # Without `partial`, all formats were rendered.
    how = {"partial": True} if partial else {}
    manifest = publish(watched, extract, tmp_path / "out", run="run-2", formats="csv", **how)
    kept = ["orders.json"] if partial else []
    assert sorted(file.name for file in manifest.files) == sorted(["orders.detail.csv", "orders.summary.csv", *kept])
    assert [file.key for file in manifest.files if file.format == "json"] == [f"{FOLDER}/run-1/{name}" for name in kept]
    assert manifest.datasets == old.datasets
    names = [key for key in keys_below(watched.store, f"{FOLDER}/") if "/" not in key]
    assert names == sorted([*kept, "manifest.json", "orders.detail.csv", "orders.summary.csv"])
    fetch_window(watched.store, old, tmp_path / "old")


def test_asking_for_one_format_of_other_data_does_not_mix_it_with_the_old_files(store: ObjectStore, tmp_path: Path):
    publish(store, sample_extract(tmp_path / "a"), tmp_path / "out", run="run-1", formats="json")
    manifest = publish(
        store, sample_extract(tmp_path / "b", value=8), tmp_path / "out", run="run-2", formats="csv", partial=True
    )
    assert [file.name for file in manifest.files] == ["orders.detail.csv", "orders.summary.csv"]
    assert store.head(window_key("daily", "orders", WINDOW, "orders.json")) is None


@pytest.mark.parametrize("formats", ["json csv", "csv"])
def test_a_file_that_somebody_changed_is_not_named_again(store: ObjectStore, tmp_path: Path, formats: str):
    extract = sample_extract(tmp_path / "extract")
    publish(store, extract, tmp_path / "out", run="run-1")
    store.put(
        window_key("daily", "orders", WINDOW, "orders.json", publication="run-1"),
        b"edited by hand",
        media_type="text/plain",
    )
    manifest = publish(store, extract, tmp_path / "out", run="run-2", formats=formats, partial=True)
    assert [file.key for file in manifest.files if file.format == "json"] == (
        [f"{FOLDER}/run-2/orders.json"] if "json" in formats else []
    )
    assert {file.key.split("/")[3] for file in manifest.files if file.format == "csv"} == {"run-1"}


def test_an_extract_that_has_expired_is_stored_again_under_another_key(watched: Watched, tmp_path: Path):
    first = publish(watched, sample_extract(tmp_path / "a"), tmp_path / "out", run="run-1")
    for dataset in first.datasets:
        watched.store.delete(dataset.extract.key)
    watched.done.clear()
    second = publish(watched, sample_extract(tmp_path / "a"), tmp_path / "out", run="run-2")
    assert second.files == first.files
    assert {dataset.extract.key.split("/")[4] for dataset in second.datasets} == {"run-2"}
    assert not [step for step in watched.done if "/orders/" in step and "/orders." in step]
    fetch_extract(watched.store, second, tmp_path / "fetched")


@pytest.mark.parametrize("rows", [0, 3, 5])
def test_a_format_that_lost_or_gained_rows_publishes_nothing(watched: Watched, tmp_path: Path, rows: int):
    extract = sample_extract(tmp_path / "extract", rows=3)
    wrong = render_json(extract, tmp_path, rows=rows)
    with pytest.raises(
        FormatError,
        match=rf"Table 'orders', window 2026-11-20.*orders.json \(json\) holds {rows} rows where the extract has 4",
    ):
        publish_window(watched, "daily", extract, [wrong], run_id="run-1")
    assert watched.done == []


def test_a_file_that_changed_after_rendering_or_was_rendered_twice_publishes_nothing(watched: Watched, tmp_path: Path):
    extract = sample_extract(tmp_path / "extract")
    file = render_json(extract, tmp_path)
    with pytest.raises(FormatError, match=r"orders.json was rendered twice"):
        publish_window(watched, "daily", extract, [file, file], run_id="run-1")
    with pytest.raises(FormatError, match=r"bytes on disk where 1 were rendered"):
        publish_window(watched, "daily", extract, [replace(file, bytes=1)], run_id="run-1")
    with pytest.raises(FormatError, match="dataset detail, which the extract does not have"):
        publish_window(
            watched,
            "daily",
            replace(extract, datasets=extract.datasets[:1]),
            render_csv(extract, tmp_path)[1:],
            run_id="run-1",
        )
    assert watched.done == []


def renamed(folder: Path, extract: Extract, template: str) -> list[RenderedFile]:
    folder.mkdir(parents=True)
    options = FormatOptions(file_names=template)
    return [file for name in ("csv", "json") for file in render(name, extract, folder, options)]


@pytest.mark.parametrize("partial", [False, True])
def test_a_window_that_is_published_under_other_names_loses_the_old_names(
    store: ObjectStore, tmp_path: Path, partial: bool
):
    extract = sample_extract(tmp_path / "extract")
    publish_window(store, "daily", extract, renamed(tmp_path / "a", extract, "{table}.{dataset}"), run_id="run-1")
    files = renamed(tmp_path / "b", extract, "{date}-{dataset}")
    manifest = publish_window(
        store, "daily", extract, files[:2] if partial else files, run_id="run-2", partial=partial
    ).manifest
    names = ["20261120-detail.csv", "20261120-summary.csv", "orders.json" if partial else "20261120.json"]
    assert sorted(file.name for file in manifest.files) == sorted(names)
    assert [key for key in keys_below(store, f"{FOLDER}/") if "/" not in key] == sorted([*names, "manifest.json"])
    assert keys_below(store, "daily/orders/latest/") == sorted(names)
    fetch_window(store, manifest, tmp_path / "fetched")
