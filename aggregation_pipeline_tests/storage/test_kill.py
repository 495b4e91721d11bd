"""Processes that are really killed, with SIGKILL, at a place that the server chooses."""

import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from aggregation_pipeline.storage.published import fetch_window, load_manifest
from aggregation_pipeline_tests.storage.publisher import oss_store, publish
from aggregation_pipeline_tests.storage.samples import WINDOW
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.servers.oss import OssServer
from aggregation_pipeline_tests.support.waiting import until


def start(server: OssServer, folder: Path, what: str, number: int) -> "subprocess.Popen[str]":
    command = [
        sys.executable,
        "-m",
        "aggregation_pipeline_tests.storage.publisher",
        what,
        f"http://127.0.0.1:{server.port}",
        str(folder),
        str(number),
    ]
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)


def kill_when(server: OssServer, folder: Path, what: str, number: int, **fault: object) -> None:
    """Start the process, wait until it stands at the request that `fault` holds up, kill it."""
    held = server.fail("hang", seconds=5, **fault)
    child = start(server, folder, what, number)
    deadline = time.monotonic() + 30
    while held.times and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    child.kill()
    child.communicate(timeout=10)
    assert held.times == 0, "the process never came to this request"
    server.faults.clear()


FAST = ("detail.csv", "2026-11-20/manifest.json")
SLOW = ("publication.json", "_extracts", "run-2/manifest.json", "latest/orders.json")


@pytest.mark.parametrize("place", [*FAST, *(pytest.param(place, marks=pytest.mark.slow) for place in SLOW)])
def test_a_run_killed_anywhere_leaves_a_whole_version_and_the_next_one_is_whole(
    oss_server: OssServer, tmp_path: Path, place: str
):
    store = oss_store(f"http://127.0.0.1:{oss_server.port}", tmp_path, 1 << 20)
    publish(store, tmp_path, 1)
    kill_when(oss_server, tmp_path, "publish", 2, method="PUT", matching=quote(place, safe=""))
    manifest = load_manifest(store, "daily", "orders", WINDOW)
    assert manifest is not None
    assert manifest.publication == ("run-2" if place == "latest/orders.json" else "run-1")
    fetch_window(store, manifest, tmp_path / "read")
    publish(store, tmp_path, 2)
    manifest = load_manifest(store, "daily", "orders", WINDOW)
    assert manifest is not None
    assert manifest.publication == ("run-2" if place in {"latest/orders.json", "publication.json"} else "run-2.2")
    fetch_window(store, manifest, tmp_path / "again")
    for file in manifest.files:
        assert store.read(f"daily/orders/{WINDOW}/{file.name}") == store.read(file.key)


def test_an_upload_in_parts_is_left_alone_while_its_process_lives_and_aborted_by_the_next_run_when_it_was_killed(
    oss_server: OssServer, tmp_path: Path
):
    def put_something() -> None:
        oss_store(f"http://127.0.0.1:{oss_server.port}", tmp_path, part).put("small", b"x", media_type="a/b")

    (tmp_path / "big").write_bytes(bytes(range(256)) * 4000)
    part = 100 * 1024
    held = oss_server.fail("hang", seconds=5, method="PUT", matching="partNumber=9")
    child = start(oss_server, tmp_path, "upload", part)
    try:
        until("the ninth part", lambda: held.times == 0, 30)
        put_something()
        (upload,) = oss_server.bucket.uploads.values()
        assert upload.parts
        assert len(list((tmp_path / "temp").rglob("*.json"))) == 1
    finally:
        child.kill()
        child.communicate(timeout=10)
    oss_server.faults.clear()
    put_something()
    assert oss_server.bucket.uploads == {}
    assert list((tmp_path / "temp").rglob("*.json")) == []


@pytest.mark.slow
def test_300_mb_go_up_and_down_in_flat_memory(oss_server: OssServer, tmp_path: Path):
    block = bytes(range(256)) * 4096
    with (tmp_path / "big").open("wb") as file:
        for number in range(300):
            file.write(number.to_bytes(4, "big") + block[4:])
    child = start(oss_server, tmp_path, "upload", 8 * 1024 * 1024)
    grown, _ = child.communicate(timeout=150)
    assert child.returncode == 0
    assert int(grown) < 100 * 1024 * 1024  # four parts of 8 MiB, and what the HTTP client copies of them
