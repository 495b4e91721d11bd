"""What a folder as a store promises besides what all stores do."""

import errno
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aggregation_pipeline.errors import StorageError
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline_tests.support.paths import REPOSITORY


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_objects_are_plain_files_that_nobody_writes_into_and_everyone_may_read_as_the_umask_allows(
    tmp_path: Path, umask: int
):
    before = os.umask(umask)
    try:
        store = FolderStore(tmp_path)
        for content in (b"old", b"a,b"):
            store.put("orders/run/orders.csv", content, media_type="text/csv")
            store.copy("orders/run/orders.csv", "orders/orders.csv", media_type="text/csv")
        store.get("orders/orders.csv", tmp_path / "fetched.csv")
    finally:
        os.umask(before)
    for key in ("orders/run/orders.csv", "orders/orders.csv"):
        assert (tmp_path / key).read_bytes() == b"a,b"
        assert (tmp_path / key).stat().st_mode & 0o777 == 0o444 & ~umask
    assert (tmp_path / "fetched.csv").stat().st_mode & 0o777 == 0o666 & ~umask, "what is fetched is its reader's own"
    for key in ("orders/run/orders.csv", "orders/orders.csv"):
        store.delete(key)
    assert [path.name for path in tmp_path.iterdir()] == ["fetched.csv"]


def test_a_copy_is_the_same_file_and_leaves_nothing_beside_it(tmp_path: Path):
    store = FolderStore(tmp_path)
    store.put("t/run/file", b"x", media_type="a/b")
    for name in ("t/file", "u/v/file"):
        assert store.copy("t/run/file", name, media_type="a/b")
        assert not store.copy("t/run/file", name, media_type="a/b")
        assert (tmp_path / name).samefile(tmp_path / "t/run/file")
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")]


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.EXDEV])
def test_where_links_are_refused_a_copy_is_made_and_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
):
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", refuse)
    store = FolderStore(tmp_path)
    store.put("t/run/file", b"x", media_type="a/b")
    (tmp_path / "y").write_bytes(b"y")
    store.put("t/file", tmp_path / "y", media_type="a/b", final=True)
    assert (store.read("t/file"), (tmp_path / "t/file").samefile(tmp_path / "y")) == (b"y", False)
    assert store.copy("t/run/file", "t/file", media_type="a/b")
    assert not (tmp_path / "t/file").samefile(tmp_path / "t/run/file")
    assert (store.read("t/file"), (tmp_path / "t/file").stat().st_mode & 0o222) == (b"x", 0)
    assert not store.copy("t/run/file", "t/file", media_type="a/b")
    assert sorted(path.name for path in (tmp_path / "t").iterdir()) == ["file", "run"]


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_a_final_file_on_the_same_disk_becomes_the_object_and_stays_at_hand(tmp_path: Path, umask: int):
    store, source = FolderStore(tmp_path / "store"), tmp_path / "rendered"
    source.write_bytes(b"a,b")
    before = os.umask(umask)
    try:
        for key in ("t/run/file", "t/other"):
            stored = store.put(key, source, media_type="a/b", final=True)
            assert (stored.bytes, stored.crc64) == (3, None)
    finally:
        os.umask(before)
    for path in (tmp_path / "store/t/run/file", tmp_path / "store/t/other"):
        assert path.samefile(source)
        assert path.stat().st_mode & 0o777 == 0o444 & ~umask
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")]
    source.unlink()
    assert store.read("t/run/file") == b"a,b"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_final_file_is_copied_where_a_new_one_would_belong_to_another_group(tmp_path: Path):
    store, source = FolderStore(tmp_path / "store"), tmp_path / "rendered"
    source.write_bytes(b"a,b")
    store.root.mkdir()
    os.chown(store.root, -1, 65534)
    store.root.chmod(0o2755)
    store.put("t/file", source, media_type="a/b", final=True)
    source.write_bytes(b"later")
    assert (store.read("t/file"), (store.root / "t/file").stat().st_gid) == (b"a,b", 65534)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has calls for them in Python")
def test_a_final_file_is_copied_where_a_new_one_would_have_other_attributes(tmp_path: Path):
    store, source = FolderStore(tmp_path / "store"), tmp_path / "rendered"
    source.write_bytes(b"a,b")
    try:
        os.setxattr(source, "user.note", b"mine")
    except OSError:
        pytest.skip("this file system keeps no attributes")
    store.put("t/file", source, media_type="a/b", final=True)
    assert not (store.root / "t/file").samefile(source)
    assert store.read("t/file") == b"a,b"


def test_a_copy_that_was_killed_before_its_rename_is_swept_and_one_under_way_is_not(tmp_path: Path):
    store = FolderStore(tmp_path)
    store.put("t/run/file", b"x", media_type="a/b")
    os.utime(tmp_path / "t/run/file", (0, 0))
    before = datetime.now(UTC) - timedelta(seconds=60)
    unfinished = tmp_path / "t" / ".%part-0123"
    unfinished.hardlink_to(tmp_path / "t/run/file")
    assert store.delete_half_written(before) == (), "the link is new, however old its file is"
    assert store.delete_half_written(datetime.now(UTC) + timedelta(seconds=1)) == (unfinished,)
    assert store.read("t/run/file") == b"x"


AS_NOBODY = """
import os, sys
from pathlib import Path
from aggregation_pipeline.errors import StorageDeniedError
from aggregation_pipeline.storage.crc64 import crc64_of_file
from aggregation_pipeline.storage.folder import FolderStore
store = FolderStore(Path(sys.argv[1]))
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
for call in (
    lambda: store.read("closed/file"),
    lambda: store.head("closed/file"),
    lambda: store.get("closed/file", Path(sys.argv[2]) / "got"),
    lambda: list(store.list("")),
    lambda: list(store.list("listable/")),
    lambda: store.put("closed/file", b"x", media_type="a/b"),
    lambda: store.delete("closed/file"),
    lambda: store.copy("open/file", "closed/file", media_type="a/b"),
):
    try:
        call()
    except StorageDeniedError as error:
        print(error)
    else:
        print("nothing was said")
print(store.read("open/file"))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_what_another_user_may_not_read_is_neither_missing_nor_damaged(server_folder: Path):
    root = server_folder / "denied"
    root.mkdir()
    store = FolderStore(root)
    for key in ("closed/file", "open/file", "listable/file"):
        store.put(key, key.encode(), media_type="a/b")
    (root / "closed").chmod(0o700)
    (root / "listable").chmod(0o744)
    (root / "open" / "file").chmod(0o444)
    for folder in (root, root / "open"):
        folder.chmod(0o755)
    said = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, str(root), str(server_folder)],
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
    ).stdout.splitlines()
    assert [line for line in said[:5] if "This user may not read there" not in line] == []
    assert [line for line in said[5:8] if "This user may not write there" not in line] == []
    assert said[8:] == ["b'open/file'"]
    assert store.read("closed/file") == b"closed/file"


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
