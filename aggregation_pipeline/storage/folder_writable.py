"""Whether a folder takes files, without leaving one there."""

import errno
import os
from pathlib import Path
from typing import Final

from aggregation_pipeline.errors import StorageError

_LEAST_FREE: Final = 16 * 1024 * 1024


def prove_folder_writable(root: Path) -> None:
    """Raise StorageError where a run could not store its files in the folder, which need not be there yet."""
    standing = next(path for path in (root, *root.parents) if path.exists())
    if not standing.is_dir():
        raise StorageError(f"STORAGE_DIR {root} is no folder: {standing} is a file. Set another")
    if not os.access(standing, os.W_OK | os.X_OK):
        raise StorageError(
            f"STORAGE_DIR {root}: this user may not write in {standing}. Correct the folder's owner or set STORAGE_DIR"
        )
    try:
        space = os.statvfs(standing)
    except OSError as error:
        raise StorageError(
            f"STORAGE_DIR {root} cannot be looked at: {errno.errorcode.get(error.errno or 0)}"
        ) from error
    free = space.f_bavail * space.f_frsize
    if free < _LEAST_FREE:
        raise StorageError(
            f"STORAGE_DIR {root}: the disk has {free:,} bytes left. Free some, or set STORAGE_DIR to a larger disk"
        )
