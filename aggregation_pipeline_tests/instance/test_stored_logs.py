"""What a run prints is read on another machine, while it runs and afterwards; and no store can harm a run by it."""

import os
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from dagster._core.storage.compute_log_manager import CapturedLogData, ComputeIOType

from aggregation_pipeline.errors import StorageError
from aggregation_pipeline.instance import stored_logs
from aggregation_pipeline.instance.stored_logs import StoredLogs
from aggregation_pipeline.settings import log_once
from aggregation_pipeline.storage.oss.store import OssStore
from aggregation_pipeline.storage.run_logs import RunLogs
from aggregation_pipeline_tests.support.servers.oss import OssServer
from aggregation_pipeline_tests.support.waiting import until

RUN = "0f0f0f0f-1111-2222-3333-444444444444"
LOG = [RUN, "compute_logs", "abcdefgh"]
KEY = f"daily/_logs/{RUN}/compute_logs/abcdefgh"
OUT, ERR = ComputeIOType.STDOUT, ComputeIOType.STDERR


@pytest.fixture(autouse=True)
def _nothing_was_logged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # Lines that are logged once a minute are logged once a test.
    monkeypatch.delenv(log_once._VARIABLE, raising=False)


def machine(server: OssServer, folder: Path, **options: int) -> StoredLogs:
    store = OssStore(server.options(**({"attempts": 2, "backoff": 0.01} | options)))
    return StoredLogs(RunLogs(store, "daily"), folder, timedelta(days=30), interval=0)


@pytest.fixture
def worker(oss_server: OssServer, tmp_path: Path) -> StoredLogs:
    return machine(oss_server, tmp_path / "worker")


@pytest.fixture
def web(oss_server: OssServer, tmp_path: Path) -> StoredLogs:
    return machine(oss_server, tmp_path / "web")


def write(manager: StoredLogs, text: str, io_type: ComputeIOType = ERR) -> None:
    path = manager._path(LOG, io_type)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def test_another_machine_reads_what_a_run_has_printed(worker: StoredLogs, web: StoredLogs, oss_server: OssServer):
    with worker.capture_logs(LOG):
        assert not web.is_capture_complete(LOG)
        print("行 one", flush=True)
        print("three", file=sys.stderr, flush=True)
    read = web.get_log_data(LOG)
    assert read.stdout == "行 one\n".encode()
    assert b"three\n" in (read.stderr or b"")
    assert web.is_capture_complete(LOG)
    assert sorted(oss_server.bucket.objects) == [f"{KEY}.err", f"{KEY}.out"]
    assert [path for path in (worker._folder).rglob("*") if path.suffix in {".out", ".err"}] == []
    # What Dagster's webserver looks for, and the address that people see.
    assert Path(web.local_manager.get_captured_local_path(LOG, "out")).read_bytes() == "行 one\n".encode()
    metadata = web.get_log_metadata(LOG)
    assert (metadata.stdout_location, metadata.stdout_download_url) == (
        f"oss://{oss_server.bucket.name}/{KEY}.out",
        f"/logs/{'/'.join(LOG)}/out",
    )


def test_it_is_read_as_it_grows_and_nothing_twice(worker: StoredLogs, web: StoredLogs, oss_server: OssServer):
    seen: list[bytes] = []

    def take(data: CapturedLogData) -> None:
        seen.append(data.stderr or b"")

    subscription = web.subscribe(LOG)(take)
    write(worker, "one\n")
    worker.on_progress(LOG)
    subscription.fetch()
    worker.on_progress(LOG)  # nothing new
    write(worker, "two\n")
    worker.on_progress(LOG)
    subscription.fetch()
    write(worker, "three\n")
    worker._on_capture_complete(LOG)
    subscription.fetch()
    assert [text for text in seen if text] == [b"one\n", b"two\n", b"three\n"]
    assert len(oss_server.sent("PUT", "err.partial")) == 2
    assert sorted(oss_server.bucket.objects) == [f"{KEY}.err"]
    subscription.dispose()
    web.dispose()


def test_the_thread_of_a_capture_sends_it_as_it_grows(oss_server: OssServer, tmp_path: Path, web: StoredLogs):
    worker = StoredLogs(RunLogs(OssStore(oss_server.options()), "daily"), tmp_path / "w", timedelta(days=30), 1)
    with worker.capture_logs(LOG):
        print("at work", file=sys.stderr, flush=True)
        until("the log so far", lambda: b"at work\n" in (web.get_log_data(LOG).stderr or b""))
    assert f"{KEY}.err.partial" not in oss_server.bucket.objects


