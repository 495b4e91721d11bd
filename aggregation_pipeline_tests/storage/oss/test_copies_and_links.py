"""Copies and symlinks in a bucket: headers, faults, and what OSS does not document."""

from pathlib import Path
from typing import Any, Literal

import pytest

from aggregation_pipeline.errors import StorageBusyError, StorageDeniedError, StorageError
from aggregation_pipeline.storage.oss.store import OssStore
from aggregation_pipeline_tests.support.servers.oss import OssServer

CONTENT = bytes(range(256)) * 2000  # five parts of 100 KiB
PART = 100 * 1024
HOW: dict[str, Any] = {"media_type": "text/csv", "filename": "用户.csv"}
DISPOSITION = "attachment; filename=\"__.csv\"; filename*=UTF-8''%E7%94%A8%E6%88%B7.csv"


def filled(server: OssServer, **changes: Any) -> OssStore:
    store = OssStore(server.options(**changes))
    store.put("t/run/file", CONTENT, media_type="text/plain", filename="other.txt", metadata={"table": "t"})
    server.requests.clear()
    return store


def in_parts(server: OssServer, **changes: Any) -> OssStore:
    return filled(server, copy_above=PART, copy_part=PART, **changes)


@pytest.mark.parametrize("above", [PART, 10**9])
def test_a_copy_has_a_type_a_name_and_protection_of_its_own(oss_server: OssServer, above: int):
    store = filled(
        oss_server, copy_above=above, copy_part=PART, encryption="KMS", encryption_key_id="key-1", storage_class="IA"
    )
    assert store.copy("t/run/file", "t/name", **HOW)
    copied = oss_server.bucket.objects["t/name"]
    assert copied.data == CONTENT
    assert copied.headers == {
        "content-type": "text/csv",
        "content-disposition": DISPOSITION,
        "x-oss-object-acl": "private",
        "x-oss-server-side-encryption": "KMS",
        "x-oss-server-side-encryption-key-id": "key-1",
        "x-oss-storage-class": "IA",
    }
    assert sum(request.sent for request in oss_server.sent("PUT")) == 0
    assert oss_server.bucket.uploads == {}


def test_a_symlink_has_a_type_a_name_and_an_acl_of_its_own_and_nothing_that_oss_refuses(oss_server: OssServer):
    store = filled(oss_server, encryption="KMS", encryption_key_id="key-1", storage_class="IA")
    assert store.symlink("t/run/file", "t/name", **HOW)
    link = oss_server.bucket.objects["t/name"]
    assert link.link == "t/run/file"
    assert link.headers == {
        "content-type": "text/csv",
        "content-disposition": DISPOSITION,
        "x-oss-object-acl": "private",
        "x-oss-storage-class": "Standard",
    }
    head = store.head("t/name")
    assert head is not None
    assert head.link == "t/run/file"
    assert [(stored.key, stored.bytes) for stored in store.list("t/name")] == [("t/name", 0)]


@pytest.mark.parametrize("stated", ["target", "none", "own"])
def test_a_symlink_is_verified_whatever_checksum_oss_states_for_it(
    oss_server: OssServer, tmp_path: Path, stated: Literal["target", "none", "own"]
):
    store = filled(oss_server)
    store.symlink("t/run/file", "t/name", **HOW)
    oss_server.bucket.crc_of_symlinks = stated
    file, name = store.head("t/run/file"), store.head("t/name")
    assert file is not None
    assert name is not None
    assert (name.bytes, name.crc64) == (file.bytes, file.crc64)
    assert store.get("t/name", tmp_path / "file").crc64 == file.crc64
    oss_server.fail("damage_down", method="GET", matching="file", times=2)
    with pytest.raises(StorageError, match="cannot be verified"):
        store.read("t/name")


def test_a_symlink_that_leads_nowhere_is_nothing_to_head_and_said_plainly_to_readers(oss_server: OssServer):
    store = filled(oss_server)
    store.symlink("t/run/file", "t/name", **HOW)
    store.delete("t/run/file")
    assert store.head("t/name") is None
    with pytest.raises(StorageError, match=r"SymlinkTargetNotExist.*points to a file that is not there any more"):
        store.read("t/name")
    store.put("t/run/file", b"again", media_type="a/b")
    assert not store.symlink("t/run/file", "t/name", **HOW)


def test_nothing_is_named_by_way_of_a_symlink(oss_server: OssServer):
    store = filled(oss_server)
    store.symlink("t/run/file", "t/name", **HOW)
    for method in (store.copy, store.symlink):
        with pytest.raises(StorageError, match="t/name is a symlink to 't/run/file', and only files are named"):
            method("t/name", "t/other", **HOW)
    oss_server.bucket.put("t/second", b"", {}, link="t/name")
    with pytest.raises(StorageError, match=r"InvalidTargetType.*points to another symlink"):
        store.read("t/second")


