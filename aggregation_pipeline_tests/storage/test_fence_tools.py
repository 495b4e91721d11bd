"""The fence itself: a held request lands when it is let go, and no other request waits."""

import threading
from pathlib import Path
from typing import Any

import pytest

from aggregation_pipeline.errors import LockError
from aggregation_pipeline.postgres.engine import create_engine
from aggregation_pipeline.postgres.window_lock import window_lock
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline.storage.oss.store import OssStore
from aggregation_pipeline_tests.support.servers.fence import Fences, folder_fence, oss_proxy, take_lock_away
from aggregation_pipeline_tests.support.servers.oss import OssServer
from aggregation_pipeline_tests.support.waiting import until


def hold_and_pass(store: Any, behind: Any, fences: Fences) -> None:
    behind.put("t/file", b"old", media_type="a/b")
    behind.put("t/other", b"other", media_type="a/b")
    for method, work in (
        ("PUT", lambda: store.put("t/file", b"late", media_type="a/b")),
        ("PUT", lambda: store.copy("t/other", "t/file", media_type="a/b")),
        ("DELETE", lambda: store.delete("t/file")),
    ):
        before = behind.read("t/file")
        held = fences.hold(method, "t/file")
        thread = threading.Thread(target=work)
        thread.start()
        held.wait_until_there()
        assert behind.read("t/file") == before
        store.put("t/third", b"x", media_type="a/b")
        held.let_go()
        thread.join(10)
        if method == "PUT":
            assert behind.read("t/file") != before
        else:
            assert behind.head("t/file") is None


def test_a_request_to_oss_is_held_and_lands_late(oss_server: OssServer):
    fences = Fences()
    with oss_proxy(fences, oss_server.port) as endpoint:
        hold_and_pass(OssStore(oss_server.options(endpoint=endpoint)), OssStore(oss_server.options()), fences)


def test_a_request_whose_client_has_given_up_lands_all_the_same(oss_server: OssServer):
    fences = Fences()
    with oss_proxy(fences, oss_server.port) as endpoint:
        held = fences.hold("PUT", "t/file")
        with pytest.raises(Exception, match="no answer within"):
            OssStore(oss_server.options(endpoint=endpoint, read_timeout=0.2, attempts=1)).put(
                "t/file", b"late", media_type="a/b"
            )
        assert oss_server.bucket.objects == {}
        held.let_go()
        behind = OssStore(oss_server.options())
        until("the late request", lambda: behind.head("t/file"), 10)
        assert behind.read("t/file") == b"late"


def test_a_rename_in_a_folder_is_held_and_lands_late(tmp_path: Path):
    fences = Fences()
    with folder_fence(fences, tmp_path):
        hold_and_pass(FolderStore(tmp_path), FolderStore(tmp_path), fences)


def test_a_lock_can_be_taken_away(postgres: Any):
    engine = create_engine(postgres.url, application_name="fence")
    with window_lock(postgres.url, "daily", "orders", "2026-11-20", holder="a", on_wait=print) as lock:
        take_lock_away(engine, "daily", "orders", "2026-11-20")
        with (
            window_lock(postgres.url, "daily", "orders", "2026-11-20", holder="b", on_wait=print),
            pytest.raises(LockError),
        ):
            lock.assert_held()
    engine.dispose()
