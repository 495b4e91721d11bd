"""A private folder for files on their way, gone when they have arrived."""

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from aggregation_pipeline.errors import StorageError

# No space, no quota, or more than the process may write into one file.
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def working_directory(temp_dir: Path) -> Iterator[Path]:
    """Give a private folder under `temp_dir` that is gone afterwards, whatever happens.

    Raises:
        StorageError: the disk under it is full.
    """
    temp_dir.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="window-", dir=temp_dir))
    try:
        yield directory
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise StorageError(
            f"the local disk took no more ({os.strerror(error.errno)}), so nothing was published. A window needs room in TEMP_DIR "
            f"({temp_dir}) for its extract and all of its files at once: free some, or set TEMP_DIR to a larger disk."
        ) from error
    finally:
        shutil.rmtree(directory, ignore_errors=True)
