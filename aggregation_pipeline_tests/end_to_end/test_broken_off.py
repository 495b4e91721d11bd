"""Whatever breaks in the middle of a window, nothing is published and nothing is left over."""

import os
import resource
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aggregation_pipeline.config.format_names import FORMAT_NAMES
from aggregation_pipeline.config.options import FormatOptions
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import FormatError, SourceLostError, StorageError
from aggregation_pipeline.export import rendering
from aggregation_pipeline.export.destination import Destination
from aggregation_pipeline.export.observer import Observer, SilentObserver
from aggregation_pipeline.export.published import render_window
from aggregation_pipeline.export.publishing import ExportedWindow
from aggregation_pipeline.export.window import export_window
from aggregation_pipeline.formats.common.file_format import RenderedFile
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline.storage.lock_protocol import NoLock
from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, ZONE, options_for
from aggregation_pipeline_tests.support.servers.chosen import once
from aggregation_pipeline_tests.support.servers.handles import MySQLServer
from aggregation_pipeline_tests.support.servers.missing import missing

ENTRY = TableEntry.model_validate({"name": "t", "groupBy": ["g"], "selectFields": ["*"]})


class CallsInTheMiddle(SilentObserver):
    """Calls `middle` once, when detail rows have begun to come."""

    def __init__(self, middle: Callable[[], None] | None = None) -> None:
        self._middle = middle
        self.last = ("", 0)

    def rows(self, dataset: str, done: int, total: int | None) -> None:
        self.last = (dataset, done)
        if self._middle is not None and dataset == "detail" and done:
            assert total is None or done < total
            middle, self._middle = self._middle, None
            middle()


def destination_in(folder: Path) -> Destination:
    return Destination(FolderStore(folder / "exports"), "", "run", FormatOptions(), folder / "temp", NoLock())


def export(options: SourceOptions, folder: Path, observer: Observer) -> ExportedWindow:
    request = ReadRequest(ENTRY, "2026-11-21", LOGICAL_TIME, ZONE)
    return export_window(request, options, FORMAT_NAMES, destination_in(folder), observer)


def fill(server: MySQLServer) -> str:
    """65,536 rows of 600 bytes that do not compress."""
    database = server.fresh_database()
    with server.connect(database=database) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, g INT, s VARCHAR(1000))")
        cursor.execute("INSERT INTO t (g, s) VALUES (1, 'x')")
        for _ in range(16):
            cursor.execute("INSERT INTO t (g, s) SELECT id % 5, s FROM t")
        cursor.execute(f"UPDATE t SET s = CONCAT({', '.join(f'MD5(id + {n}.5)' for n in range(18))})")
    return database


def assert_nothing_is_left(folder: Path) -> None:
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("render")] == []
    assert [path for path in folder.rglob("*") if path.is_file()] == []
    assert list((folder / "temp").iterdir()) == []


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """What a full disk is to a program, without a disk: a write beyond `size` bytes of a file is refused."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture(scope="module")
def filled(mysql: MySQLServer) -> SourceOptions:
    return options_for(mysql, fill(mysql))


@once
def test_a_disk_that_is_full_while_reading_leaves_nothing(filled: SourceOptions, tmp_path: Path):
    with (
        largest_file(4_000_000),
        pytest.raises(StorageError, match=r"took no more.*nothing was published.*TEMP_DIR") as caught,
    ):
        export(filled, tmp_path, SilentObserver())
    assert not caught.value.retryable
    assert_nothing_is_left(tmp_path)


@once
def test_a_disk_that_is_full_while_rendering_leaves_nothing(filled: SourceOptions, tmp_path: Path):
    # The extract is compressed and fits; JSON is not.
    with largest_file(35_000_000), pytest.raises(StorageError, match=r"took no more.*TEMP_DIR"):
        export(filled, tmp_path, SilentObserver())
    assert_nothing_is_left(tmp_path)


@once
def test_with_room_enough_the_same_window_is_published_with_the_files_that_its_extract_gives(
    filled: SourceOptions, tmp_path: Path
):
    """So that the two above fail for want of room, and of nothing else."""
    exported = export(filled, tmp_path, SilentObserver())
    assert (tmp_path / "exports" / "t" / "2026-11-21" / "manifest.json").is_file()
    again = render_window(ENTRY, "2026-11-21", FORMAT_NAMES, destination_in(tmp_path), SilentObserver())
    # What was rendered while reading is what the extract gives: equal files are not sent again, and the manifest stays.
    assert len(exported.files) == 6
    assert again.manifest == exported.manifest


@once
def test_an_interrupt_while_reading_ends_the_renderers_and_leaves_nothing(filled: SourceOptions, tmp_path: Path):
    def interrupt() -> None:
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        export(filled, tmp_path, CallsInTheMiddle(interrupt))
    assert_nothing_is_left(tmp_path)


@once
def test_a_format_that_cannot_write_a_value_says_so_when_all_rows_are_read(
    filled: SourceOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: object) -> tuple[RenderedFile, ...]:
        raise FormatError("a value that has no place in this format")

    monkeypatch.setattr(rendering, "render_in_steps", refuse)
    heard = CallsInTheMiddle(lambda: None)
    with pytest.raises(FormatError, match="no place in this format"):
        export(filled, tmp_path, heard)
    assert heard.last == ("detail", 65_536)
    assert_nothing_is_left(tmp_path)


@pytest.mark.slow
def test_a_mariadb_that_is_killed_in_mid_stream_leaves_nothing(tmp_path: Path, server_folder: Path):
    from aggregation_pipeline_tests.support.servers.mariadb import start_mariadb

    try:
        server = start_mariadb(server_folder / "killed_mariadb")
    except FileNotFoundError as error:
        missing(str(error))
    try:
        handle = MySQLServer("mariadb", str(server.socket), None, None, "root", "", "test", server.child.pid)
        options = options_for(handle, fill(handle))
        with pytest.raises(SourceLostError, match=r"went away|connection broke.*nothing was published"):
            export(options, tmp_path, CallsInTheMiddle(lambda: os.kill(server.child.pid, signal.SIGKILL)))
    finally:
        server.stop()
    assert_nothing_is_left(tmp_path)


@pytest.mark.slow
def test_a_seekdb_that_is_killed_in_mid_stream_leaves_nothing(tmp_path: Path, server_folder: Path):
    from aggregation_pipeline.embedded.seekdb import USER, spawn_seekdb

    server = spawn_seekdb(server_folder / "killed_seekdb", report=print).wait_until_ready(print)
    try:
        handle = MySQLServer("seekdb", str(server.socket), None, None, USER, "", "test", server.child.pid)
        options = options_for(handle, fill(handle))
        with pytest.raises(SourceLostError, match=r"went away|connection broke.*nothing was published"):
            export(options, tmp_path, CallsInTheMiddle(lambda: os.kill(server.child.pid, signal.SIGKILL)))
    finally:
        server.stop()
    assert_nothing_is_left(tmp_path)
