"""Retention: what is deleted, what never is, and that nothing of others is touched. On both stores."""

import os
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.expiry import RetentionRule
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline.storage.keys import manifest_key, window_key
from aggregation_pipeline.storage.lock_protocol import Lock, NoLock
from aggregation_pipeline.storage.publish import publish_window
from aggregation_pipeline.storage.published import (
    fetch_window,
    latest_window,
    load_manifest,
    published_windows,
)
from aggregation_pipeline.storage.retention import RetentionResult
from aggregation_pipeline_tests.storage.publishing import Killed, LostLock, Watched, killed_at
from aggregation_pipeline_tests.storage.retaining import (
    DAYS,
    LATER,
    NOW,
    OLD,
    ORDERS,
    SOON,
    WINDOW,
    in_time,
    keys,
    put,
    swept,
)
from aggregation_pipeline_tests.storage.samples import render_json, sample_extract


def test_a_window_that_goes_goes_whole_and_leaves_what_is_not_ours(filled: ObjectStore, tmp_path: Path):
    put(filled, tmp_path, OLD, run="again", value=8, formats="json csv")
    before = set(keys(filled))
    theirs = {
        f"daily/orders/{OLD}/a colleague's notes.txt",
        f"daily/orders/{OLD}/run/a colleague's notes.txt",
        f"daily/orders/{OLD}/backup/orders.json",
        f"daily/orders/{OLD}/backup/manifest.json.bak",
        f"daily/_extracts/orders/{OLD}/run/theirs.parquet",
    }
    for key in theirs:
        filled.put(key, b"hands off", media_type="text/plain")
    (gone,) = swept(filled, ORDERS).windows
    assert (gone.table, gone.window) == ("orders", OLD)
    assert gone.keys[0] == manifest_key("daily", "orders", OLD)
    assert set(keys(filled)) == {key for key in before if f"/{OLD}/" not in key} | theirs
    assert set(gone.keys) == before - set(keys(filled))
    assert [window for _, window in published_windows(filled, "daily")] == list(DAYS[1:])
    assert latest_window(filled, "daily", "orders") == WINDOW
    assert swept(filled, ORDERS) == RetentionResult((), (), (), (), ())


def test_extracts_expire_by_when_they_were_written_and_only_names_of_ours(filled: ObjectStore, tmp_path: Path):
    gone_table = sample_extract(tmp_path / "gone", table="gone")
    publish_window(filled, "daily", gone_table, [render_json(gone_table, tmp_path)], run_id="run")
    theirs = [
        "daily/_extracts/report.csv",
        "daily/_extracts/orders/2026-11-20/run/model.bin",
        "daily/_extracts/theirs/a/b/c.parquet",
    ]
    for key in theirs:
        filled.put(key, b"hands off", media_type="text/plain")
    assert swept(filled, RetentionRule("orders"), now=in_time(SOON)).extracts == ()
    result = swept(filled, RetentionRule("orders"), now=in_time(timedelta(days=8)))
    assert (result.windows, result.versions) == ((), ())
    assert {(each.table, each.window, len(each.keys)) for each in result.extracts} == {
        *(("orders", day, 2) for day in DAYS),
        ("gone", WINDOW, 2),
    }
    assert sorted(keys(filled, "daily/_extracts/")) == sorted(theirs)
    # The windows are readable; only the extract is not there any more.
    for _, window in published_windows(filled, "daily", "orders"):
        manifest = load_manifest(filled, "daily", "orders", window)
        assert manifest is not None
        fetch_window(filled, manifest, tmp_path / window)
    assert len(list(published_windows(filled, "daily"))) == 5


def test_a_dry_run_names_what_a_real_one_deletes_and_takes_no_lock(filled: ObjectStore, tmp_path: Path):
    put(filled, tmp_path, run="again", value=8)
    before = keys(filled)
    how: dict[str, Any] = {"now": in_time(LATER), "keep_extracts": timedelta(hours=1)}
    rule = RetentionRule("orders", keep_last=3)
    dry = swept(filled, rule, dry_run=True, lock=None, **how)
    assert keys(filled) == before
    taken: list[tuple[str, str]] = []

    def lock(table: str, window: str) -> AbstractContextManager[Lock]:
        taken.append((table, window))
        return nullcontext(NoLock())

    real = swept(filled, rule, lock=lock, **how)
    assert real == dry
    assert taken == [("orders", day) for day in DAYS]
    gone = {key for expired in (*real.windows, *real.versions, *real.extracts) for key in expired.keys}
    assert set(keys(filled)) == set(before) - gone
    assert (len(real.windows), len(real.versions), len(real.extracts)) == (1, 1, 3)


