"""What all stores promise, tested on each."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from aggregation_pipeline.errors import StorageError, StorageMissingError
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.crc64 import crc64
from aggregation_pipeline.storage.partial_download import partial_download
from aggregation_pipeline_tests.storage.test_keys import HOSTILE

NAMES = ["plain.csv", "a/b/c.json", "用户 表/订单 🛒.xlsx", "q?x=1&y#z+%2F.csv", "space end /.hidden", "'\"<>&.txt"]


@pytest.mark.parametrize("key", NAMES)
def test_what_is_put_is_what_is_read_whatever_its_name(store: ObjectStore, key: str, tmp_path: Path):
    content = key.encode() * 1000
    put = store.put(key, content, media_type="text/plain", metadata={"table": "用户"}, filename=key.rpartition("/")[2])
    assert (put.key, put.bytes, put.crc64) == (key, len(content), str(crc64(content)))
    assert store.read(key) == content
    got = store.get(key, tmp_path / "out" / "file")
    assert (got.bytes, got.crc64) == (put.bytes, put.crc64)
    assert (tmp_path / "out" / "file").read_bytes() == content
    head = store.head(key)
    assert head is not None
    assert (head.bytes, head.crc64) == (put.bytes, put.crc64)
    assert head.modified is not None


def test_a_file_is_put_like_bytes_and_an_empty_one_too(store: ObjectStore, tmp_path: Path):
    for size in (0, 1, 3_000_000):
        (tmp_path / "file").write_bytes(b"x" * size)
        assert store.put(f"sized/{size}", tmp_path / "file", media_type="a/b") == store.put(
            f"sized/{size}", b"x" * size, media_type="a/b"
        )
        assert store.read(f"sized/{size}") == b"x" * size


@pytest.mark.parametrize("value", ["a text", "/etc/hostname", bytearray(b"x"), memoryview(b"x"), None, 7])
def test_what_is_neither_a_path_nor_bytes_is_refused_and_the_former_object_stays(store: ObjectStore, value: Any):
    store.put("a/b", b"old", media_type="text/plain")
    with pytest.raises(StorageError, match=f"put takes a pathlib.Path or bytes, and this is a {type(value).__name__}"):
        store.put("a/b", value, media_type="text/plain")
    assert store.read("a/b") == b"old"


def test_a_put_replaces_and_a_delete_may_be_repeated(store: ObjectStore):
    store.put("a/b", b"old", media_type="text/plain")
    store.put("a/b", b"new", media_type="text/plain")
    assert store.read("a/b") == b"new"
    store.delete("a/b")
    store.delete("a/b")
    assert store.head("a/b") is None


def test_what_is_not_there_is_none_to_head_and_an_error_to_read(store: ObjectStore, tmp_path: Path):
    assert store.head("no/such") is None
    store.put("a/file", b"x", media_type="a/b")
    for key in ("no/such", "a", "a/file/below"):
        assert store.head(key) is None
        with pytest.raises(StorageMissingError, match=key):
            store.read(key)
        with pytest.raises(StorageMissingError, match=key):
            store.get(key, tmp_path / "target")
    assert list(tmp_path.glob("target*")) == []


def test_a_listing_holds_what_begins_with_the_prefix_in_order_of_utf8(store: ObjectStore):
    wanted = ["t/a/1", "t/a/2", "t/a b/1", "t/é/1", "t/表/1", "t/🛒/1"]
    for key in [*wanted, "other/1", "t2/1"]:
        store.put(key, b"x", media_type="text/plain")
    assert [stored.key for stored in store.list("t/")] == sorted(wanted, key=str.encode)
    assert [stored.key for stored in store.list("t/a")] == ["t/a b/1", "t/a/1", "t/a/2"]
    assert [stored.key for stored in store.list("none/")] == []
    assert len(list(store.list(""))) == 8
    assert [(stored.bytes, stored.crc64) for stored in store.list("other/")] == [(1, None)]


@pytest.mark.parametrize("key", [*HOSTILE, "a/", "x" * 1024])
def test_no_call_takes_a_hostile_key(store: ObjectStore, key: str, tmp_path: Path):
    for call in (
        lambda: store.put(key, b"x", media_type="a/b"),
        lambda: store.get(key, tmp_path / "target"),
        lambda: store.read(key),
        lambda: store.head(key),
        lambda: store.delete(key),
        lambda: store.uri(key),
    ):
        with pytest.raises(StorageError):
            call()


def test_readers_see_the_old_content_or_the_new_and_nothing_between(store: ObjectStore):
    contents = {bytes([letter]) * 200_000 for letter in b"ab"}
    store.put("t/file", min(contents), media_type="a/b")
    seen, done = set(), threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(store.read("t/file"))

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(20):
        for content in contents:
            store.put("t/file", content, media_type="a/b")
    done.set()
    reader.join(10)
    assert seen
    assert seen <= contents


def test_many_threads_may_use_one_store(store: ObjectStore):
    def work(number: int) -> None:
        for turn in range(10):
            key = f"n/{number}/{turn}"
            store.put(key, key.encode(), media_type="a/b")
            assert store.read(key) == key.encode()
            store.delete(key)  # the folder prunes what others are just making

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8), timeout=30))
    assert list(store.list("n/")) == []


def test_a_file_that_a_killed_reader_was_fetching_goes_when_the_next_is_fetched(store: ObjectStore, tmp_path: Path):
    store.put("a", b"x", media_type="a/b")
    target = tmp_path / "out"
    with partial_download(target / "other") as under_way:
        dead = target / ".%got-0123456789abcdef"
        dead.write_bytes(b"half")
        (target / ".%got-mine").write_bytes(b"kept")
        store.get("a", target / "a")
        assert not dead.exists()
        under_way.write(b"y")
    assert sorted(path.name for path in target.iterdir()) == [".%got-mine", "a", "other"]
