"""Nothing that killed processes left in the temporary folder outlives the next run, and nothing that is in use is
touched.
"""

import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from aggregation_pipeline.errors import StorageError
from aggregation_pipeline.tempfiles.owner_lock import claim, take_over
from aggregation_pipeline.tempfiles.working_directory import working_directory

USER = """
import sys
from pathlib import Path
from aggregation_pipeline.tempfiles.working_directory import working_directory
with working_directory(Path(sys.argv[1])) as directory:
    (directory / "orders").mkdir()
    (directory / "orders" / "summary.parquet").write_bytes(b"half")
    print(directory, flush=True)
    sys.stdin.read()
"""


@contextmanager
def user(temp: Path) -> Iterator[tuple["subprocess.Popen[str]", Path]]:
    """Another process with a working directory, until it is killed or its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", USER, str(temp)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process, Path(process.stdout.readline().strip())
        finally:
            process.kill()


def test_the_folder_of_a_killed_run_goes_with_the_next_and_that_of_a_living_one_stays(tmp_path: Path):
    with user(tmp_path) as (killed, dead), user(tmp_path) as (living, used):
        killed.send_signal(signal.SIGKILL)
        killed.wait(10)
        assert dead.exists()
        with working_directory(tmp_path) as own:
            assert not dead.exists()
            assert (used / "orders" / "summary.parquet").read_bytes() == b"half"
            assert own.exists()
        assert living.stdin is not None
        living.stdin.close()
        living.wait(10)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("left", [(), ("in-use",), ("in-use", "files/")])
def test_a_run_that_was_killed_while_it_made_or_removed_its_folder_leaves_nothing_either(
    tmp_path: Path, left: tuple[str, ...]
):
    home = tmp_path / "window-0123"
    home.mkdir()
    for name in left:
        (home / name).mkdir() if name.endswith("/") else (home / name).touch()
    with working_directory(tmp_path):
        assert not home.exists()


def test_what_others_keep_in_the_temporary_folder_is_theirs(tmp_path: Path):
    (tmp_path / "window-of-mine").mkdir()
    (tmp_path / "window-of-mine" / "kept").touch()
    (tmp_path / "other").mkdir()
    with working_directory(tmp_path):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "window-of-mine"]


def test_many_runs_that_begin_at_once_do_not_take_each_others_folders(tmp_path: Path):
    together = threading.Barrier(16)
    lost: list[Path] = []

    def run() -> None:
        together.wait(10)
        for _ in range(25):
            with working_directory(tmp_path) as directory:
                (directory / "file").write_bytes(b"x")
                if not (directory / "file").exists():
                    lost.append(directory)

    threads = [threading.Thread(target=run) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert lost == []
    assert list(tmp_path.iterdir()) == []


def test_where_a_file_system_has_no_locks_nothing_is_taken_for_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with working_directory(tmp_path) as one, working_directory(tmp_path) as other:
        assert one.exists()
        assert other.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_claim_can_be_taken_over_when_it_ends_and_not_before(tmp_path: Path):
    file = claim(tmp_path / "file")
    assert file is not None
    assert take_over(tmp_path / "file") is None
    file.close()
    with take_over(tmp_path / "file") or pytest.fail("it is nobody's now"):
        assert take_over(tmp_path / "file") is None
    assert take_over(tmp_path / "missing") is None


def test_when_the_disk_is_full_the_room_that_is_named_is_what_is_free_without_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    left: list[list[Path]] = []
    disk_usage = shutil.disk_usage

    def look(path: Path) -> Any:
        left.append(list(tmp_path.rglob("*.csv")))
        return disk_usage(path)

    def fill(directory: Path) -> None:
        (directory / "orders.csv").write_bytes(b"a")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "disk_usage", look)
    with pytest.raises(StorageError, match="bytes are free without it"), working_directory(tmp_path) as directory:
        fill(directory)
    assert left == [[]]


def test_a_temporary_folder_that_cannot_be_made_is_named_with_the_remedy(tmp_path: Path):
    occupied = tmp_path / "temp"
    occupied.write_text("a file")
    for place in (occupied, occupied / "below", Path("/proc/none")):
        with (
            pytest.raises(StorageError, match=r"TEMP_DIR \(.*Set TEMP_DIR to a folder") as raised,
            working_directory(place),
        ):
            pass
        assert str(place) in str(raised.value)
