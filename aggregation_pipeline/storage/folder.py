"""A folder as an object store: for a fresh machine, for a mounted disk, and for tests of everything above it."""

import errno
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from aggregation_pipeline.errors import StorageBusyError, StorageError
from aggregation_pipeline.storage.base import NO_METADATA, StoredObject
from aggregation_pipeline.storage.crc64 import CHUNK, crc64, crc64_of_file
from aggregation_pipeline.storage.keys import check_key

# Keys made by keys.py hold `%` only before two hex digits, so no object can be taken for a file that is still being written.
_UNFINISHED = ".%part-"
_PRUNED = 20  # times that folders may vanish under our feet before it counts as an error
_REMEDIES = {
    errno.ENOSPC: "The disk is full: free some space or set STORAGE_DIR to a larger disk.",
    errno.EDQUOT: "The disk quota is used up: free some space or set STORAGE_DIR to another disk.",
    errno.EACCES: "This user may not write there: correct the folder's owner or set STORAGE_DIR.",
    errno.EPERM: "This user may not write there: correct the folder's owner or set STORAGE_DIR.",
    errno.EROFS: "The file system is read-only: set STORAGE_DIR to one that is not.",
    errno.ENAMETOOLONG: "A file system takes 255 bytes a name at most: shorten the entry's name in aggregation.yaml.",
    errno.ENOTDIR: "A file stands where a folder is needed: move it away.",
    errno.EISDIR: "A folder stands where the file should go: move it away.",
}
_MAY_PASS = {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EBUSY, errno.EAGAIN, errno.EMFILE, errno.ENFILE}


class FolderStore:
    """Objects as files below `root`, which is made with the first one."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    def __repr__(self) -> str:
        return f"FolderStore({str(self.root)!r})"

    def put(
        self,
        key: str,
        source: Path | bytes,
        *,
        media_type: str,  # noqa: ARG002  a file has no place for it
        metadata: Mapping[str, str] = NO_METADATA,  # noqa: ARG002
        filename: str | None = None,  # noqa: ARG002
    ) -> StoredObject:
        """Copy to a hidden file in the same folder, flush it to the disk, then rename: readers see the old file or the new."""
        target = self._path(key)
        with _explained("store", target):
            return StoredObject(key, *_write_whole(target, lambda file: _copy(source, file)))

    def get(self, key: str, target: Path) -> StoredObject:
        """Copy out, atomically. A plain file carries no checksum to compare with: the one returned is of what was read."""
        source = self._path(key)
        with _explained("read", source):
            return StoredObject(key, *_write_whole(target, lambda file: _copy(source, file)))

    def read(self, key: str) -> bytes:
        """The file's content."""
        path = self._path(key)
        with _explained("read", path):
            return path.read_bytes()

    def head(self, key: str) -> StoredObject | None:
        """Size and checksum, by reading the file: what is on the disk now, not what was once written there."""
        path = self._path(key)
        with _explained("read", path):
            try:
                return StoredObject(key, *crc64_of_file(path), datetime.fromtimestamp(path.stat().st_mtime, UTC))
            except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
                return None

    def delete(self, key: str) -> None:
        """Remove the file and the folders that it leaves empty."""
        path = self._path(key)
        with _explained("delete", path):
            with suppress(FileNotFoundError, NotADirectoryError):
                path.unlink()
            for folder in path.parents:
                if folder == self.root:
                    return
                try:
                    folder.rmdir()
                except FileNotFoundError:
                    continue
                except OSError:  # not empty, or somebody else's: either way not ours to remove
                    return

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Finished objects below `prefix`, ordered as OSS orders them: by UTF-8 bytes of the whole key."""
        if prefix:
            check_key(prefix.removesuffix("/"))
        start = self.root / prefix.rpartition("/")[0]
        with _explained("list", start):
            found = [
                (path, path.relative_to(self.root).as_posix())
                for path in start.rglob("*")
                if not path.name.startswith(_UNFINISHED) and path.is_file()
            ]
        for path, key in sorted(found, key=lambda pair: pair[1].encode()):
            with suppress(FileNotFoundError):  # deleted since
                if key.startswith(prefix):
                    status = path.stat()
                    yield StoredObject(key, status.st_size, None, datetime.fromtimestamp(status.st_mtime, UTC))

    def uri(self, key: str) -> str:
        """`file:///...`, percent-encoded."""
        return self._path(key).as_uri()

    def page(self, key: str) -> str | None:  # noqa: ARG002
        """None: a file manager shows folders."""
        return None

    def sweep(self, before: datetime, *, dry_run: bool = False) -> tuple[Path, ...]:
        """Remove what writers that were killed before `before` left half written; returns it. No object is ever among it."""
        left = []
        with _explained("clean up", self.root):
            for path in sorted(self.root.rglob(f"{_UNFINISHED}*")):
                with suppress(FileNotFoundError):  # finished since
                    if datetime.fromtimestamp(path.stat().st_mtime, UTC) < before:
                        if not dry_run:
                            path.unlink()
                        left.append(path)
        return tuple(left)

    def link(self, key: str, seconds: int) -> str | None:  # noqa: ARG002
        """None: whoever can read the folder needs no link."""
        return None

    def _path(self, key: str) -> Path:
        return self.root / check_key(key)


def _copy(source: Path | bytes, file: IO[bytes]) -> tuple[int, str]:
    """Copy while summing, so that the checksum costs no second reading."""
    if isinstance(source, bytes):
        file.write(source)
        return len(source), str(crc64(source))
    size = value = 0
    with source.open("rb") as origin:
        while chunk := origin.read(CHUNK):
            file.write(chunk)
            size, value = size + len(chunk), crc64(chunk, value)
    return size, str(value)


def _write_whole(target: Path, write: Callable[[IO[bytes]], tuple[int, str]]) -> tuple[int, str]:
    unfinished = target.parent / f"{_UNFINISHED}{secrets.token_hex(8)}"
    try:
        with _create(unfinished) as file:
            written = write(file)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
    _sync_folder(target.parent)
    return written


def _create(path: Path) -> IO[bytes]:
    """A new file, its folders included. A concurrent delete may prune a folder between two of these steps: hence the repetition."""
    for _ in range(_PRUNED):
        with suppress(FileNotFoundError):
            path.parent.mkdir(parents=True, exist_ok=True)
            return path.open("xb")  # not tempfile, whose 0600 would hide published files from everyone else
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("xb")


def _sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut, so that no manifest outlives the files that it names."""
    with suppress(OSError):  # some network file systems refuse it; the rename has happened all the same
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _explained(verb: str, path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise StorageError(f"Cannot {verb} {path}: {error.filename or path} is not there.") from error
    except OSError as error:
        kind = StorageBusyError if error.errno in _MAY_PASS else StorageError
        remedy = _REMEDIES.get(error.errno or 0, "Check the disk and the folder's permissions (STORAGE_DIR).")
        raise kind(f"Cannot {verb} {path}: {error.strerror}. {remedy}") from error
