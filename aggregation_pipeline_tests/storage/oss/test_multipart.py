"""Large files and faults: parts are sent again, uploads aborted, and nothing is left behind."""

from pathlib import Path
from typing import Any

import pytest

from aggregation_pipeline.errors import StorageBusyError, StorageError
from aggregation_pipeline.storage.oss.store import OssStore
from aggregation_pipeline_tests.support.servers.oss import OssServer

PART = 100 * 1024


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(bytes(range(256)) * 2000)  # five parts
    return tmp_path / "file"


def parts_store(server: OssServer, **changes: Any) -> OssStore:
    return OssStore(server.options(multipart_above=PART, part_size=PART, **changes))


@pytest.mark.parametrize("kind", ["reset", "status", "cut_up", "lost_reply", "damage_up", "no_crc"])
def test_a_part_that_fails_is_sent_again_and_only_it(oss_server: OssServer, file: Path, kind: str):
    oss_server.fail(kind, method="PUT", matching="partNumber=3", at=50_000)
    parts_store(oss_server).put("big", file, media_type="a/b")
    assert oss_server.bucket.objects["big"].data == file.read_bytes()
    assert len(oss_server.sent("PUT")) == 6
    assert oss_server.bucket.uploads == {}


@pytest.mark.parametrize("matching", ["uploads", "uploadId"])
@pytest.mark.parametrize("kind", ["reset", "status", "lost_reply"])
def test_the_beginning_and_the_end_of_an_upload_survive_the_same(
    oss_server: OssServer, file: Path, kind: str, matching: str
):
    oss_server.fail(kind, method="POST", matching=matching)
    parts_store(oss_server).put("big", file, media_type="a/b")
    assert oss_server.bucket.objects["big"].data == file.read_bytes()


def test_an_upload_that_is_given_up_is_aborted_and_leaves_neither_parts_nor_record(
    oss_server: OssServer, file: Path, tmp_path: Path
):
    oss_server.fail("status", method="PUT", matching="partNumber=4", times=99)
    with pytest.raises(StorageBusyError, match="store part 4 of 'big'"):
        parts_store(oss_server, attempts=2, temp_dir=tmp_path / "temp").put("big", file, media_type="a/b")
    assert oss_server.bucket.uploads == {}
    assert oss_server.bucket.objects == {}
    assert list((tmp_path / "temp").rglob("*.json")) == []


def test_a_whole_that_cannot_be_verified_is_an_error(oss_server: OssServer, file: Path):
    oss_server.fail("no_crc", method="POST", matching="uploadId")
    with pytest.raises(StorageError, match="cannot be verified"):
        parts_store(oss_server).put("big", file, media_type="a/b")
    assert oss_server.bucket.uploads == {}


def left(server: OssServer, temp: Path, monkeypatch: pytest.MonkeyPatch, file: Path) -> Path:
    """The record of an upload as a kill leaves it: some parts, no abort. (A real kill is in test_kill.py.)"""
    server.fail("reset", method="PUT", matching="partNumber=4", times=99)
    with monkeypatch.context() as patch:
        patch.setattr("oss2.Bucket.abort_multipart_upload", lambda *_: None)
        patch.setattr(Path, "unlink", lambda *_, **__: None)
        with pytest.raises(StorageBusyError):
            parts_store(server, attempts=1, temp_dir=temp).put("big", file, media_type="a/b")
    server.faults.clear()
    assert len(server.bucket.uploads) == 1
    (record,) = (temp / "oss-uploads").iterdir()
    return record


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"bucket": "shop-exports"}'])
def test_a_damaged_record_is_no_obstacle_and_goes(oss_server: OssServer, file: Path, tmp_path: Path, content: bytes):
    record = tmp_path / "temp" / "oss-uploads" / "0.json"
    record.parent.mkdir(parents=True)
    record.write_bytes(content)
    parts_store(oss_server, temp_dir=tmp_path / "temp").put("big", file, media_type="a/b")
    assert oss_server.bucket.objects["big"].data == file.read_bytes()
    assert not record.exists()


def test_a_left_upload_that_a_lifecycle_rule_has_removed_is_forgotten(
    oss_server: OssServer, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    record = left(oss_server, tmp_path / "temp", monkeypatch, file)
    oss_server.bucket.uploads.clear()
    parts_store(oss_server, temp_dir=tmp_path / "temp").put("big", file, media_type="a/b")
    assert not record.exists()


def test_a_left_upload_that_cannot_be_aborted_now_is_left_to_the_next_run(
    oss_server: OssServer, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    record = left(oss_server, tmp_path / "temp", monkeypatch, file)
    oss_server.fail("status", method="DELETE", times=2)
    parts_store(oss_server, attempts=2, temp_dir=tmp_path / "temp").put("big", file, media_type="a/b")
    assert record.exists()
    assert len(oss_server.bucket.uploads) == 1
    parts_store(oss_server, temp_dir=tmp_path / "temp").put("small", b"x", media_type="a/b")
    assert oss_server.bucket.uploads == {}


def test_the_records_of_another_bucket_are_not_ours(
    oss_server: OssServer, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    record = left(oss_server, tmp_path / "temp", monkeypatch, file)
    record.write_bytes(record.read_bytes().replace(b"shop-exports", b"other-bucket"))
    parts_store(oss_server, temp_dir=tmp_path / "temp").put("small", b"x", media_type="a/b")
    assert record.exists()
