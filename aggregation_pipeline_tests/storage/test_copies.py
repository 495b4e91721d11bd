"""Further names for stored objects, on both stores: copies (in a folder, hard links) and symlinks."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aggregation_pipeline.errors import StorageError
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline_tests.storage.test_keys import HOSTILE

SOURCE, NAME = "daily/用户 表/2026-11-20/run/a+b%25.csv", "daily/用户 表/latest/a+b%25.csv"
HOW: dict[str, Any] = {"media_type": "text/csv", "filename": "a.csv"}


@pytest.fixture(params=["copy", "symlink"])
def name(store: ObjectStore, request: pytest.FixtureRequest) -> Callable[..., bool]:
    """`store.copy` or `store.symlink`."""
    method: Callable[..., bool] = getattr(store, request.param)
    return method


def test_a_name_reads_like_the_object_and_is_set_only_where_it_is_not_right(
    store: ObjectStore, name: Callable[..., bool], tmp_path: Path
):
    put = store.put(SOURCE, b"new", media_type="text/csv")
    assert name(SOURCE, NAME, **HOW)
    assert not name(SOURCE, NAME, **HOW)
    assert store.read(NAME) == b"new"
    got = store.get(NAME, tmp_path / "file")
    head = store.head(NAME)
    assert head is not None
    assert (got.bytes, got.crc64) == (head.bytes, head.crc64) == (put.bytes, put.crc64)
    assert [stored.key for stored in store.list("daily/用户 表/latest/")] == [NAME]


def test_a_name_moves_and_goes_without_harm_to_what_it_named(store: ObjectStore, name: Callable[..., bool]):
    store.put("t/1/file", b"old", media_type="a/b")
    store.put("t/2/file", b"new", media_type="a/b")
    store.put("t/name", b"something else", media_type="a/b")
    for source, content in (("t/1/file", b"old"), ("t/2/file", b"new"), ("t/1/file", b"old")):
        assert name(source, "t/name", media_type="a/b")
        assert store.read("t/name") == content
    store.delete("t/name")
    assert store.head("t/name") is None
    assert [store.read(f"t/{number}/file") for number in (1, 2)] == [b"old", b"new"]


def test_copies_and_symlinks_take_each_others_place(store: ObjectStore):
    store.put("t/file", b"x", media_type="a/b")
    for _ in range(2):
        store.symlink("t/file", "t/name", media_type="a/b")
        store.copy("t/file", "t/name", media_type="a/b")
    store.delete("t/file")
    assert store.read("t/name") == b"x", "a copy holds when its source goes"


def test_a_put_over_a_name_leaves_what_it_named(store: ObjectStore, name: Callable[..., bool]):
    store.put("t/file", b"x", media_type="a/b")
    name("t/file", "t/name", media_type="a/b")
    store.put("t/name", b"other", media_type="a/b")
    assert (store.read("t/file"), store.read("t/name")) == (b"x", b"other")


def test_what_is_not_there_cannot_be_named_and_the_old_name_stays(store: ObjectStore, name: Callable[..., bool]):
    store.put("t/name", b"old", media_type="a/b")
    with pytest.raises(StorageError, match=r"t/missing.* is not there"):
        name("t/missing", "t/name", media_type="a/b")
    assert store.read("t/name") == b"old"


@pytest.mark.parametrize("key", HOSTILE[:4])
def test_no_name_is_hostile(store: ObjectStore, name: Callable[..., bool], key: str):
    store.put("t/file", b"x", media_type="a/b")
    for source, target in (("t/file", key), (key, "t/name")):
        with pytest.raises(StorageError):
            name(source, target, media_type="a/b")


def test_readers_of_a_name_see_one_version_or_the_other_and_nothing_between(
    store: ObjectStore, name: Callable[..., bool]
):
    contents = {bytes([letter]) * 200_000 for letter in b"ab"}
    for number, content in enumerate(sorted(contents)):
        store.put(f"t/{number}/file", content, media_type="a/b")
    name("t/0/file", "t/name", media_type="a/b")
    seen, done = set(), threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(store.read("t/name"))

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(1, 21):
        name(f"t/{turn % 2}/file", "t/name", media_type="a/b")
    done.set()
    reader.join(10)
    assert seen
    assert seen <= contents