def test_a_pass_that_is_killed_is_gone_on_with_and_readers_see_no_half_window(filled: ObjectStore):
    complete = {key: filled.read(key) for key in keys(filled)}
    watched = Watched(filled)
    swept(watched, ORDERS)
    steps = len(watched.done)
    rest = set(keys(filled))
    assert steps == 7  # the window manifest, a name, a file, two extracts, the manifest, the mark
    for dying in range(steps):
        for key, content in complete.items():
            if key not in rest:
                filled.put(key, content, media_type="a/b")
        killed_at(watched, dying)
        with pytest.raises(Killed):
            swept(watched, ORDERS)
        watched.before = lambda _verb, _key: None
        manifest = load_manifest(filled, "daily", "orders", OLD)
        assert (manifest is None) == (dying > 0)
        if manifest is not None:
            assert all(filled.head(file.key) for file in manifest.files)
        # A day later, also without the rule: a deletion that has begun is completed.
        swept(filled, ORDERS if dying == 0 else RetentionRule("orders"), now=in_time(LATER))
        assert {key for key in keys(filled) if f"/{OLD}/" in key} == set()


@pytest.mark.parametrize("whole", [True, False])
def test_a_window_that_is_published_again_before_its_lock_is_had_keeps_all_that_is_needed(
    filled: ObjectStore, tmp_path: Path, whole: bool
):
    put(filled, tmp_path, run="second", value=8)

    def republish(_table: str, window: str) -> AbstractContextManager[Lock]:
        put(filled, tmp_path, window, run="again", value=9)
        return nullcontext(NoLock())

    if whole:
        filled.delete(manifest_key("daily", "orders", OLD))  # a pass was killed here
    swept(filled, RetentionRule("orders"), lock=republish, now=in_time(LATER))
    again = load_manifest(filled, "daily", "orders", OLD if whole else WINDOW)
    assert again is not None
    assert again.publication == "again"
    fetch_window(filled, again, tmp_path / "read")


def test_a_lost_lock_stops_a_pass_and_the_window_manifest_that_a_late_delete_took_away_comes_back(
    filled: ObjectStore, tmp_path: Path
):
    before = keys(filled)
    problems = swept(filled, ORDERS, lock=lambda _table, _window: nullcontext(LostLock(1))).problems
    assert problems == ("the lock is lost",)
    assert keys(filled) == before
    # Lost when the window manifest is gone; in between somebody published, or nobody did.
    for comes in (True, False):

        def meanwhile(comes: bool = comes) -> None:
            if comes:
                put(filled, tmp_path, OLD, run="newer", value=9)
                filled.delete(manifest_key("daily", "orders", OLD))  # only now our DELETE lands

        lock = LostLock(2, meanwhile)
        assert swept(filled, ORDERS, lock=lambda _table, _window, lock=lock: nullcontext(lock)).problems == (
            "the lock is lost",
        )
        manifest = load_manifest(filled, "daily", "orders", OLD)
        assert manifest is not None
        assert manifest.publication == "newer"
        fetch_window(filled, manifest, tmp_path / f"read{comes}")
        assert filled.read(window_key("daily", "orders", OLD, "orders.json")) == filled.read(manifest.files[0].key)


def test_a_manifest_that_names_objects_of_others_deletes_nothing(filled: ObjectStore):
    manifest = load_manifest(filled, "daily", "orders", OLD)
    assert manifest is not None
    for key in ("daily/users/2026-11-20/run/users.json", "daily/orders/2026-11-20/run/orders.json"):
        stolen = manifest.files[0].model_copy(update={"key": key})
        forged = manifest.model_copy(update={"files": (stolen,)})
        filled.put(manifest_key("daily", "orders", OLD), forged.to_json(), media_type="application/json")
        before = keys(filled)
        (problem,) = swept(filled, ORDERS).problems
        assert f"it names {key!r}, which is no object of a publication of this window" in problem
        assert keys(filled) == before


def test_one_table_with_a_damaged_manifest_stops_no_other(filled: ObjectStore, tmp_path: Path):
    for window in (OLD, WINDOW):
        extract = sample_extract(tmp_path / "users", table="users", window=window)
        publish_window(filled, "daily", extract, [render_json(extract, tmp_path)], run_id="run")
    filled.put(manifest_key("daily", "orders", OLD), b"{}", media_type="application/json")
    result = swept(filled, ORDERS, RetentionRule("users", keep_last=1))
    assert [(gone.table, gone.window) for gone in result.windows] == [("users", OLD)]
    (problem,) = result.problems
    assert f"{OLD}/manifest.json is not a manifest" in problem


def test_half_written_files_of_killed_writers_go_from_a_folder_after_a_day(tmp_path: Path):
    store = FolderStore(tmp_path / "exports")
    store.put("daily/orders/2026-11-20/orders.json", b"{}", media_type="application/json")
    old, fresh = (tmp_path / "exports" / "daily" / f".%part-{name}" for name in ("old", "fresh"))
    for path in (old, fresh):
        path.write_bytes(b"half")
    os.utime(old, (NOW.timestamp() - 90_000, NOW.timestamp() - 90_000))
    os.utime(fresh, (NOW.timestamp() - 80_000, NOW.timestamp() - 80_000))
    assert swept(store, dry_run=True).half_written == (str(old),)
    assert old.exists()
    assert swept(store).half_written == (str(old),)
    assert (old.exists(), fresh.exists()) == (False, True)
    assert store.read("daily/orders/2026-11-20/orders.json") == b"{}"
