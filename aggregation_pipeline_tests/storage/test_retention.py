"""Retention: what expires, what never does, and nothing that is not ours."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from aggregation_pipeline.errors import StorageError
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline.storage.keys import expired_key, manifest_key, window_key
from aggregation_pipeline.storage.publish import publish_window
from aggregation_pipeline.storage.retention import Rule, delete, expired_extracts, expired_windows, sweep
from aggregation_pipeline.storage.windows import latest_window, load_manifest, published_windows
from aggregation_pipeline_tests.storage.publishing import Watched
from aggregation_pipeline_tests.storage.samples import render_json, sample_extract

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAYS = ("2026-08-01", "2026-11-18", "2026-11-19", "2026-11-20")


@pytest.fixture
def filled(store: ObjectStore, tmp_path: Path) -> ObjectStore:
    for window in DAYS:
        extract = sample_extract(tmp_path / window, window=window)
        publish_window(store, "daily", extract, [render_json(extract, tmp_path)], run_id="run")
    return store


def windows(store: ObjectStore, **limits: object) -> list[str]:
    return [gone.window for gone in expired_windows(store, "daily", "orders", now=NOW, **limits)]  # type: ignore[arg-type]


def test_windows_expire_by_age_by_number_and_by_both(filled: ObjectStore):
    assert windows(filled) == []
    assert windows(filled, keep=timedelta(days=90)) == ["2026-08-01"]
    assert windows(filled, keep_last=2) == ["2026-08-01", "2026-11-18"]
    assert windows(filled, keep=timedelta(days=90), keep_last=2) == ["2026-08-01"]
    assert windows(filled, keep=timedelta(hours=1)) == list(DAYS[:3])  # the newest stays


def test_a_plan_deletes_nothing_and_its_execution_takes_the_manifest_first_and_only_what_it_names(filled: ObjectStore):
    filled.put(window_key("daily", "orders", "2026-08-01", "a colleague's notes.txt"), b"x", media_type="text/plain")
    (gone,) = expired_windows(filled, "daily", "orders", now=NOW, keep=timedelta(days=90))
    assert gone.keys[0] == manifest_key("daily", "orders", "2026-08-01")
    assert load_manifest(filled, "daily", "orders", "2026-08-01") is not None
    delete(filled, gone.keys)
    delete(filled, gone.keys)
    assert [stored.key for stored in filled.list("daily/orders/2026-08-01/")] == ["daily/orders/2026-08-01/a colleague's notes.txt"]
    assert [window for _, window in published_windows(filled, "daily")] == list(DAYS[1:])
    assert latest_window(filled, "daily", "orders") == "2026-11-20"


def test_a_manifest_that_names_objects_of_others_deletes_nothing(filled: ObjectStore):
    manifest = load_manifest(filled, "daily", "orders", "2026-08-01")
    assert manifest is not None
    stolen = manifest.files[0].model_copy(update={"key": "daily/users/2026-11-20/users.json"})
    forged = manifest.model_copy(update={"files": (stolen,)})
    filled.put(manifest_key("daily", "orders", "2026-08-01"), forged.to_json(), media_type="application/json")
    with pytest.raises(StorageError, match=r"names 'daily/users/2026-11-20/users.json', which lies outside"):
        expired_windows(filled, "daily", "orders", now=NOW, keep=timedelta(days=90))


@pytest.mark.parametrize("limits", [{"keep_last": 0}, {"keep": timedelta()}])
def test_limits_that_would_keep_nothing_are_refused(filled: ObjectStore, limits: dict[str, object]):
    with pytest.raises(StorageError, match="have to leave something"):
        windows(filled, **limits)


def test_extracts_expire_by_when_they_were_written(filled: ObjectStore):
    written = datetime.now(UTC)
    assert expired_extracts(filled, "daily", now=written, keep=timedelta(days=7)) == ()
    gone = expired_extracts(filled, "daily", now=written + timedelta(days=8), keep=timedelta(days=7))
    assert len(gone) == 8
    assert all(key.startswith("daily/_extracts/orders/") for key in gone)


def test_a_month_begins_to_age_when_it_ends_and_a_name_without_a_date_never_does(store: ObjectStore, tmp_path: Path):
    for window in ("2026-09", "2026-10", "2026-10-31T1400", "2026-10-31-14:00", "all", "2026-13-01", "2026-11-20"):
        extract = sample_extract(tmp_path / window, window=window)
        publish_window(store, "daily", extract, [render_json(extract, tmp_path)], run_id="run")
    assert windows(store, keep=timedelta(days=40)) == ["2026-09"]
    assert windows(store, keep=timedelta(days=15)) == ["2026-09", "2026-10", "2026-10-31-14:00", "2026-10-31T1400"]


def test_a_window_that_lasts_a_month_ages_from_its_end(filled: ObjectStore):
    assert [gone.window for gone in swept(filled, Rule("orders", keep=timedelta(days=90)), dry_run=True).windows] == ["2026-08-01"]
    assert swept(filled, Rule("orders", keep=timedelta(days=90), lasts=timedelta(days=31)), dry_run=True).windows == ()


def test_a_manifest_may_not_take_another_window_of_its_table_with_it(filled: ObjectStore):
    manifest = load_manifest(filled, "daily", "orders", "2026-08-01")
    assert manifest is not None
    stolen = manifest.files[0].model_copy(update={"key": "daily/orders/2026-11-20/orders.json"})
    forged = manifest.model_copy(update={"files": (stolen,)})
    filled.put(manifest_key("daily", "orders", "2026-08-01"), forged.to_json(), media_type="application/json")
    with pytest.raises(StorageError, match="outside of the window's folder"):
        expired_windows(filled, "daily", "orders", now=NOW, keep=timedelta(days=90))


def swept(store: ObjectStore, *rules: Rule, dry_run: bool = False, **how: Any) -> Any:
    given = {"now": NOW, "keep_extracts": timedelta(days=7), "lock": lambda _table, _window: nullcontext(), "report": print}
    return sweep(store, "daily", rules, dry_run=dry_run, **{**given, **how})


ORDERS = Rule("orders", keep=timedelta(days=90))


def test_a_dry_run_names_what_a_real_one_deletes_and_takes_no_lock(filled: ObjectStore):
    before = [stored.key for stored in filled.list("")]
    dry = swept(filled, ORDERS, dry_run=True, lock=None)
    assert [stored.key for stored in filled.list("")] == before
    taken: list[tuple[str, str]] = []

    def lock(table: str, window: str) -> AbstractContextManager[None]:
        taken.append((table, window))
        return nullcontext()

    real = swept(filled, ORDERS, lock=lock)
    assert real == dry
    assert taken == [("orders", "2026-08-01")]
    gone = {key for expired in real.windows for key in expired.keys}
    assert {stored.key for stored in filled.list("")} == set(before) - gone
    assert gone
    assert swept(filled, ORDERS).windows == ()


def test_all_runs_of_a_versioned_window_go_with_it_and_nothing_else(store: ObjectStore, tmp_path: Path):
    for run, value in (("run-1", 7), ("run-2", 8)):
        for window in ("2026-08-01", "2026-11-20"):
            extract = sample_extract(tmp_path / f"{run}{window}", window=window, value=value)
            publish_window(store, "daily", extract, [render_json(extract, tmp_path)], run_id=run, versioned=True)
    store.put("daily/orders/2026-08-01/run-1/a colleague's notes.txt", b"x", media_type="text/plain")
    store.put("daily/orders/2026-08-01/killed/orders.json", b"named by nothing", media_type="application/json")
    assert len([stored for stored in store.list("daily/orders/2026-08-01/") if stored.key.endswith("orders.json")]) == 3
    swept(store, ORDERS)
    left = [stored.key for stored in store.list("daily/orders/2026-08-01/")]
    assert left == ["daily/orders/2026-08-01/killed/orders.json", "daily/orders/2026-08-01/run-1/a colleague's notes.txt"]
    assert len([stored for stored in store.list("daily/orders/2026-11-20/") if stored.key.endswith("orders.json")]) == 2


class Killed(BaseException):
    """Stands for the process ending."""


def test_a_pass_that_is_killed_is_gone_on_with_and_readers_see_no_half_window(filled: ObjectStore):
    complete = {stored.key: filled.read(stored.key) for stored in filled.list("")}
    watched = Watched(filled)
    swept(watched, ORDERS)
    steps = len(watched.done)
    rest = {stored.key for stored in filled.list("")}
    assert steps == 6  # the mark, the manifest, a file, two extracts, the mark
    for dying in range(steps):
        for key, content in complete.items():
            filled.put(key, content, media_type="a/b")
        left = iter(range(dying))

        def die(_verb: str, _key: str, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise Killed

        watched.before = die
        with pytest.raises(Killed):
            swept(watched, ORDERS)
        watched.before = lambda _verb, _key: None
        manifest = load_manifest(filled, "daily", "orders", "2026-08-01")
        if manifest is not None:
            assert all(filled.head(file.key) for file in manifest.files)
        swept(filled, Rule("orders"))  # also where the rule has been taken back: what is begun is ended
        if dying > 1:
            assert {stored.key for stored in filled.list("")} == rest


def test_a_window_that_is_published_again_while_it_goes_stays(filled: ObjectStore, tmp_path: Path):
    def republish(_table: str, window: str) -> AbstractContextManager[None]:
        extract = sample_extract(tmp_path / "again", window=window, value=9)
        publish_window(filled, "daily", extract, [render_json(extract, tmp_path)], run_id="again")
        return nullcontext()

    manifest = filled.read(manifest_key("daily", "orders", "2026-08-01"))
    filled.put(expired_key("daily", "orders", "2026-08-01"), manifest, media_type="application/json")
    filled.delete(manifest_key("daily", "orders", "2026-08-01"))  # a pass was killed here
    swept(filled, Rule("orders"), lock=republish)
    again = load_manifest(filled, "daily", "orders", "2026-08-01")
    assert again is not None
    assert all(filled.head(file.key) for file in again.files)
    assert filled.head(expired_key("daily", "orders", "2026-08-01")) is None


def test_one_table_that_cannot_be_judged_stops_no_other(filled: ObjectStore, tmp_path: Path):
    extract = sample_extract(tmp_path / "users", table="users", window="2026-08-01")
    publish_window(filled, "daily", extract, [render_json(extract, tmp_path)], run_id="run")
    extract = sample_extract(tmp_path / "users2", table="users", window="2026-11-20")
    publish_window(filled, "daily", extract, [render_json(extract, tmp_path)], run_id="run")
    filled.put(manifest_key("daily", "orders", "2026-08-01"), b"{}", media_type="application/json")
    result = swept(filled, ORDERS, Rule("users", keep_last=1))
    assert [(gone.table, gone.window) for gone in result.windows] == [("users", "2026-08-01")]
    (problem,) = result.problems
    assert "2026-08-01/manifest.json is not a manifest" in problem


def test_tables_without_a_rule_keep_all_their_windows_and_extracts_go_by_age(filled: ObjectStore):
    result = swept(filled, Rule("orders"), now=datetime.now(UTC) + timedelta(days=8))
    assert result.windows == ()
    assert len(result.extracts) == 8
    assert len(list(published_windows(filled, "daily"))) == 4


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
