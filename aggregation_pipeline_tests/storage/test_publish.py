"""Publishing: whoever goes by the manifest sees one window whole, and nothing is sent that stands there already. On both stores."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aggregation_pipeline.config.options import FormatOptions
from aggregation_pipeline.errors import FormatError, LockError, StorageError
from aggregation_pipeline.extract import Extract
from aggregation_pipeline.formats import RenderedFile, render, stems
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.keys import manifest_key, window_folder, window_key
from aggregation_pipeline.storage.publish import publish_window
from aggregation_pipeline.storage.windows import fetch_extract, fetch_window, load_manifest
from aggregation_pipeline_tests.storage.publishing import Watched, publish
from aggregation_pipeline_tests.storage.samples import WINDOW, render_csv, render_json, sample_extract


def test_a_window_is_published_whole_with_a_manifest_that_says_where_it_comes_from(watched: Watched, tmp_path: Path):
    extract = sample_extract(tmp_path / "extract", rows=3)
    manifest = publish(watched, extract, tmp_path / "out", run="run-1", notes=["a note"])
    assert load_manifest(watched.store, "daily", "orders", WINDOW) == manifest
    assert [file.name for file in manifest.files] == ["orders.detail.csv", "orders.json", "orders.summary.csv"]
    assert [(file.format, file.dataset, file.rows) for file in manifest.files] == [
        ("csv", "detail", 3),
        ("json", "all", 4),
        ("csv", "summary", 1),
    ]
    assert manifest.rows == 4
    assert (manifest.run_id, manifest.consistency, manifest.notes) == ("run-1", "snapshot", ("a note",))
    detail = manifest.datasets[1]
    assert (detail.sql, detail.order, detail.truncated) == ("SELECT detail", "primary key (id)", False)
    assert [(column.name, column.type) for column in detail.columns] == [("id", "int64"), ("value", "int64")]
    for file in manifest.files:
        head = watched.store.head(file.key)
        assert head is not None
        assert (head.bytes, head.crc64) == (file.bytes, file.crc64)
    assert watched.done[-2:] == ["put daily/orders/2026-11-20/manifest.json", "put daily/orders/latest.json"]


def test_a_rerun_with_the_same_data_sends_nothing(watched: Watched, tmp_path: Path):
    extract = sample_extract(tmp_path / "extract")
    first = publish(watched, extract, tmp_path / "out", run="run-1")
    watched.done.clear()
    said: list[str] = []
    again = publish(watched, sample_extract(tmp_path / "extract2"), tmp_path / "out2", run="run-2", report=said.append)
    assert watched.done == []
    assert again == first
    assert sum(line.startswith("unchanged ") for line in said) == 5


def test_changed_data_withdraws_the_manifest_first_and_writes_it_last(watched: Watched, tmp_path: Path):
    publish(watched, sample_extract(tmp_path / "a"), tmp_path / "out", run="run-1")
    watched.done.clear()
    manifest = publish(watched, sample_extract(tmp_path / "b", value=8), tmp_path / "out", run="run-2")
    data = [step for step in watched.done if "/_extracts/" not in step]
    assert data[0] == "delete daily/orders/2026-11-20/manifest.json"
    assert data[-1] == "put daily/orders/2026-11-20/manifest.json"
    assert len(data) == 5
    assert manifest.run_id == "run-2"
    assert load_manifest(watched.store, "daily", "orders", WINDOW) == manifest


def test_the_extract_of_the_old_data_goes_and_the_new_one_is_kept(store: ObjectStore, tmp_path: Path):
    publish(store, sample_extract(tmp_path / "a"), tmp_path / "out", run="run-1")
    publish(store, sample_extract(tmp_path / "b", value=8), tmp_path / "out", run="run-2")
    kept = [stored.key for stored in store.list("daily/_extracts/")]
    # The summary has changed as well as the detail: nothing of run-1 is left.
    assert kept == [f"daily/_extracts/orders/{WINDOW}/run-2/{name}.parquet" for name in ("detail", "summary")]


def test_files_that_are_no_longer_produced_are_removed_from_a_full_run(store: ObjectStore, tmp_path: Path):
    extract = sample_extract(tmp_path / "extract")
    publish(store, extract, tmp_path / "out", run="run-1")
    store.put(window_key("daily", "orders", WINDOW, "notes by a colleague.txt"), b"hands off", media_type="text/plain")
    manifest = publish(store, extract, tmp_path / "out", run="run-2", formats="json")
    assert [file.name for file in manifest.files] == ["orders.json"]
    names = [stored.key.rpartition("/")[2] for stored in store.list(f"daily/orders/{WINDOW}/")]
    assert names == ["manifest.json", "notes by a colleague.txt", "orders.json"]


def test_asking_for_one_more_format_keeps_the_others_of_the_same_data(watched: Watched, tmp_path: Path):
    publish(watched, sample_extract(tmp_path / "extract"), tmp_path / "out", run="run-1", formats="json")
    old = load_manifest(watched.store, "daily", "orders", WINDOW)
    assert old is not None
    watched.done.clear()
    extract = fetch_extract(watched.store, old, tmp_path / "fetched")
    manifest = publish(watched, extract, tmp_path / "out", run="run-2", formats="csv", partial=True)
    assert [file.name for file in manifest.files] == ["orders.detail.csv", "orders.json", "orders.summary.csv"]
    # Nothing that a reader of the old manifest knows was touched, so that manifest held until the new one replaced it.
    assert not [step for step in watched.done if step.startswith("delete")]
    assert watched.done[-1].endswith("manifest.json")
    assert manifest.datasets == old.datasets


def test_asking_for_one_format_of_other_data_does_not_mix_it_with_the_old_files(store: ObjectStore, tmp_path: Path):
    publish(store, sample_extract(tmp_path / "a"), tmp_path / "out", run="run-1", formats="json")
    manifest = publish(store, sample_extract(tmp_path / "b", value=8), tmp_path / "out", run="run-2", formats="csv", partial=True)
    assert [file.name for file in manifest.files] == ["orders.detail.csv", "orders.summary.csv"]
    assert store.head(window_key("daily", "orders", WINDOW, "orders.json")) is None


def test_a_kept_file_that_is_damaged_is_not_named_again(store: ObjectStore, tmp_path: Path):
    extract = sample_extract(tmp_path / "extract")
    publish(store, extract, tmp_path / "out", run="run-1", formats="json")
    store.put(window_key("daily", "orders", WINDOW, "orders.json"), b"edited by hand", media_type="text/plain")
    manifest = publish(store, extract, tmp_path / "out", run="run-2", formats="csv", partial=True)
    assert [file.format for file in manifest.files] == ["csv", "csv"]


def test_a_file_changed_behind_our_back_is_sent_again_with_the_manifest_withdrawn(watched: Watched, tmp_path: Path):
    extract = sample_extract(tmp_path / "extract")
    first = publish(watched, extract, tmp_path / "out", run="run-1")
    key = window_key("daily", "orders", WINDOW, "orders.json")
    watched.store.put(key, b"edited by hand", media_type="text/plain")
    watched.done.clear()
    again = publish(watched, extract, tmp_path / "out", run="run-2")
    manifest = manifest_key("daily", "orders", WINDOW)
    assert watched.done == [f"delete {manifest}", f"put {key}", f"put {manifest}"]
    assert again.files == first.files


@pytest.mark.parametrize("rows", [0, 3, 5])
def test_a_format_that_lost_or_gained_rows_publishes_nothing(watched: Watched, tmp_path: Path, rows: int):
    extract = sample_extract(tmp_path / "extract", rows=3)
    wrong = render_json(extract, tmp_path, rows=rows)
    with pytest.raises(
        FormatError, match=rf"Table 'orders', window 2026-11-20.*orders.json \(json\) holds {rows} rows where the extract has 4"
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
        publish_window(watched, "daily", replace(extract, datasets=extract.datasets[:1]), render_csv(extract, tmp_path)[1:], run_id="run-1")
    assert watched.done == []


def test_an_upload_that_somebody_overwrites_at_once_fails_and_leaves_no_manifest(watched: Watched, tmp_path: Path):
    extract = sample_extract(tmp_path / "extract")
    real = watched.store.put

    def put(key: str, source: Path | bytes, **how: Any):
        stored = real(key, source, **how)
        if key.endswith("orders.json"):
            real(key, b"by another writer", **how)
        return stored

    watched.store = type("Overwritten", (), {"__getattr__": lambda _, name: getattr(real.__self__, name), "put": staticmethod(put)})()  # type: ignore[attr-defined]
    with pytest.raises(StorageError, match=r"something else writes to this window.*OSS_PREFIX"):
        publish(watched, extract, tmp_path / "out", run="run-1")
    assert load_manifest(real.__self__, "daily", "orders", WINDOW) is None  # type: ignore[attr-defined]


class Killed(BaseException):
    """Stands for the process ending: nothing may run after it. (Real kills are in test_kill.py.)"""


def test_wherever_a_run_dies_readers_of_the_manifest_see_a_whole_window_and_the_next_run_heals(watched: Watched, tmp_path: Path):
    old, new = sample_extract(tmp_path / "old"), sample_extract(tmp_path / "new", value=8, rows=4)
    publish(watched, old, tmp_path / "out", run="run-0")
    reference = {stored.key: watched.store.read(stored.key) for stored in watched.store.list("")}
    watched.done.clear()
    publish(watched, new, tmp_path / "out", run="run-1")
    steps = len(watched.done)
    assert steps == 9  # 2 extracts, manifest away, 3 files, manifest, 2 old extracts away
    for dying in range(steps):
        for key in [stored.key for stored in watched.store.list("")]:
            watched.store.delete(key)
        for key, content in reference.items():
            watched.store.put(key, content, media_type="a/b")
        left = iter(range(dying))

        def die(_verb: str, _key: str, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise Killed

        watched.before = die
        with pytest.raises(Killed):
            publish(watched, new, tmp_path / "out", run="run-1")
        watched.before = lambda _verb, _key: None
        manifest = load_manifest(watched.store, "daily", "orders", WINDOW)
        if manifest is not None:
            fetched = fetch_window(watched.store, manifest, tmp_path / f"read-{dying}")
            values = {
                row["value"] for path in fetched if path.suffix == ".json" for part in json.loads(path.read_text()).values() for row in part
            }
            assert len(values) == 1
        healed = publish(watched, new, tmp_path / "out", run="run-2")
        fetch_window(watched.store, healed, tmp_path / f"healed-{dying}")
        assert {file.rows for file in healed.files} == {1, 4, 5}


def test_leftovers_of_a_run_that_died_are_swept_when_the_next_one_makes_other_files(store: ObjectStore, tmp_path: Path):
    extract = sample_extract(tmp_path / "extract")
    publish(store, extract, tmp_path / "out", run="run-1")
    store.delete(manifest_key("daily", "orders", WINDOW))  # as if the run had died before it
    publish(store, extract, tmp_path / "out", run="run-2", formats="csv")
    assert store.head(window_key("daily", "orders", WINDOW, "orders.json")) is None


def renamed(folder: Path, extract: Extract, template: str) -> list[RenderedFile]:
    folder.mkdir(parents=True)
    options = FormatOptions(file_names=template)
    return [file for name in ("csv", "json") for file in render(name, extract, folder, options)]


@pytest.mark.parametrize("partial", [False, True])
def test_a_window_that_is_published_under_other_names_loses_the_files_of_the_old_ones(store: ObjectStore, tmp_path: Path, partial: bool):
    extract = sample_extract(tmp_path / "extract")
    publish_window(store, "daily", extract, renamed(tmp_path / "a", extract, "{table}.{dataset}"), run_id="run-1")
    files = renamed(tmp_path / "b", extract, "{date}-{dataset}")
    manifest = publish_window(store, "daily", extract, files[:2] if partial else files, run_id="run-2", partial=partial)
    names = ["20261120-detail.csv", "20261120-summary.csv", "orders.json" if partial else "20261120.json"]
    assert sorted(file.name for file in manifest.files) == sorted(names)
    folder = window_folder("daily", "orders", WINDOW)
    assert sorted(each.key for each in store.list(folder)) == sorted(folder + name for name in [*names, "manifest.json"])
    fetch_window(store, manifest, tmp_path / "fetched")


def test_leftovers_under_the_names_of_a_template_are_swept_and_nobody_elses_files(store: ObjectStore, tmp_path: Path):
    extract = sample_extract(tmp_path / "extract")
    files = renamed(tmp_path / "a", extract, "{date}-{dataset}")
    publish_window(store, "daily", extract, files, run_id="run-1")
    store.delete(manifest_key("daily", "orders", WINDOW))  # as if the run had died before it
    theirs = window_key("daily", "orders", WINDOW, "notes.csv")
    store.put(theirs, b"ours", media_type="text/csv")
    known = stems("orders", WINDOW, FormatOptions(file_names="{date}-{dataset}"))
    publish_window(store, "daily", extract, files[:2], run_id="run-2", stems=known)
    assert store.head(window_key("daily", "orders", WINDOW, "20261120.json")) is None
    assert store.head(theirs) is not None


def test_a_retry_of_the_same_run_with_other_data_withdraws_the_manifest_before_its_extract_is_overwritten(watched: Watched, tmp_path: Path):
    publish(watched, sample_extract(tmp_path / "a"), tmp_path / "out", run="run-1")
    watched.done.clear()
    manifest = publish(watched, sample_extract(tmp_path / "b", value=8), tmp_path / "out", run="run-1")
    assert watched.done[0] == f"delete {manifest_key('daily', 'orders', WINDOW)}"
    assert fetch_extract(watched.store, manifest, tmp_path / "fetched").datasets[1].rows == 3


@pytest.mark.parametrize("asked", [1, 2])
def test_a_lost_lock_stops_a_publication_before_the_old_manifest_goes_or_the_new_one_comes(watched: Watched, tmp_path: Path, asked: int):
    old = publish(watched, sample_extract(tmp_path / "a"), tmp_path / "out", run="run-1")
    times = iter(range(asked - 1))

    def guard() -> None:
        if next(times, None) is None:
            raise LockError("the lock is lost")

    with pytest.raises(LockError):
        publish(watched, sample_extract(tmp_path / "b", value=8), tmp_path / "out", run="run-2", guard=guard)
    assert load_manifest(watched.store, "daily", "orders", WINDOW) == (old if asked == 1 else None)
