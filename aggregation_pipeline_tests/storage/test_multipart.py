"""Large files on bad days: parts are repeated, uploads resumed or aborted, nothing is left behind."""

from pathlib import Path
from typing import Any

import pytest

from aggregation_pipeline.errors import StorageBusyError, StorageError
from aggregation_pipeline.storage.oss import OssStore
from aggregation_pipeline_tests.servers.oss import OssServer

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
def test_the_beginning_and_the_end_of_an_upload_survive_the_same(oss_server: OssServer, file: Path, kind: str, matching: str):
    oss_server.fail(kind, method="POST", matching=matching)
    parts_store(oss_server).put("big", file, media_type="a/b")
    assert oss_server.bucket.objects["big"].data == file.read_bytes()


def test_an_upload_that_is_given_up_is_aborted_and_leaves_neither_parts_nor_record(oss_server: OssServer, file: Path, tmp_path: Path):
    oss_server.fail("status", method="PUT", matching="partNumber=4", times=99)
    with pytest.raises(StorageBusyError, match="store part 4 of 'big'"):
        parts_store(oss_server, attempts=2, temp_dir=tmp_path / "temp").put("big", file, media_type="a/b")
    assert oss_server.bucket.uploads == {}
    assert oss_server.bucket.objects == {}
    assert list((tmp_path / "temp").rglob("*.json")) == []


def test_a_whole_that_does_not_match_is_removed(oss_server: OssServer, file: Path):
    oss_server.fail("no_crc", method="POST", matching="uploadId")
    with pytest.raises(StorageError, match="did not arrive as it was sent"):
        parts_store(oss_server).put("big", file, media_type="a/b")
    assert oss_server.bucket.objects == {}


def leave_half_an_upload(server: OssServer, file: Path, temp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a kill leaves it: some parts, no abort, the record on disk. (A real kill is in test_kill.py.)"""
    server.fail("reset", method="PUT", matching="partNumber=4", times=99)
    with monkeypatch.context() as patch:
        patch.setattr("oss2.Bucket.abort_multipart_upload", lambda *_: None)
        patch.setattr(Path, "unlink", lambda *_, **__: None)
        with pytest.raises(StorageBusyError):
            parts_store(server, attempts=1, parallel_parts=1, temp_dir=temp).put("big", file, media_type="a/b")
    server.faults.clear()
    server.requests.clear()
    assert len(server.bucket.uploads) == 1


def test_an_upload_goes_on_where_a_killed_run_stopped(oss_server: OssServer, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    leave_half_an_upload(oss_server, file, tmp_path / "temp", monkeypatch)
    parts_store(oss_server, temp_dir=tmp_path / "temp").put("big", file, media_type="a/b")
    assert "4" in (sent := {request.query["partNumber"] for request in oss_server.sent("PUT")})
    assert sent <= {"4", "5"}  # the fifth may have been on its way when the fourth failed
    assert oss_server.bucket.objects["big"].data == file.read_bytes()
    assert oss_server.bucket.uploads == {}
    assert list((tmp_path / "temp").rglob("*.json")) == []


def test_a_file_that_changed_since_does_not_go_on_from_the_old_parts(
    oss_server: OssServer, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    leave_half_an_upload(oss_server, file, tmp_path / "temp", monkeypatch)
    file.write_bytes(file.read_bytes()[::-1])
    parts_store(oss_server, temp_dir=tmp_path / "temp").put("big", file, media_type="a/b")
    assert len(oss_server.sent("PUT")) == 5
    assert oss_server.bucket.objects["big"].data == file.read_bytes()
    assert oss_server.bucket.uploads == {}


def test_an_upload_that_was_swept_away_meanwhile_starts_anew(
    oss_server: OssServer, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    leave_half_an_upload(oss_server, file, tmp_path / "temp", monkeypatch)
    oss_server.bucket.uploads.clear()  # a lifecycle rule
    parts_store(oss_server, temp_dir=tmp_path / "temp").put("big", file, media_type="a/b")
    assert oss_server.bucket.objects["big"].data == file.read_bytes()


def test_a_damaged_record_is_no_obstacle(oss_server: OssServer, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    leave_half_an_upload(oss_server, file, tmp_path / "temp", monkeypatch)
    (record,) = (tmp_path / "temp").rglob("*.json")
    record.write_text("{", encoding="utf-8")
    parts_store(oss_server, temp_dir=tmp_path / "temp").put("big", file, media_type="a/b")
    assert oss_server.bucket.objects["big"].data == file.read_bytes()
