"""What the operating system says of a folder, as errors of ours with a remedy."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from aggregation_pipeline.errors import StorageBusyError, StorageDeniedError, StorageError, StorageMissingError

_REMEDIES: Final = {
    errno.ENOSPC: "The disk is full: free some space or set STORAGE_DIR to a larger disk.",
    errno.EDQUOT: "The disk quota is used up: free some space or set STORAGE_DIR to another disk.",
    errno.EROFS: "The file system is read-only: set STORAGE_DIR to one that is not.",
    errno.ENAMETOOLONG: "A file system takes 255 bytes a name at most: shorten the entry's name.",
    errno.ENOTDIR: "A file stands where a folder is needed: move it away.",
    errno.EISDIR: "A folder stands where the file should go: move it away.",
}
_DENIED: Final = {errno.EACCES, errno.EPERM}
_MAY_PASS: Final = {
    errno.EIO,
    errno.ESTALE,
    errno.ETIMEDOUT,
    errno.EBUSY,
    errno.EAGAIN,
    errno.EMFILE,
    errno.ENFILE,
}


@contextmanager
def explained(verb: str, path: Path) -> Iterator[None]:
    """Turn an OSError of the body into an error of ours, "Cannot {verb} {path}: ...".

    Raises:
        StorageMissingError: the file is not there, where `verb` is read.
        StorageDeniedError: this user lacks the right.
        StorageBusyError: what may pass by itself.
        StorageError: anything else.
    """
    try:
        yield
    except OSError as error:
        about = Path(error.filename or path)
        missing = isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError)
        if verb == "read" and about == path and missing:
            raise StorageMissingError(f"Cannot {verb} {path}: it is not there.") from error
        if isinstance(error, FileNotFoundError):
            raise StorageError(f"Cannot {verb} {path}: {about} is not there.") from error
        if error.errno in _DENIED:
            may = "read" if verb in {"read", "list"} else "write"
            raise StorageDeniedError(
                f"Cannot {verb} {path}: {error.strerror} ({about}). This user may not {may} there: "
                "correct the owner or the mode of the folder or file, or set STORAGE_DIR."
            ) from error
        kind = StorageBusyError if error.errno in _MAY_PASS else StorageError
        remedy = _REMEDIES.get(error.errno or 0, "Check the disk and the folder's permissions (STORAGE_DIR).")
        raise kind(f"Cannot {verb} {path}: {error.strerror}. {remedy}") from error
