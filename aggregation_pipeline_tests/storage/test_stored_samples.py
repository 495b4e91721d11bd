"""Objects of the first version are read; objects of a future one are refused, and left as they are."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

from aggregation_pipeline.config.options import FormatOptions
from aggregation_pipeline.errors import StorageNewerError, this_program
from aggregation_pipeline.extract import Extract
from aggregation_pipeline.formats.registry import render
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline.storage.keys import extract_key, latest_key, manifest_key, mark_key
from aggregation_pipeline.storage.manifest import Manifest
from aggregation_pipeline.storage.publish import publish_window
from aggregation_pipeline.storage.published import fetch_extract, fetch_window, load_latest, load_manifest
from aggregation_pipeline.storage.published_file import find_published
from aggregation_pipeline.storage.superseded_versions import list_window_objects, superseded_keys
from aggregation_pipeline_tests.upgrade.first_format import PREFIX, TABLE, WINDOW, sample_store

KEY = manifest_key(PREFIX, TABLE, WINDOW)


def test_a_window_of_the_first_version_is_read_whole(tmp_path: Path):
    store = sample_store(tmp_path)
    manifest = load_manifest(store, PREFIX, TABLE, WINDOW)
    assert manifest is not None
    assert (manifest.version, manifest.written_by, manifest.source, manifest.rows) == (1, "", "", 5)
    assert [path.name for path in fetch_window(store, manifest, tmp_path / "files")] == [
        "users.detail.csv",
        "users.json",
        "users.summary.csv",
    ]
    extract = fetch_extract(store, manifest, tmp_path / "extract")
    (detail,) = [each for each in extract.datasets if each.name == "detail"]
    rows = [row for batch in detail.batches() for row in batch.to_pylist()]
    assert [row["name"] for row in rows] == ["张三", "李四", None]
    assert rows[0]["phone"] == "138****8000"
    latest = load_latest(store, PREFIX, TABLE)
    assert latest is not None
    assert (latest.window, len(latest.names)) == (WINDOW, 3)
    assert find_published(store, PREFIX, f"{PREFIX}/{TABLE}/{WINDOW}/users.json") is not None


def publish_again(store: FolderStore, extract: Extract, directory: Path) -> Manifest:
    files = [file for name in ("csv", "json") for file in render(name, extract, directory, FormatOptions())]
    return publish_window(store, PREFIX, extract, files, run_id="another").manifest


def change(store: FolderStore, key: str, **fields: Any) -> None:
    document = json.loads(store.read(key))
    store.put(key, json.dumps({**document, **fields}).encode(), media_type="application/json")


def test_a_window_of_the_first_version_can_be_published_again(tmp_path: Path):
    store = sample_store(tmp_path)
    manifest = load_manifest(store, PREFIX, TABLE, WINDOW)
    assert manifest is not None
    extract = fetch_extract(store, manifest, tmp_path / "extract")
    again = publish_again(store, extract, tmp_path)
    assert again == load_manifest(store, PREFIX, TABLE, WINDOW)
    # The same data, so only who wrote it and the formats may differ: the files stay where they are.
    assert {file.key for file in again.files} == {file.key for file in manifest.files}


def test_a_window_of_the_first_version_is_published_anew_when_its_source_is_told(tmp_path: Path):
    store = sample_store(tmp_path)
    manifest = load_manifest(store, PREFIX, TABLE, WINDOW)
    assert manifest is not None
    extract = replace(fetch_extract(store, manifest, tmp_path / "extract"), source="crm")
    again = publish_again(store, extract, tmp_path)
    assert (again.version, again.source, again.run_id) == (2, "crm", "another")
    assert {file.key for file in again.files} == {file.key for file in manifest.files}
    assert again == load_manifest(store, PREFIX, TABLE, WINDOW)
    assert fetch_extract(store, again, tmp_path / "again").source == "crm"


def test_a_manifest_of_the_future_is_refused_and_not_replaced(tmp_path: Path):
    store = sample_store(tmp_path)
    manifest = load_manifest(store, PREFIX, TABLE, WINDOW)
    assert manifest is not None
    extract = fetch_extract(store, manifest, tmp_path / "extract")
    change(store, KEY, version=3, written_by="aggregation-pipeline 0.9.1", a_new_field={"of": "then"})
    before = {each.key: store.read(each.key) for each in store.list("")}
    with pytest.raises(StorageNewerError) as refused:
        publish_again(store, extract, tmp_path)
    assert str(refused.value) == (
        f"{store.uri(KEY)} is of format 3, which aggregation-pipeline 0.9.1 wrote. This is {this_program()}, which"
        " knows formats up to 2, so it leaves it as it is. Upgrade this program: docs/operations.md says how"
    )
    assert not refused.value.retryable
    after = {each.key: store.read(each.key) for each in store.list("")}
    assert {key: after[key] for key in before} == before


def test_a_package_without_a_version_publishes_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def not_installed(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", not_installed)
    store = sample_store(tmp_path)
    manifest = load_manifest(store, PREFIX, TABLE, WINDOW)
    assert manifest is not None
    extract = fetch_extract(store, manifest, tmp_path / "extract")
    store.delete(KEY)
    assert publish_again(store, extract, tmp_path).written_by == "aggregation-pipeline unknown"


def test_an_extract_of_the_future_is_refused(tmp_path: Path):
    store = sample_store(tmp_path)
    document = json.loads(store.read(KEY))
    for dataset in document["datasets"]:
        dataset["extract"]["version"] = 3
    store.put(KEY, json.dumps(document).encode(), media_type="application/json")
    key = extract_key(PREFIX, TABLE, WINDOW, document["publication"], "summary")
    with pytest.raises(
        StorageNewerError, match=f"the extract {key} is of format 3, which a newer aggregation-pipeline"
    ):
        load_manifest(store, PREFIX, TABLE, WINDOW)


def test_what_a_future_object_says_of_its_program_is_repeated_only_if_it_looks_like_one(tmp_path: Path):
    store = sample_store(tmp_path)
    change(store, KEY, version=3, written_by="call 555-0100 for an upgrade")
    with pytest.raises(StorageNewerError, match="which a newer aggregation-pipeline wrote"):
        load_manifest(store, PREFIX, TABLE, WINDOW)


def test_a_mark_and_a_latest_of_the_future_are_refused(tmp_path: Path):
    store = sample_store(tmp_path)
    change(store, latest_key(PREFIX, TABLE), version=2)
    with pytest.raises(StorageNewerError, match=r"latest\.json is of format 2"):
        load_latest(store, PREFIX, TABLE)
    manifest = load_manifest(store, PREFIX, TABLE, WINDOW)
    assert manifest is not None
    change(store, mark_key(PREFIX, TABLE, WINDOW, manifest.publication), version=2)
    for gone in (KEY, manifest_key(PREFIX, TABLE, WINDOW, publication=manifest.publication)):
        store.delete(gone)
    with pytest.raises(StorageNewerError, match=r"publication\.json is of format 2"):
        _all_superseded(store)


def _all_superseded(store: FolderStore) -> tuple[str, ...]:
    there = list_window_objects(store, PREFIX, TABLE, WINDOW)
    later = datetime.now(UTC) + timedelta(days=9)
    return superseded_keys(store, PREFIX, there, now=later, keep_versions=0, is_active=lambda _: False, whole=True)
