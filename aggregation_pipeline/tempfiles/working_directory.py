"""A private folder for files on their way, gone when they have arrived; what killed runs left of theirs goes with the
next run.
"""

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
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

_PREFIX, _MARK, _CONTENT = "window-", "in-use", "files"


@contextlib.contextmanager
def working_directory(temp_dir: Path) -> Iterator[Path]:
    """Give a private folder under `temp_dir` that is gone afterwards, whatever happens; those of dead processes go
    first.

    Raises:
        StorageError: the disk under it is full.
    """
    temp_dir.mkdir(parents=True, exist_ok=True)
    _sweep(temp_dir)
    home, mark = _claimed(temp_dir)
    try:
        yield home / _CONTENT
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise StorageError(
            f"the local disk took no more ({os.strerror(error.errno)}), so nothing was published. A window needs room"
            f" in TEMP_DIR ({temp_dir}) for its extract and all of its files at once: free some, or set TEMP_DIR to a"
            " larger disk."
        ) from error
    finally:
        _remove(home)
        mark.close()


def _claimed(temp_dir: Path) -> tuple[Path, IO[bytes]]:
    """A new folder and the open file in it that says whose it is."""
    while True:
        home = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=temp_dir))
        with contextlib.suppress(FileNotFoundError):  # while it was still empty, another run took it for a dead one's
            if (mark := claim(home / _MARK)) is not None:
                (home / _CONTENT).mkdir()
                return home, mark


def _sweep(temp_dir: Path) -> None:
    for home in temp_dir.glob(f"{_PREFIX}*"):
        if (mark := take_over(home / _MARK)) is not None:
            _remove(home)
            mark.close()
        elif not (home / _MARK).exists():
            with contextlib.suppress(OSError):  # empty: killed before its mark was there, or after it was removed
                home.rmdir()


def _remove(home: Path) -> None:
    """The mark last: whoever is killed on the way leaves a folder that the next run knows for a dead one's."""
    shutil.rmtree(home / _CONTENT, ignore_errors=True)
    with contextlib.suppress(OSError):
        if not (home / _CONTENT).exists():
            (home / _MARK).unlink()
            home.rmdir()
