"""A folder as an object store: for a fresh machine, for a mounted disk, and for tests of everything above it."""

import errno
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TypeVar

from aggregation_pipeline.errors import StorageBusyError, StorageDeniedError, StorageError, StorageMissingError
from aggregation_pipeline.storage.base import NO_METADATA, StoredObject
from aggregation_pipeline.storage.crc64 import CHUNK, crc64, crc64_of_file
from aggregation_pipeline.storage.folder_writable import prove_folder_writable
from aggregation_pipeline.storage.keys import check_key
from aggregation_pipeline.storage.partial_download import partial_download

# Keys made by keys.py hold `%` only before two hex digits, so no object can be taken for a file that is still being
# written.
_UNFINISHED = ".%part-"
T = TypeVar("T")
_PRUNED = 20  # times that folders may vanish under our feet before it counts as an error
_REMEDIES = {
    errno.ENOSPC: "The disk is full: free some space or set STORAGE_DIR to a larger disk.",
    errno.EDQUOT: "The disk quota is used up: free some space or set STORAGE_DIR to another disk.",
    errno.EROFS: "The file system is read-only: set STORAGE_DIR to one that is not.",
    errno.ENAMETOOLONG: "A file system takes 255 bytes a name at most: shorten the entry's name.",
    errno.ENOTDIR: "A file stands where a folder is needed: move it away.",
    errno.EISDIR: "A folder stands where the file should go: move it away.",
}
_DENIED = {errno.EACCES, errno.EPERM}
# Some file systems have no hard links, and some files may have no more of them.
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}
# Nobody writes into a published file: what is new takes its place. The umask says who may read.
_PUBLISHED = 0o444
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_MAY_PASS = {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EBUSY, errno.EAGAIN, errno.EMFILE, errno.ENFILE}


class FolderStore:
    """Objects as files below `root`, which is made with the first one."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    def __repr__(self) -> str:
        return f"FolderStore({str(self.root)!r})"

    def prove_writable(self, prefix: str) -> None:  # noqa: ARG002  all prefixes are on one disk
        """Look at the folder, or at the one in which it would be made: its owner, and the space on its disk."""
        prove_folder_writable(self.root)

    def put(
        self,
        key: str,
        source: Path | bytes,
        *,
        media_type: str,  # noqa: ARG002  a file has no place for it
        metadata: Mapping[str, str] = NO_METADATA,  # noqa: ARG002
        filename: str | None = None,  # noqa: ARG002
    ) -> StoredObject:
        """Copy to a hidden file in the same folder, flush it to the disk, then rename: readers see the old file or the
        new.
        """
        target = self._path(key)
        with _explained("store", target):
            return StoredObject(key, *_write_whole(target, lambda file: _copy(source, file)))

    def copy(
        self,
        source_key: str,
        target_key: str,
        *,
        media_type: str,  # noqa: ARG002  a file has no place for it
        filename: str | None = None,  # noqa: ARG002
        known: StoredObject | None = None,  # noqa: ARG002  a link costs less than a look
    ) -> bool:
        """A hard link under a hidden name, then a rename. A true copy where the file system has no links, or the file
        too many.
        """
        source, target = self._path(source_key), self._path(target_key)
        with _explained(f"name {source} as", target):
            if _same_file(source, target):
                return False
            try:
                _link(source, target)
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                if _same_content(source, target):
                    return False
                _write_whole(target, lambda file: _copy(source, file))
            return True

    def symlink(
        self,
        source_key: str,
        target_key: str,
        *,
        media_type: str,
        filename: str | None = None,
        known: StoredObject | None = None,
    ) -> bool:
        """As `copy`: a hard link costs nothing, and holds when its source is deleted."""
        return self.copy(source_key, target_key, media_type=media_type, filename=filename, known=known)

    def get(self, key: str, target: Path) -> StoredObject:
        """Copy out, atomically. A plain file carries no checksum to compare with: the one returned is of what was
        read.
        """
        source = self._path(key)
        with _explained("read", source), partial_download(target) as file:
            return StoredObject(key, *_copy(source, file))

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
                for path in _files(start)
                if not path.name.startswith(_UNFINISHED)
            ]
        for path, key in sorted(found, key=lambda pair: pair[1].encode()):
            if key.startswith(prefix) and (status := _status(path)) is not None:
                yield StoredObject(key, status.st_size, None, datetime.fromtimestamp(status.st_mtime, UTC))

    def uri(self, key: str) -> str:
        """`file:///...`, percent-encoded."""
        return self._path(key).as_uri()

    def page(self, key: str) -> str | None:  # noqa: ARG002
        """None: a file manager shows folders."""
        return None

    def delete_half_written(self, before: datetime, *, dry_run: bool = False) -> tuple[Path, ...]:
        """Remove what writers that were killed before `before` left half written; returns it. No object is ever among
        it.
        """
        left = []
        with _explained("clean up", self.root):
            for path in sorted(path for path in _files(self.root) if path.name.startswith(_UNFINISHED)):
                with suppress(FileNotFoundError):  # finished since
                    status = path.stat()
                    # A hard link is as old as its file by `st_mtime`, however new it is.
                    written = status.st_mtime if status.st_nlink == 1 else status.st_ctime
                    if datetime.fromtimestamp(written, UTC) < before:
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


def _files(folder: Path) -> Iterator[Path]:
    """All files below `folder`. A folder that may not be read is an error and not an empty one; one that has just gone
    is fine.
    """

    def refuse(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            raise error

    for parent, _, names in os.walk(folder, onerror=refuse):
        yield from (Path(parent, name) for name in names)


def _status(path: Path) -> os.stat_result | None:
    """None when it has been deleted since it was listed."""
    with _explained("list", path), suppress(FileNotFoundError):
        return path.stat()
    return None


def _same_file(source: Path, target: Path) -> bool:
    status = source.stat()
    try:
        return os.path.samestat(status, target.stat())
    except FileNotFoundError:
        return False


def _same_content(source: Path, target: Path) -> bool:
    try:
        return source.stat().st_size == target.stat().st_size and crc64_of_file(source) == crc64_of_file(target)
    except FileNotFoundError:
        return False


def _link(source: Path, target: Path) -> None:
    unfinished = target.parent / f"{_UNFINISHED}{secrets.token_hex(8)}"
    try:
        _in_folder(target.parent, lambda: os.link(source, unfinished))
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)  # a rename onto the same file does nothing
    _sync_folder(target.parent)


def _write_whole(target: Path, write: Callable[[IO[bytes]], tuple[int, str]]) -> tuple[int, str]:
    unfinished = target.parent / f"{_UNFINISHED}{secrets.token_hex(8)}"
    try:
        # Not tempfile, whose 0600 would hide published files from everyone else.
        with os.fdopen(_in_folder(target.parent, lambda: os.open(unfinished, _NEW, _PUBLISHED)), "wb") as file:
            written = write(file)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
    _sync_folder(target.parent)
    return written


def _in_folder(folder: Path, make: Callable[[], T]) -> T:
    """`make()` something in a folder that is made first. A concurrent delete may prune it between the two: hence the
    repetition.
    """
    for _ in range(_PRUNED):
        with suppress(FileNotFoundError):
            folder.mkdir(parents=True, exist_ok=True)
            return make()
    folder.mkdir(parents=True, exist_ok=True)
    return make()


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
    except OSError as error:
        about = Path(error.filename or path)
        if (
            verb == "read"
            and about == path
            and isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError)
        ):
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
