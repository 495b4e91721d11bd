"""Files that appear whole or not at all: written or linked under a hidden name, then renamed."""

import errno
import os
import secrets
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Final, TypeVar

from aggregation_pipeline.storage.crc64 import CHUNK, crc64, crc64_of_file

# Begins the name of a file that is still being written. Keys made by keys.py hold `%` only before two hex digits, so no
# object has such a name.
UNFINISHED: Final = ".%part-"
# Some file systems have no hard links, and a file may have too many of them.
_NO_LINKS: Final = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}
# Nobody writes into a published file: a new one takes its place. The umask says who may read.
_READ_ONLY: Final = 0o444
_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
# How often a folder may vanish under our feet before it counts as an error.
_FOLDER_ATTEMPTS: Final = 20
T = TypeVar("T")


def copy_content(source: Path | bytes, file: IO[bytes]) -> tuple[int, str]:
    """Copy `source` into `file`; return size and checksum, which costs no second reading."""
    if isinstance(source, bytes):
        file.write(source)
        return len(source), str(crc64(source))
    size = value = 0
    with source.open("rb") as origin:
        while chunk := origin.read(CHUNK):
            file.write(chunk)
            size, value = size + len(chunk), crc64(chunk, value)
    return size, str(value)


def write_whole(source: Path | bytes, target: Path, *, final: bool = False) -> tuple[int, str | None]:
    """Copy `source` to a hidden file beside `target`, flush it to the disk, then rename; return size and checksum.

    With `final`, nobody writes into `source` any more. Then it is no copy but the file itself, where that shows no
    difference, and it is not read for a checksum.
    """
    written: tuple[int, str | None]
    unfinished = _unfinished_beside(target)
    try:
        # Not tempfile, whose mode 0600 would hide published files from everyone else.
        with os.fdopen(_in_folder(target.parent, lambda: os.open(unfinished, _NEW_FILE, _READ_ONLY)), "wb") as file:
            if final and isinstance(source, Path) and _take_place(source, unfinished, file):
                written = _flushed(source), None
            else:
                written = copy_content(source, file)
                file.flush()
                os.fsync(file.fileno())
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
    _sync_folder(target.parent)
    return written


def link_or_copy(source: Path, target: Path) -> bool:
    """Let `target` be the same file as `source`, or a copy where no link is to be had; return whether it was not."""
    if _is_same_file(source, target):
        return False
    try:
        _link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if _has_same_content(source, target):
            return False
        write_whole(source, target)
    return True


def files_below(folder: Path) -> Iterator[Path]:
    """Yield all files below `folder`. One that has just gone is fine.

    Raises:
        OSError: a folder may not be read, which must not look like an empty one.
    """

    def refuse(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            raise error

    for parent, _, names in os.walk(folder, onerror=refuse):
        yield from (Path(parent, name) for name in names)


def _take_place(source: Path, unfinished: Path, file: IO[bytes]) -> bool:
    """Let the new, empty file be `source` itself; return whether that was possible.

    It is not on another disk, nor where a new file in this folder has another owner, group or list of rights.
    """
    new, own = os.fstat(file.fileno()), source.stat()
    if (new.st_dev, new.st_uid, new.st_gid) != (own.st_dev, own.st_uid, own.st_gid):
        return False
    try:
        if _attributes(unfinished) != _attributes(source):
            return False
        source.chmod(stat.S_IMODE(new.st_mode))
        link = _unfinished_beside(unfinished)
        os.link(source, link)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return False
    link.replace(unfinished)
    return True


def _attributes(path: Path) -> dict[str, bytes]:
    """Return the extended attributes, which hold lists of rights and labels; macOS has no call for them."""
    if sys.platform != "linux":
        return {}
    return {name: os.getxattr(path, name) for name in os.listxattr(path)}


def _flushed(path: Path) -> int:
    """Flush the file to the disk; return its size."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        return os.fstat(file.fileno()).st_size


def _unfinished_beside(target: Path) -> Path:
    return target.parent / f"{UNFINISHED}{secrets.token_hex(8)}"


def _is_same_file(source: Path, target: Path) -> bool:
    status = source.stat()
    try:
        return os.path.samestat(status, target.stat())
    except FileNotFoundError:
        return False


def _has_same_content(source: Path, target: Path) -> bool:
    try:
        return source.stat().st_size == target.stat().st_size and crc64_of_file(source) == crc64_of_file(target)
    except FileNotFoundError:
        return False


def _link(source: Path, target: Path) -> None:
    unfinished = _unfinished_beside(target)
    try:
        _in_folder(target.parent, lambda: os.link(source, unfinished))
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)  # a rename onto the same file does nothing
    _sync_folder(target.parent)


def _in_folder(folder: Path, make: Callable[[], T]) -> T:
    """`make()` something in a folder, which is created if it is missing.

    A concurrent delete may remove the empty folder again before anything is in it, so both are repeated.
    """
    for _ in range(_FOLDER_ATTEMPTS):
        with suppress(FileNotFoundError):
            return make()
        with suppress(FileNotFoundError):
            folder.mkdir(parents=True, exist_ok=True)
    return make()


def _sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut, so that no manifest outlives the files that it names."""
    with suppress(OSError):  # some network file systems refuse it; the rename has still happened
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
