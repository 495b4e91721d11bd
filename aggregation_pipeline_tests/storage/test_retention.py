"""Retention: what expires, what never does, and nothing that is not ours."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aggregation_pipeline.errors import StorageError
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.keys import manifest_key, window_key
from aggregation_pipeline.storage.publish import publish_window
from aggregation_pipeline.storage.retention import delete, expired_extracts, expired_windows
from aggregation_pipeline.storage.windows import latest_window, load_manifest, published_windows
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
