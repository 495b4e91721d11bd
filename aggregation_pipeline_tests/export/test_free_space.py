"""A window that has no room on this machine's disks is refused before anything is lost."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from aggregation_pipeline.config.options import FormatOptions
from aggregation_pipeline.errors import StorageError
from aggregation_pipeline.export import free_space
from aggregation_pipeline.export.destination import Destination
from aggregation_pipeline.export.free_space import require_room_as_last_time, watching_room
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline.storage.lock_protocol import NoLock
from aggregation_pipeline.storage.manifest import Manifest


@pytest.fixture
def destination(tmp_path: Path) -> Destination:
    """Both folders are on one disk, and neither is there yet."""
    store = FolderStore(tmp_path / "exports" / "below")
    return Destination(store, "", "run", FormatOptions(), tmp_path / "temp", NoLock())


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A disk with so many bytes left. To fill a real one takes rights that a test does not have."""
    disk = SimpleNamespace(free=0)
    monkeypatch.setattr(free_space, "disk_usage", lambda _: disk)
    return disk


def manifest_of(sizes: dict[str, int], extract: int) -> Manifest:
    files = [SimpleNamespace(format=name, bytes=size) for name, size in sizes.items()]
    datasets = [SimpleNamespace(extract=SimpleNamespace(bytes=extract))]
    return cast("Manifest", SimpleNamespace(table="orders", window="2026-11-20", files=files, datasets=datasets))


def test_a_disk_without_half_of_what_the_last_window_took_is_refused_before_reading(
    destination: Destination, free: SimpleNamespace
):
    last = manifest_of({"csv": 3_000, "json": 50_000}, 1_000)
    # TEMP_DIR and the store need 4,000 each.
    free.free = 4_000
    require_room_as_last_time(destination, ["csv"], last)
    free.free = 3_999
    with pytest.raises(StorageError) as caught:
        require_room_as_last_time(destination, ["csv"], last)
    assert str(caught.value) == (
        f"STORAGE_DIR ({destination.store.local_folder()}): its disk has 3,999 bytes left, and about 8,000 are needed:"
        " orders took 4,000 bytes when window 2026-11-20 was published. Nothing was published. Free some space, or set"
        " STORAGE_DIR to a larger disk."
    )
    free.free = 1_999
    with pytest.raises(StorageError, match=r"^TEMP_DIR \(.*temp\): its disk has 1,999 bytes left, and about 4,000"):
        require_room_as_last_time(destination, ["csv"], last)


def test_a_table_that_was_never_published_is_read(destination: Destination, free: SimpleNamespace):
    require_room_as_last_time(destination, ["csv"], None)


def test_a_disk_that_fills_while_rows_come_is_noticed_before_it_is_full(
    destination: Destination, free: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(free_space, "_SECONDS_BETWEEN_LOOKS", 0.0)
    heard: list[Any] = []
    watch = watching_room(destination, tmp_path, lambda *call: heard.append(call))
    free.free = 10**9
    (tmp_path / "summary.parquet").write_bytes(b"x" * 90_000)
    watch("detail", 0, 100)
    (tmp_path / "detail.partial").write_bytes(b"x" * 1_000)
    # 9,000 more in TEMP_DIR, and all the 100,000 in the store: what the summary took is no measure for the detail rows.
    free.free = 54_500
    watch("detail", 10, 100)
    free.free = 54_499
    with pytest.raises(StorageError, match=r"10 of 100 rows of detail took 1,000 bytes, so about 9,000 more come"):
        watch("detail", 10, 100)
    assert heard == [("detail", 0, 100), ("detail", 10, 100), ("detail", 10, 100)]
    # The last row has come, or nobody knows how many there are.
    free.free = 0
    watch("detail", 100, 100)
    watch("detail", 100, None)


def test_a_store_that_is_elsewhere_needs_no_room_here(destination: Destination, free: SimpleNamespace):
    elsewhere = SimpleNamespace(local_folder=lambda: None)
    free.free = 2_000
    remote = Destination(cast("Any", elsewhere), "", "run", FormatOptions(), destination.temp_dir, NoLock())
    require_room_as_last_time(remote, ["csv"], manifest_of({"csv": 3_000}, 1_000))
