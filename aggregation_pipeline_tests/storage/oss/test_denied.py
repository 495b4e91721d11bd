"""A right that is missing: nothing is taken for missing or damaged, so nothing that stands there is replaced or
deleted.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aggregation_pipeline.errors import StorageDeniedError
from aggregation_pipeline.storage.expiry import RetentionRule
from aggregation_pipeline.storage.lock_protocol import NoLock
from aggregation_pipeline.storage.oss.store import OssStore
from aggregation_pipeline.storage.published import load_latest, load_manifest
from aggregation_pipeline.storage.retention import apply_retention
from aggregation_pipeline_tests.storage.publishing import publish
from aggregation_pipeline_tests.storage.samples import WINDOW, sample_extract
from aggregation_pipeline_tests.support.servers.oss import OssServer

HIDDEN = ["", f"orders/{WINDOW}/manifest.json"]


@pytest.mark.parametrize("hidden", HIDDEN)
def test_a_publisher_that_may_not_read_the_manifest_says_so_and_changes_nothing(
    oss_server: OssServer, tmp_path: Path, hidden: str
):
    store = OssStore(oss_server.options())
    publish(store, sample_extract(tmp_path / "1", value=1), tmp_path / "1", run="first")
    before = dict(oss_server.bucket.objects)
    oss_server.access.denied["oss:GetObject"] = hidden
    with pytest.raises(StorageDeniedError, match="give its RAM user oss:GetObject"):
        publish(store, sample_extract(tmp_path / "2", value=2), tmp_path / "2", run="second")
    assert oss_server.bucket.objects == before
    assert oss_server.sent("DELETE") == []


def test_readers_and_retention_that_may_not_read_say_so(oss_server: OssServer, tmp_path: Path):
    store = OssStore(oss_server.options())
    for number in (1, 2):
        publish(
            store, sample_extract(tmp_path / str(number), value=number), tmp_path / str(number), run=f"run-{number}"
        )
    before = dict(oss_server.bucket.objects)
    oss_server.access.denied["oss:GetObject"] = ""
    with pytest.raises(StorageDeniedError, match="give its RAM user oss:GetObject"):
        load_manifest(store, "daily", "orders", WINDOW)
    with pytest.raises(StorageDeniedError, match="give its RAM user oss:GetObject"):
        load_latest(store, "daily", "orders")
    swept = apply_retention(
        store,
        "daily",
        [RetentionRule("orders", timedelta(days=1))],
        now=datetime.now(UTC) + timedelta(days=3),
        keep_extracts=timedelta(days=365),
        lock=lambda *_: NoLock().reacquire(),
        is_active=lambda _: False,
        report=lambda _: None,
        dry_run=False,
    )
    assert [("oss:GetObject" in problem) for problem in swept.problems] == [True]
    assert oss_server.bucket.objects == before


@pytest.mark.parametrize(
    ("right", "words"), [("oss:PutObject", "oss:PutObject"), ("oss:ListObjects", "oss:ListObjects")]
)
def test_a_publisher_that_may_not_write_or_list_leaves_what_is_in_force(
    oss_server: OssServer, tmp_path: Path, right: str, words: str
):
    store = OssStore(oss_server.options())
    publish(store, sample_extract(tmp_path / "1", value=1), tmp_path / "1", run="first")
    before = dict(oss_server.bucket.objects)
    oss_server.access.denied[right] = ""
    with pytest.raises(StorageDeniedError, match=f"give its RAM user {words}"):
        publish(store, sample_extract(tmp_path / "2", value=2), tmp_path / "2", run="second")
    assert oss_server.bucket.objects == before


def test_names_that_may_not_be_set_fail_no_publication(oss_server: OssServer, tmp_path: Path):
    store = OssStore(oss_server.options())
    oss_server.access.denied["oss:PutObject"] = f"orders/{WINDOW}/orders."
    manifest = publish(store, sample_extract(tmp_path / "1", value=1), tmp_path / "1", run="first")
    assert load_manifest(store, "daily", "orders", WINDOW) == manifest
    assert store.head(f"daily/orders/{WINDOW}/orders.json") is None
