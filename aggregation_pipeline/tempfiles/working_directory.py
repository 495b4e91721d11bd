"""A private folder for files on their way. It is removed afterwards; the next run removes those of killed runs."""

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from aggregation_pipeline.errors import StorageError
from aggregation_pipeline.tempfiles.owner_lock import claim, take_over

# No space, no quota, or more than the process may write into one file.
_DISK_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

_PREFIX, _LOCK_FILE, _CONTENT = "window-", "in-use", "files"


@contextlib.contextmanager
def working_directory(temp_dir: Path) -> Iterator[Path]:
    """Give a private folder under `temp_dir`, and remove it afterwards, whatever happens.

    First, folders of dead processes are removed.

    Raises:
        StorageError: the disk under it is full, or no folder can be made there.
    """
    try:
        temp_dir.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(temp_dir)
        home, lock_file = _new_folder(temp_dir)
    except OSError as error:
        raise StorageError(
            f"no working folder can be made in TEMP_DIR ({temp_dir}): {os.strerror(error.errno or 0)}. Nothing was read"
            " or published. Set TEMP_DIR to a folder on this machine that the pipeline may write to and that has room."
        ) from error
    try:
        yield home / _CONTENT
    except OSError as error:
        if error.errno not in _DISK_FULL:
            raise
        # Other formats may have whole files in it, which are not wanted any more.
        _remove(home)
        raise StorageError(
            f"the local disk took no more ({os.strerror(error.errno)}; {shutil.disk_usage(temp_dir).free:,} bytes are"
            f" free without it), so nothing was published. A window needs room in TEMP_DIR ({temp_dir}) for its extract"
            " and all of its files at once: free some, or set TEMP_DIR to a larger disk."
        ) from error
    finally:
        _remove(home)
        lock_file.close()


def _new_folder(temp_dir: Path) -> tuple[Path, IO[bytes]]:
    """Make a new folder; return it and the open, locked file in it that says it is in use."""
    while True:
        home = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=temp_dir))
        with contextlib.suppress(FileNotFoundError):  # another run removed it while it was still empty
            if (lock_file := claim(home / _LOCK_FILE)) is not None:
                (home / _CONTENT).mkdir()
                return home, lock_file


def _remove_leftovers(temp_dir: Path) -> None:
    for home in temp_dir.glob(f"{_PREFIX}*"):
        if (lock_file := take_over(home / _LOCK_FILE)) is not None:
            _remove(home)
            lock_file.close()
        elif not (home / _LOCK_FILE).exists():
            with contextlib.suppress(OSError):  # empty: its process was killed before the lock file was there, or after
                home.rmdir()


def _remove(home: Path) -> None:
    """Remove the lock file last: if this process is killed here, the next run still recognises the folder."""
    shutil.rmtree(home / _CONTENT, ignore_errors=True)
    with contextlib.suppress(OSError):
        if not (home / _CONTENT).exists():
            (home / _LOCK_FILE).unlink()
            home.rmdir()
