"""Which versions of a window stay, and what dead runs left. On both stores."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aggregation_pipeline.errors import StorageBusyError
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.expiry import RetentionRule
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline.storage.keys import manifest_key, window_key
from aggregation_pipeline.storage.publish import publish_window
from aggregation_pipeline.storage.published import (
    fetch_extract,
    fetch_window,
    load_manifest,
)
from aggregation_pipeline_tests.storage.publishing import Killed, Watched, killed_at
from aggregation_pipeline_tests.storage.retaining import (
    LATER,
    ORDERS,
    SOON,
    WINDOW,
    in_time,
    keys,
    put,
    swept,
)
from aggregation_pipeline_tests.storage.samples import render_csv, render_json, sample_extract


def test_a_superseded_version_stays_for_a_day_and_what_is_still_named_of_it_for_longer(
    store: ObjectStore, tmp_path: Path
):
    first = put(store, tmp_path, run="one", formats="json csv")
    extract = sample_extract(tmp_path / "more", rows=4)  # the summary is the same
    second = publish_window(
        store, "daily", extract, [render_json(extract, tmp_path), *render_csv(extract, tmp_path)], run_id="two"
    ).manifest
    before = keys(store)
    assert swept(store, ORDERS, now=in_time(SOON)).versions == ()
    assert keys(store) == before
    (gone,) = swept(store, ORDERS, now=in_time(LATER), keep_extracts=timedelta(days=7)).versions
    still = {file.key for file in second.files} | {dataset.extract.key for dataset in second.datasets}
    dropped = {file.key for file in first.files} | {dataset.extract.key for dataset in first.datasets}
    assert set(gone.keys) == (dropped - still) | {manifest_key("daily", "orders", WINDOW, publication="one")}
    assert any("/one/" in key for key in still)
    assert set(keys(store)) == set(before) - set(gone.keys)
    fetch_window(store, second, tmp_path / "read")
    fetch_extract(store, second, tmp_path / "read")
    # When nothing names it any more the rest goes as well.
    put(store, tmp_path, run="three", value=9)
    swept(store, ORDERS, now=in_time(LATER))
    assert not [key for key in keys(store) if "/one/" in key or "/two/" in key]
    assert swept(store, ORDERS, now=in_time(LATER)).versions == ()


@pytest.mark.parametrize(
    ("keep_versions", "left"), [(1, ["r3"]), (2, ["r2", "r3"]), (3, ["r1", "r2", "r3"]), (None, ["r1", "r2", "r3"])]
)
def test_so_many_versions_stay_as_are_to_stay(tmp_path: Path, keep_versions: int | None, left: list[str]):
    store = FolderStore(tmp_path / "exports")
    for number in (1, 2, 3):
        put(store, tmp_path, run=f"r{number}", value=number)
        moment = (datetime.now(UTC) - timedelta(days=5 - number)).timestamp()
        for path in (tmp_path / "exports").rglob(f"*/r{number}/*"):
            os.utime(path, (moment, moment))
    swept(store, RetentionRule("orders", keep_versions=keep_versions), now=datetime.now(UTC))
    assert sorted(path.name for path in (tmp_path / "exports/daily/orders" / WINDOW).iterdir() if path.is_dir()) == left
    for run in left:
        manifest = load_manifest(store, "daily", "orders", WINDOW, publication=run)
        assert manifest is not None
        fetch_window(store, manifest, tmp_path / run)


@pytest.mark.parametrize("keep_versions", [1, None])
def test_a_former_version_of_other_masks_that_its_publisher_could_not_delete_goes_whatever_its_age(
    watched: Watched, tmp_path: Path, keep_versions: int | None
):
    def busy(verb: str, _key: str) -> None:
        if verb == "delete":
            raise StorageBusyError("the store is busy")

    put(watched, tmp_path, run="open")
    watched.before = busy
    put(watched, tmp_path, run="masked", value=8, masks={"value": "hash"})
    watched.before = lambda _verb, _key: None
    assert [key for key in keys(watched.store) if "/open/" in key]
    rule = RetentionRule("orders", keep_versions=keep_versions)
    (gone,) = swept(watched.store, rule, now=in_time(SOON)).versions
    assert not [key for key in keys(watched.store) if "/open/" in key]
    assert any(key.startswith("daily/_extracts/") for key in gone.keys)
    put(watched, tmp_path, run="again", value=9, masks={"value": "hash"})
    assert swept(watched.store, rule, now=in_time(SOON)).versions == ()


def test_when_masks_changed_the_former_version_goes_with_the_publication(store: ObjectStore, tmp_path: Path):
    put(store, tmp_path, run="open", formats="json csv")
    manifest = put(store, tmp_path, run="masked", value=8, formats="json csv", masks={"value": "hash"})
    # What both have in common lies in the folder of the former one, and stays: no masked column is in it.
    assert {key for key in keys(store) if "/open/" in key} <= {
        *manifest.keys,
        f"daily/orders/{WINDOW}/open/publication.json",
    }
    fetch_window(store, manifest, tmp_path / "masked")


@pytest.mark.parametrize("dying", [1, 3, 4, 5])
def test_what_a_dead_run_left_goes_after_a_day_and_what_a_live_one_sends_stays(
    watched: Watched, tmp_path: Path, dying: int
):
    put(watched, tmp_path, run="whole")
    killed_at(watched, dying)  # after the mark, the file, the extracts, the manifest
    with pytest.raises(Killed):
        put(watched, tmp_path, run="dead", value=8)
    watched.before = lambda _verb, _key: None
    store = watched.store
    theirs = f"daily/orders/{WINDOW}/dead/notes.txt"
    store.put(theirs, b"hands off", media_type="text/plain")
    before = keys(store)
    asked: list[str] = []

    def is_active(run: str) -> bool:
        asked.append(run)
        return True

    assert swept(store, ORDERS, now=in_time(SOON)).versions == ()
    if dying < 5:
        assert swept(store, ORDERS, now=in_time(LATER), is_active=is_active).versions == ()
        assert asked == ["dead"]
    assert keys(store) == before
    swept(store, ORDERS, now=in_time(LATER))
    assert [key for key in keys(store) if "/dead/" in key] == [theirs]
    assert [key for key in before if "/dead/" not in key] == [key for key in keys(store) if "/dead/" not in key]


def test_a_name_that_a_killed_publisher_left_goes_with_the_version_that_it_was_of(watched: Watched, tmp_path: Path):
    put(watched, tmp_path, run="one", formats="json csv")
    killed_at(watched, 6)  # after the window manifest, before any name
    with pytest.raises(Killed):
        put(watched, tmp_path, run="two", value=8, formats="json")
    watched.before = lambda _verb, _key: None
    name = window_key("daily", "orders", WINDOW, "orders.detail.csv")
    assert watched.store.head(name) is not None
    swept(watched.store, ORDERS, now=in_time(LATER))
    assert watched.store.head(name) is None
