"""The folder's own promises."""

import os
from pathlib import Path

import pytest

from aggregation_pipeline.errors import StorageError
from aggregation_pipeline.storage.folder import FolderStore


def test_objects_are_plain_files_that_everyone_may_read_as_the_umask_allows(tmp_path: Path):
    FolderStore(tmp_path).put("orders/2026-11-20/orders.csv", b"a,b", media_type="text/csv")
    path = tmp_path / "orders" / "2026-11-20" / "orders.csv"
    umask = os.umask(0)
    os.umask(umask)
    assert path.read_bytes() == b"a,b"
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_its_uri_is_a_file_url_and_it_has_no_links(tmp_path: Path):
    store = FolderStore(tmp_path)
    assert store.uri("用户 表/a.csv") == f"{tmp_path.as_uri()}/%E7%94%A8%E6%88%B7%20%E8%A1%A8/a.csv"
    assert store.link("a", 60) is None


def test_a_delete_takes_the_folders_that_it_leaves_empty_and_no_others(tmp_path: Path):
    store = FolderStore(tmp_path / "root")
    for key in ("a/b/c", "a/d"):
        store.put(key, b"x", media_type="a/b")
    store.delete("a/b/c")
    assert not (tmp_path / "root" / "a" / "b").exists()
    store.delete("a/d")
    assert list((tmp_path / "root").iterdir()) == []
    assert (tmp_path / "root").exists()


def test_a_failed_put_leaves_the_old_file_and_no_leftovers(tmp_path: Path):
    store = FolderStore(tmp_path)
    store.put("t/file", b"old", media_type="a/b")
    with pytest.raises(StorageError, match=r"missing\.csv is not there"):
        store.put("t/file", tmp_path / "missing.csv", media_type="a/b")
    assert store.read("t/file") == b"old"
    assert [path.name for path in (tmp_path / "t").iterdir()] == ["file"]


def test_unfinished_files_are_not_listed(tmp_path: Path):
    store = FolderStore(tmp_path)
    store.put("t/file", b"x", media_type="a/b")
    (tmp_path / "t" / ".%part-0123").write_bytes(b"half")
    assert [stored.key for stored in store.list("t/")] == ["t/file"]


@pytest.mark.parametrize(("key", "remedy"), [("file/below", "move it away"), ("x" * 300, "shorten the entry's name")])
def test_what_the_file_system_refuses_is_said_with_a_remedy(tmp_path: Path, key: str, remedy: str):
    store = FolderStore(tmp_path)
    store.put("file", b"x", media_type="a/b")
    with pytest.raises(StorageError, match=remedy):
        store.put(key, b"x", media_type="a/b")
