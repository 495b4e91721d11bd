"""Whether a run could store files in a folder; nothing is left there."""

import errno
import os
from pathlib import Path
from typing import Final

from aggregation_pipeline.errors import StorageError

_MIN_FREE_BYTES: Final = 16 * 1024 * 1024


def nearest_existing(path: Path) -> Path:
    """Return the path, or the nearest folder above it that is there: what is made at the path lies on its disk."""
    absolute = path.absolute()
    return next(each for each in (absolute, *absolute.parents) if each.exists())


def prove_folder_writable(root: Path) -> None:
    """Prove that a run could store files in the folder, which need not be there yet.

    Raises:
        StorageError: it could not.
    """
    existing = nearest_existing(root)
    if not existing.is_dir():
        raise StorageError(f"STORAGE_DIR {root} is no folder: {existing} is a file. Set another")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise StorageError(
            f"STORAGE_DIR {root}: this user may not write in {existing}. Correct the folder's owner or set STORAGE_DIR"
        )
    try:
        space = os.statvfs(existing)
    except OSError as error:
        raise StorageError(
            f"STORAGE_DIR {root} cannot be looked at: {errno.errorcode.get(error.errno or 0)}"
        ) from error
    free = space.f_bavail * space.f_frsize
    if free < _MIN_FREE_BYTES:
        raise StorageError(
            f"STORAGE_DIR {root}: the disk has {free:,} bytes left. Free some, or set STORAGE_DIR to a larger disk"
        )