@pytest.mark.parametrize("fault", ["cut_up", "reset", "lost_reply"])
def test_an_upload_that_is_cut_is_sent_again_and_what_was_there_stays_whole(worker, web, oss_server, fault):
    write(worker, "one\n")
    worker.on_progress(LOG)
    oss_server.fail(fault, method="PUT", matching="err", times=1, at=3)
    write(worker, "two\n")
    worker.on_progress(LOG)
    assert web.get_log_data(LOG).stderr == b"one\ntwo\n"


def test_of_a_run_that_was_killed_the_last_part_that_was_sent_stays(worker, web, oss_server):
    write(worker, "one\n")
    worker.on_progress(LOG)
    oss_server.fail("cut_up", method="PUT", matching="err", times=9, at=3)
    write(worker, "two\n")
    with pytest.raises(StorageError):
        worker.on_progress(LOG)  # and here the process dies
    assert web.get_log_data(LOG).stderr == b"one\n"
    assert not web.is_capture_complete(LOG)


def test_a_store_that_is_away_fails_no_run_and_the_log_stays_here(worker, web, oss_server, caplog):
    oss_server.fail("status", method="PUT", times=99, status=503)
    with worker.capture_logs(LOG):
        print("one", file=sys.stderr, flush=True)
    (line,) = [record.getMessage() for record in caplog.records if record.name == stored_logs.__name__]
    assert line.startswith(f"The log of run {RUN} stays in {worker._folder}: ")
    assert b"one\n" in (worker.get_log_data(LOG).stderr or b"")
    assert web.get_log_data(LOG).stderr is None


def test_a_store_that_cannot_be_read_shows_nothing_and_says_so(worker, web, oss_server, caplog):
    write(worker, "one\n")
    worker._on_capture_complete(LOG)
    oss_server.fail("status", times=99, status=403, code="AccessDenied")
    assert web.get_log_data(LOG).stderr is None
    assert "The log of run" in caplog.text


def test_of_a_long_log_the_beginning_is_kept_and_little_is_sent_twice(worker, web, oss_server, monkeypatch):
    monkeypatch.setattr(stored_logs, "_MAX_BYTES", 3000)
    monkeypatch.setattr(stored_logs, "_MIB", 1000)
    for _ in range(100):
        write(worker, "x" * 50)
        worker.on_progress(LOG)
    worker._on_capture_complete(LOG)
    assert web.get_log_data(LOG).stderr == b"x" * 3000
    assert web.is_capture_complete(LOG)
    assert sum(request.sent for request in oss_server.sent("PUT", "err")) < 50_000


def test_a_tick_that_says_nothing_sends_nothing(worker: StoredLogs, web: StoredLogs, oss_server: OssServer):
    tick = ["aggregation_pipeline", "__repository__", "alerts", "1"]
    with worker.open_log_stream(tick, ERR):
        pass
    assert oss_server.requests == []
    with worker.open_log_stream(tick, ERR) as stream:
        assert stream is not None
        stream.write("a line\n")
    assert web.get_log_data(tick).stderr == b"a line\n"
    assert [request.method for request in oss_server.requests].count("PUT") == 1


def test_old_files_of_this_machine_are_removed(worker: StoredLogs):
    write(worker, "new\n")
    old, empty = worker._folder / "old" / "x.err", worker._folder / "empty"
    for folder in (old.parent, empty):
        folder.mkdir()
    old.write_text("old")
    for path in (old, empty):
        os.utime(path, (0, 0))
    worker._sweep_folder()
    assert not old.exists()
    assert sorted(path.name for path in worker._folder.iterdir()) == [RUN, "old"]
    assert worker._path(LOG, ERR).exists()


@pytest.mark.parametrize("log_key", [["..", "..", "etc", "passwd"], [RUN, "..", "x"], ["a\0b"], [""]])
def test_a_key_that_leads_elsewhere_is_read_nowhere(web: StoredLogs, oss_server: OssServer, log_key: list[str]):
    assert not web.cloud_storage_has_logs(log_key, OUT)
    assert oss_server.requests == []