@pytest.mark.parametrize("signature", ["v4", "v1"])
@pytest.mark.parametrize("kind", ["reset", "status", "lost_reply"])
@pytest.mark.parametrize("method", ["copy", "symlink"])
@pytest.mark.parametrize("attempts", [1, 3])
def test_what_passes_is_outlived_and_a_lost_reply_is_recognised(
    oss_server: OssServer, method: str, kind: str, signature: str, attempts: int
):
    store = filled(oss_server, signature=signature, attempts=attempts)
    oss_server.fail(kind, method="PUT")
    if attempts == 1 and kind != "lost_reply":
        with pytest.raises(StorageBusyError):
            getattr(store, method)("t/run/file", "t/name", **HOW)
        return
    getattr(store, method)("t/run/file", "t/name", **HOW)
    assert store.read("t/name") == CONTENT
    assert len(oss_server.sent("PUT")) == (1 if kind == "lost_reply" else 2)


@pytest.mark.parametrize("kind", ["reset", "status", "lost_reply"])
@pytest.mark.parametrize(("method", "matching"), [("POST", "uploads"), ("PUT", "partNumber=3"), ("POST", "uploadId=")])
def test_a_copy_in_parts_survives_the_same_in_each_of_its_requests(
    oss_server: OssServer, kind: str, method: str, matching: str
):
    store = in_parts(oss_server)
    oss_server.fail(kind, method=method, matching=matching)
    assert store.copy("t/run/file", "t/name", **HOW)
    assert oss_server.bucket.objects["t/name"].data == CONTENT


def test_a_copy_in_parts_that_is_given_up_leaves_no_parts_and_the_old_name(oss_server: OssServer, tmp_path: Path):
    store = in_parts(oss_server, attempts=2, temp_dir=tmp_path / "temp")
    store.put("t/name", b"old", media_type="a/b")
    oss_server.fail("status", method="PUT", matching="partNumber=4", times=99)
    with pytest.raises(StorageBusyError, match="copy part 4 of 't/name'"):
        store.copy("t/run/file", "t/name", **HOW)
    assert oss_server.bucket.uploads == {}
    assert store.read("t/name") == b"old"
    assert [path for path in (tmp_path / "temp").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("method", ["copy", "symlink"])
def test_a_name_that_another_run_changes_at_the_same_time_is_no_success(oss_server: OssServer, method: str):
    store = filled(oss_server)
    put = oss_server.bucket.put

    def overtaken(key: str, data: bytes, headers: Any, *, link: str = ""):
        put(key, data, headers, link=link)
        return put(key, b"of another run", {}) if key == "t/name" else oss_server.bucket.objects[key]

    oss_server.bucket.put = overtaken  # type: ignore[method-assign]
    with pytest.raises(StorageBusyError, match="a moment later something else stands there"):
        getattr(store, method)("t/run/file", "t/name", **HOW)


@pytest.mark.parametrize(
    ("method", "right", "words"),
    [
        ("copy", "oss:GetObject", "oss:GetObject"),
        ("copy", "oss:PutObject", "oss:GetObject and oss:PutObject"),
        ("symlink", "oss:PutObject", "oss:GetObject and oss:PutObject"),
        ("symlink", "oss:PutObjectAcl", "oss:PutObjectAcl, unless OSS_ACL=default"),
    ],
)
def test_a_right_that_is_missing_is_named(oss_server: OssServer, method: str, right: str, words: str):
    store = filled(oss_server)
    oss_server.access.denied[right] = ""
    with pytest.raises(StorageDeniedError, match=f"AccessDenied.*give its RAM user .*{words}"):
        getattr(store, method)("t/run/file", "t/name", **HOW)
    assert "t/name" not in oss_server.bucket.objects


def test_what_may_not_be_read_is_neither_missing_nor_damaged(oss_server: OssServer, tmp_path: Path):
    store = filled(oss_server)
    oss_server.access.denied["oss:GetObject"] = "t/run/"
    for call in (
        lambda: store.read("t/run/file"),
        lambda: store.head("t/run/file"),
        lambda: store.head("t/run/missing"),
        lambda: store.get("t/run/file", tmp_path / "file"),
    ):
        with pytest.raises(StorageDeniedError, match="give its RAM user oss:GetObject on shop-exports"):
            call()
    assert list(tmp_path.iterdir()) == []
    oss_server.access.denied = {"oss:ListObjects": ""}
    with pytest.raises(StorageDeniedError, match="give its RAM user oss:ListObjects"):
        list(store.list("t/"))


def test_a_name_that_turns_from_a_symlink_into_a_copy_while_it_is_looked_at_is_read_all_the_same(oss_server: OssServer):
    store = filled(oss_server)
    store.symlink("t/run/file", "t/name", **HOW)
    link = oss_server.bucket.objects["t/name"]
    get = oss_server.bucket.get

    def turning(key: str):
        found = get(key)
        if key == "t/name" and found.link:
            oss_server.bucket.put(key, b"a copy", {})
        return found

    oss_server.bucket.get = turning  # type: ignore[method-assign]
    assert store.read("t/name") == b"a copy"
    oss_server.bucket.objects["t/name"] = link
    found = store.head("t/name")
    assert found is not None
    assert (found.bytes, found.link) == (6, None)
