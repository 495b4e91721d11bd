"""Publishing: who reads by the manifest sees a whole window, and nothing is sent twice. On both stores."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from aggregation_pipeline.errors import StorageBusyError, StorageError
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.keys import window_key
from aggregation_pipeline.storage.manifest import Manifest, ManifestCheck
from aggregation_pipeline.storage.oss.store import OssStore
from aggregation_pipeline.storage.publish import publish_window
from aggregation_pipeline.storage.published import fetch_extract, fetch_window, load_manifest
from aggregation_pipeline_tests.storage.publishing import (
    Killed,
    Watched,
    everything,
    keys_below,
    publish,
)
from aggregation_pipeline_tests.storage.samples import WINDOW, render_csv, sample_extract
from aggregation_pipeline_tests.support.servers.oss import OssServer

FOLDER = f"daily/orders/{WINDOW}"


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
    assert (manifest.version, manifest.run_id, manifest.publication) == (2, "run-1", "run-1")
    assert (manifest.consistency, manifest.notes) == ("snapshot", ("a note",))
    detail = manifest.datasets[1]
    assert (detail.sql, detail.order, detail.truncated) == ("SELECT detail", "primary key (id)", False)
    assert [(column.name, column.type) for column in detail.columns] == [("id", "int64"), ("value", "int64")]
    for file in manifest.files:
        head = watched.store.head(file.key)
        assert head is not None
        assert (head.bytes, head.crc64) == (file.bytes, file.crc64)
        assert file.key == f"{FOLDER}/run-1/{file.name}"
    assert {dataset.extract.key for dataset in manifest.datasets} == {
        f"daily/_extracts/orders/{WINDOW}/run-1/{name}.parquet" for name in ("summary", "detail")
    }


def test_the_manifest_says_all_that_is_known_of_the_data(store: ObjectStore, tmp_path: Path):
    extract = sample_extract(tmp_path / "extract")
    detail = replace(extract.datasets[1], truncated=True, zero_dates={"born": 2}, masks={"phone": "hash"})
    extract = replace(
        extract, datasets=(extract.datasets[0], detail), consistency="none", engines="MyISAM", columns_fingerprint="abc"
    )
    files = [replace(file, notes={"cut": 3}) for file in render_csv(extract, tmp_path)]
    check = ManifestCheck(name="enough", passed=True, severity="error", message="3 rows")
    publish_window(store, "daily", extract, files, run_id="run-1", notes=["a note"], checks=[check])
    manifest = load_manifest(store, "daily", "orders", WINDOW)
    assert manifest is not None
    assert (manifest.consistency, manifest.engines, manifest.columns_fingerprint) == ("none", "MyISAM", "abc")
    mark = json.loads(store.read(f"{FOLDER}/run-1/publication.json"))
    names = ["orders.detail.csv", "orders.summary.csv"]
    assert mark == {
        "version": 1,
        "table": "orders",
        "window": WINDOW,
        "publication": "run-1",
        "run_id": "run-1",
        "files": names,
    }
    assert (manifest.notes, manifest.checks) == (("a note",), (check,))
    said = manifest.datasets[1]
    assert (said.truncated, said.zero_dates, said.masks) == (True, {"born": 2}, {"phone": "hash"})
    assert [(file.media_type, file.notes) for file in manifest.files] == [("text/csv", {"cut": 3})] * 2
    # Published again when one statement about the same data has changed.
    changed = publish_window(
        store, "daily", replace(extract, engines="InnoDB"), files, run_id="run-2", notes=["a note"], checks=[check]
    )
    assert (changed.manifest.run_id, changed.manifest.engines) == ("run-2", "InnoDB")


@pytest.mark.parametrize("window", ["latest", "2026-11", "../orders"])
def test_what_is_no_window_is_not_published(watched: Watched, tmp_path: Path, window: str):
    with pytest.raises(StorageError, match=r"is no window\. Windows are called 2026-11-20"):
        publish(watched, sample_extract(tmp_path / "extract", window=window), tmp_path / "out", run="run-1")
    assert everything(watched.store) == {}


def test_what_is_sent_and_what_is_left_alone_is_reported_file_by_file(store: ObjectStore, tmp_path: Path):
    lines: list[str] = []
    for run in ("run-1", "run-2"):
        publish(store, sample_extract(tmp_path / "extract"), tmp_path / "out", run=run, report=lines.append)
        if run == "run-1":
            sent = {line.split()[1] for line in lines if line.startswith("sent ")}
            assert len(sent) == 5
            assert all(line.endswith(" bytes)") for line in lines if line.startswith("sent "))
            lines.clear()
    assert {line.split()[1] for line in lines if line.startswith("unchanged ")} == sent
    assert not any(line.startswith("sent ") for line in lines)


def test_the_window_manifest_is_written_after_all_that_it_names_and_before_any_stable_name(
    watched: Watched, tmp_path: Path
):
    publish(watched, sample_extract(tmp_path / "extract"), tmp_path / "out", run="run-1")
    done = watched.done
    assert done[0] == f"put {FOLDER}/run-1/publication.json"
    own, window_manifest = done.index(f"put {FOLDER}/run-1/manifest.json"), done.index(f"put {FOLDER}/manifest.json")
    files = [
        step
        for step in done
        if step.startswith("put ") and step.endswith((".csv", ".json", ".parquet")) and "/run-1/orders" in step
    ]
    extracts = [step for step in done if "/_extracts/" in step]
    assert (len(files), len(extracts)) == (3, 2)
    assert max(done.index(step) for step in [*files, *extracts]) < own < window_manifest
    names = [step for step in done if step.startswith("name ")]
    assert {step.removeprefix("name daily/orders/") for step in names} == {
        f"{where}/orders.{ending}" for where in (WINDOW, "latest") for ending in ("json", "summary.csv", "detail.csv")
    }
    assert window_manifest < min(done.index(step) for step in names)
    assert done[-1] == "put daily/orders/latest.json"


def test_a_rerun_with_the_same_data_sends_nothing(watched: Watched, tmp_path: Path):
    first = publish(watched, sample_extract(tmp_path / "extract"), tmp_path / "out", run="run-1")
    watched.done.clear()
    said: list[str] = []
    again = publish(watched, sample_extract(tmp_path / "extract2"), tmp_path / "out2", run="run-2", report=said.append)
    assert watched.done == []
    assert again == first
    assert sum(line.startswith("unchanged ") for line in said) == 5


def test_what_a_check_said_of_the_same_data_when_it_was_published_stands(watched: Watched, tmp_path: Path):
    checks = [ManifestCheck(name="schema_unchanged", passed=False, severity="warn", message="detail.value is new")]
    first = publish(watched, sample_extract(tmp_path / "a"), tmp_path / "out", run="run-1", checks=checks)
    checks = [
        ManifestCheck(
            name="schema_unchanged", passed=True, severity="warn", message="Columns are those of the last time."
        )
    ]
    watched.done.clear()
    assert publish(watched, sample_extract(tmp_path / "b"), tmp_path / "out", run="run-2", checks=checks) == first
    assert watched.done == []


def test_changed_data_goes_into_a_folder_of_its_own_and_the_former_version_stays_whole(
    watched: Watched, tmp_path: Path
):
    first = publish(watched, sample_extract(tmp_path / "a"), tmp_path / "out", run="run-1")
    before = everything(watched.store)
    watched.done.clear()
    second = publish(watched, sample_extract(tmp_path / "b", value=8), tmp_path / "out", run="run-2")
    assert {file.key.split("/")[3] for file in second.files} == {"run-2"}
    assert load_manifest(watched.store, "daily", "orders", WINDOW) == second
    assert not [step for step in watched.done if step.startswith("delete")]
    after = everything(watched.store)
    changed = {key for key, content in before.items() if after.get(key) != content}
    assert {key.removeprefix("daily/orders/") for key in changed} == {
        f"{WINDOW}/manifest.json",
        *(
            f"{where}/orders.{ending}"
            for where in (WINDOW, "latest")
            for ending in ("json", "summary.csv", "detail.csv")
        ),
    }
    fetch_window(watched.store, first, tmp_path / "first")
    assert fetch_extract(watched.store, first, tmp_path / "first extract").datasets[1].rows == 3
    assert load_manifest(watched.store, "daily", "orders", WINDOW, publication="run-1") == first


def test_a_publication_costs_no_more_requests_than_it_needs(oss_server: OssServer, tmp_path: Path):
    store = OssStore(oss_server.options())
    counted = {}
    for run, value in (("first", 1), ("same", 1), ("changed", 2)):
        oss_server.requests.clear()
        publish(store, sample_extract(tmp_path / run, value=value), tmp_path / "out", run=run)
        counted[run] = len(oss_server.requests)
    # 3 files, 2 extracts, the mark, 2 manifests, latest.json; 6 names, each set and looked at before and after; 4 to
    # know what is there.
    assert counted == {"first": 31, "same": 15, "changed": 30}


def test_each_attempt_of_a_run_has_a_folder_of_its_own_also_where_the_first_has_sent_nothing_but_its_mark(
    watched: Watched, tmp_path: Path
):
    failing = iter(range(1))

    def break_off(verb: str, key: str) -> None:
        if key.endswith("orders.json") and next(failing, None) is not None:
            raise StorageBusyError("the store is out of order")

    watched.before = break_off
    with pytest.raises(StorageBusyError):
        publish(watched, sample_extract(tmp_path / "a"), tmp_path / "out", run="run-1", formats="json")
    assert keys_below(watched.store, f"{FOLDER}/") == ["run-1/publication.json"]
    first = publish(watched, sample_extract(tmp_path / "a"), tmp_path / "out", run="run-1", formats="json")
    assert (first.run_id, first.publication) == ("run-1", "run-1.2")
    third = publish(watched, sample_extract(tmp_path / "b", value=8), tmp_path / "out", run="run-1", formats="json")
    assert third.publication == "run-1.3"
    assert {file.key.split("/")[3] for file in (*first.files, *third.files)} == {"run-1.2", "run-1.3"}
    assert (
        publish(watched, sample_extract(tmp_path / "b", value=8), tmp_path / "out", run="run-1", formats="json")
        == third
    )


def test_wherever_a_run_dies_the_window_is_the_old_one_or_the_new_one_and_the_next_run_heals(
    watched: Watched, tmp_path: Path
):
    def publish_value(value: int, run: str) -> Manifest:
        return publish(
            watched, sample_extract(tmp_path / "extract", value=value), tmp_path / "out", run=run, formats="json"
        )

    def values(manifest: Manifest) -> set[int]:
        (path,) = fetch_window(watched.store, manifest, tmp_path / "read")
        return {row["value"] for part in json.loads(path.read_text()).values() for row in part}

    publish_value(0, "run-0")
    seen: list[int] = []
    for dying in range(1, 9):  # mark, file, 2 extracts, manifest, window manifest, name, name in latest
        left = iter(range(dying - 1))

        def die(_verb: str, _key: str, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise Killed

        watched.before = die
        with pytest.raises(Killed):
            publish_value(dying, f"run-{dying}")
        watched.before = lambda _verb, _key: None
        manifest = load_manifest(watched.store, "daily", "orders", WINDOW)
        assert manifest is not None
        assert len(values(manifest)) == 1
        seen += values(manifest)
        healed = publish_value(dying, f"healing-{dying}")
        assert values(healed) == {dying}
        for file in healed.files:
            assert watched.store.read(window_key("daily", "orders", WINDOW, file.name)) == watched.store.read(file.key)
    assert seen == [0, 1, 2, 3, 4, 5, 7, 8]
    watched.done.clear()
    publish_value(9, "run-9")
    assert len(watched.done) == 8, "there are no other places to die at"
