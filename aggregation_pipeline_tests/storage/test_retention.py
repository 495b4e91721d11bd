"""Retention: what expires, what never does, and nothing that is not ours. On both stores."""

import os
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from aggregation_pipeline.config.partitions import Every
from aggregation_pipeline.errors import StorageBusyError, StorageError
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.expiry import RetentionRule, expired_windows
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline.storage.keys import manifest_key, window_key
from aggregation_pipeline.storage.lock import Lock, NoLock
from aggregation_pipeline.storage.publish import publish_window
from aggregation_pipeline.storage.published import (
    fetch_extract,
    fetch_window,
    latest_window,
    load_manifest,
    published_windows,
)
from aggregation_pipeline.storage.retention import RetentionResult, apply_retention
from aggregation_pipeline_tests.storage.publishing import LostLock, Watched
from aggregation_pipeline_tests.storage.samples import render_csv, render_json, sample_extract

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAYS = ("2026-08-01", "2026-11-18", "2026-11-19", "2026-11-20")
OLD, WINDOW = DAYS[0], DAYS[-1]
ORDERS = RetentionRule("orders", keep=timedelta(days=90))
# What a pass a day or two after the test has published says.
SOON = timedelta(hours=1)
LATER = timedelta(days=2)


def put(
    store: Any,
    tmp_path: Path,
    window: str = WINDOW,
    *,
    run: str = "run",
    value: int = 7,
    formats: str = "json",
    **how: Any,
) -> Any:
    extract = sample_extract(tmp_path / "extract", window=window, value=value)
    if masks := how.pop("masks", None):
        datasets = tuple(_masked(dataset, masks) for dataset in extract.datasets)
        extract = type(extract)(extract.table, extract.window, datasets, extract.consistency)
    files = [render_json(extract, tmp_path)] if "json" in formats else []
    files += render_csv(extract, tmp_path) if "csv" in formats else []
    return publish_window(store, "daily", extract, files, run_id=run, **how).manifest


def _masked(dataset: Any, masks: dict[str, str]) -> Any:
    return type(dataset)(**{**{name: getattr(dataset, name) for name in dataset.__dataclass_fields__}, "masks": masks})


@pytest.fixture
def filled(store: ObjectStore, tmp_path: Path) -> ObjectStore:
    for window in DAYS:
        put(store, tmp_path, window)
    return store


def swept(store: Any, *rules: RetentionRule, dry_run: bool = False, **how: Any) -> RetentionResult:
    given = {
        "now": NOW,
        "keep_extracts": timedelta(days=7),
        "lock": lambda _table, _window: nullcontext(NoLock()),
        "is_active": lambda _run: False,
        "report": print,
    }
    return apply_retention(store, "daily", rules, dry_run=dry_run, **{**given, **how})


def in_time(after: timedelta) -> datetime:
    return datetime.now(UTC) + after


def keys(store: Any, prefix: str = "") -> list[str]:
    return [stored.key for stored in store.list(prefix)]


def windows(store: ObjectStore, **limits: Any) -> list[str]:
    there = [window for _, window in published_windows(store, "daily", "orders")]
    return expired_windows(there, RetentionRule("orders", **limits), now=NOW)


def test_windows_expire_by_age_by_number_and_by_both(filled: ObjectStore):
    assert windows(filled) == []
    assert windows(filled, keep=timedelta(days=90)) == [OLD]
    assert windows(filled, keep_last=2) == [OLD, "2026-11-18"]
    assert windows(filled, keep=timedelta(days=90), keep_last=2) == [OLD]
    assert windows(filled, keep=timedelta(hours=1)) == list(DAYS[:3])  # the newest stays


@pytest.mark.parametrize(
    ("every", "windows", "last_day"),
    [
        ("week", ["2026-02-23", "2026-03-02"], date(2026, 3, 12)),
        ("month", ["2026-02-01", "2026-03-01"], date(2026, 3, 11)),
        ("month", ["2028-02-01", "2028-03-01"], date(2028, 3, 11)),
        ("month", ["2026-12-01", "2027-01-01"], date(2027, 1, 11)),
        ("day", ["2026-03-01", "2026-03-02"], date(2026, 3, 11)),
    ],
)
def test_weeks_and_months_age_from_their_end_and_days_from_their_date(
    store: ObjectStore, tmp_path: Path, every: Every, windows: list[str], last_day: date
):
    for window in windows:
        put(store, tmp_path, window)
    rule = RetentionRule("orders", keep=timedelta(days=10), every=every)
    stays_until = datetime.combine(last_day, time(), UTC)

    def gone(now: datetime) -> list[str]:
        return [each.window for each in swept(store, rule, now=now, dry_run=True).windows]

    assert gone(stays_until) == []
    assert gone(stays_until + timedelta(seconds=1)) == windows[:1]


def test_minutes_and_hours_of_a_day_age_with_it():
    there = ["2026-10-31T1400", "2026-10-31-14:00", "2026-10-31", "2026-11-20"]
    assert expired_windows(there, RetentionRule("t", keep=timedelta(days=15)), now=NOW) == sorted(there[:3])
    assert expired_windows(there, RetentionRule("t", keep=timedelta(days=21)), now=NOW) == []


@pytest.mark.parametrize("limits", [{"keep_last": 0}, {"keep": timedelta()}])
def test_limits_that_would_keep_nothing_are_refused(filled: ObjectStore, limits: dict[str, object]):
    with pytest.raises(StorageError, match="have to leave something"):
        windows(filled, **limits)


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


class Killed(BaseException):
    """Stands for the process ending."""


def killed_at(watched: Watched, step: int) -> None:
    left = iter(range(step))

    def die(_verb: str, _key: str) -> None:
        if next(left, None) is None:
            raise Killed

    watched.before = die


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
    killed_at(watched, 6)  # after the switch, before any name
    with pytest.raises(Killed):
        put(watched, tmp_path, run="two", value=8, formats="json")
    watched.before = lambda _verb, _key: None
    name = window_key("daily", "orders", WINDOW, "orders.detail.csv")
    assert watched.store.head(name) is not None
    swept(watched.store, ORDERS, now=in_time(LATER))
    assert watched.store.head(name) is None


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
    assert steps == 7  # the switch, a name, a file, two extracts, the manifest, the mark
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
        # A day later, and also where the rule has been taken back: what is begun is ended.
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


def test_a_lost_lock_stops_a_pass_and_the_switch_that_a_late_delete_took_away_comes_back(
    filled: ObjectStore, tmp_path: Path
):
    before = keys(filled)
    problems = swept(filled, ORDERS, lock=lambda _table, _window: nullcontext(LostLock(1))).problems
    assert problems == ("the lock is lost",)
    assert keys(filled) == before
    # Lost when the switch is gone: somebody published in between, or nobody did.
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


def test_one_table_that_cannot_be_judged_stops_no_other(filled: ObjectStore, tmp_path: Path):
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
