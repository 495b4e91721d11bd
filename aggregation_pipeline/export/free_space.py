"""Room on this machine's disks for a window: looked at before its rows are read and while they are read.

What a window will need is an estimate. So a window is refused only where there is not half of it. What is left is for
the disk itself to say, and `tempfiles/working_directory.py` and `storage/folder_errors.py` explain it.
"""

import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from shutil import disk_usage
from typing import Final

from aggregation_pipeline.errors import StorageError
from aggregation_pipeline.export.destination import Destination
from aggregation_pipeline.source.request import Progress
from aggregation_pipeline.storage.folder_writable import nearest_existing
from aggregation_pipeline.storage.manifest import Manifest

_SECONDS_BETWEEN_LOOKS: Final = 1.0


def require_room_as_last_time(destination: Destination, formats: Collection[str], last: Manifest | None) -> None:
    """Compare what is free with what the window, or the newest one, took when it was published.

    Raises:
        StorageError: there is not half as much. It names the folder.
    """
    if last is not None:
        extracts = sum(dataset.extract.bytes for dataset in last.datasets)
        files = sum(file.bytes for file in last.files if file.format in formats)
        need = extracts + files
        _require(destination, need, need, f"{last.table} took {need:,} bytes when window {last.window} was published")


def watching_room(destination: Destination, directory: Path, progress: Progress) -> Progress:
    """Return a `progress` that looks once a second whether there is room for the rows that have not come yet.

    Args:
        directory: where extract and files are written.
        progress: is called too.
    """
    current, before, next_look = "", 0, 0.0

    def watch(dataset: str, done: int, total: int | None) -> None:
        nonlocal current, before, next_look
        progress(dataset, done, total)
        if dataset != current:
            current, before = dataset, _bytes_below(directory)
        if not total or not 0 < done < total or time.monotonic() < next_look:
            return
        next_look = time.monotonic() + _SECONDS_BETWEEN_LOOKS
        written = _bytes_below(directory)
        coming = (written - before) * (total - done) // done
        why = f"{done:,} of {total:,} rows of {dataset} took {written - before:,} bytes, so about {coming:,} more come"
        _require(destination, coming, written + coming, why)

    return watch


def _require(destination: Destination, temporary: int, stored: int, why: str) -> None:
    """Refuse where less than half is free of what is still needed in TEMP_DIR, and to store all of it."""
    places = {"TEMP_DIR": (destination.temp_dir, temporary)}
    if (folder := destination.store.local_folder()) is not None:
        places["STORAGE_DIR"] = (folder, stored)
    disks: dict[int, int] = {}
    for name, (folder, need) in places.items():
        existing = nearest_existing(folder)
        disk = existing.stat().st_dev
        # Both folders may be on one disk, which then has to take both.
        disks[disk] = disks.get(disk, 0) + need
        if (free := disk_usage(existing).free) < disks[disk] // 2:
            raise StorageError(
                f"{name} ({folder}): its disk has {free:,} bytes left, and about {disks[disk]:,} are needed: {why}."
                f" Nothing was published. Free some space, or set {name} to a larger disk."
            )


def _bytes_below(directory: Path) -> int:
    size = 0
    for path in directory.rglob("*"):
        with suppress(FileNotFoundError):  # it got its name, or was given up, since it was listed
            size += path.stat().st_size
    return size
