"""A folder as an object store: for a fresh machine, for a mounted disk, and for tests of everything above it."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from os import stat_result
from pathlib import Path

from aggregation_pipeline.storage.base import NO_METADATA, StoredObject, checked_source
from aggregation_pipeline.storage.crc64 import crc64_of_file
from aggregation_pipeline.storage.folder_errors import explained
from aggregation_pipeline.storage.folder_files import (
    UNFINISHED,
    copy_content,
    files_below,
    link_or_copy,
    write_whole,
)
from aggregation_pipeline.storage.folder_writable import prove_folder_writable
from aggregation_pipeline.storage.keys import check_key
from aggregation_pipeline.storage.partial_download import partial_download


class FolderStore:
    """Objects as files below `root`, which is created with the first one.

    A file has no place for media type, metadata or a name to download it by: they are ignored.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    def __repr__(self) -> str:
        return f"FolderStore({str(self.root)!r})"

    def prove_writable(self, prefix: str) -> None:
        """Look at the folder, or at the one in which it would be created: its owner, and the space on its disk."""
        del prefix  # all prefixes are on one disk
        prove_folder_writable(self.root)

    def put(
        self,
        key: str,
        source: Path | bytes,
        *,
        media_type: str,
        metadata: Mapping[str, str] = NO_METADATA,
        filename: str | None = None,
        final: bool = False,
    ) -> StoredObject:
        """Write a hidden file in the same folder, then rename it: readers see the old file or the new.

        With `final`, a file on the same disk becomes the object by a hard link.
        """
        del media_type, metadata, filename
        target, source = self._path(key), checked_source(source)
        with explained("store", target):
            return StoredObject(key, *write_whole(source, target, final=final))

    def copy(
        self,
        source_key: str,
        target_key: str,
        *,
        media_type: str,
        filename: str | None = None,
        known: StoredObject | None = None,
    ) -> bool:
        """Make a hard link; a true copy where the file system has no links, or the file too many."""
        del media_type, filename, known
        source, target = self._path(source_key), self._path(target_key)
        with explained(f"name {source} as", target):
            return link_or_copy(source, target)

    def symlink(
        self,
        source_key: str,
        target_key: str,
        *,
        media_type: str,
        filename: str | None = None,
        known: StoredObject | None = None,
    ) -> bool:
        """Do the same as `copy`: a hard link costs nothing, and holds when its source is deleted."""
        return self.copy(source_key, target_key, media_type=media_type, filename=filename, known=known)

    def get(self, key: str, target: Path) -> StoredObject:
        """Copy the file to `target`. A plain file states no checksum, so the one returned is of what was read."""
        source = self._path(key)
        with explained("read", source), partial_download(target) as file:
            return StoredObject(key, *copy_content(source, file))

    def read(self, key: str) -> bytes:
        """Return the file's content."""
        path = self._path(key)
        with explained("read", path):
            return path.read_bytes()

    def head(self, key: str) -> StoredObject | None:
        """Return size and checksum by reading the file: what is on the disk now, not what was once written."""
        path = self._path(key)
        with explained("read", path):
            try:
                return StoredObject(key, *crc64_of_file(path), datetime.fromtimestamp(path.stat().st_mtime, UTC))
            except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
                return None

    def delete(self, key: str) -> None:
        """Remove the file, and the folders that it leaves empty."""
        path = self._path(key)
        with explained("delete", path):
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
        """Yield finished objects below `prefix` in OSS's order: by the UTF-8 bytes of the whole key."""
        if prefix:
            check_key(prefix.removesuffix("/"))
        start = self.root / prefix.rpartition("/")[0]
        with explained("list", start):
            finished = (path for path in files_below(start) if not path.name.startswith(UNFINISHED))
            found = [(path, path.relative_to(self.root).as_posix()) for path in finished]
        for path, key in sorted(found, key=lambda pair: pair[1].encode()):
            if key.startswith(prefix) and (status := _status(path)) is not None:
                yield StoredObject(key, status.st_size, None, datetime.fromtimestamp(status.st_mtime, UTC))

    def local_folder(self) -> Path:
        """Return the folder itself."""
        return self.root

    def uri(self, key: str) -> str:
        """Return `file:///...`, percent-encoded."""
        return self._path(key).as_uri()

    def page(self, key: str) -> str | None:
        """Return None: a file manager shows folders."""
        del key
        return None

    def delete_half_written(self, before: datetime, *, dry_run: bool = False) -> tuple[Path, ...]:
        """Remove unfinished files that were last written before `before`, never objects; return them.

        Only a killed writer leaves such files.
        """
        removed = []
        with explained("clean up", self.root):
            for path in sorted(path for path in files_below(self.root) if path.name.startswith(UNFINISHED)):
                with suppress(FileNotFoundError):  # finished since
                    status = path.stat()
                    # By `st_mtime` a hard link is as old as its file, however new it is.
                    written = status.st_mtime if status.st_nlink == 1 else status.st_ctime
                    if datetime.fromtimestamp(written, UTC) < before:
                        if not dry_run:
                            path.unlink()
                        removed.append(path)
        return tuple(removed)

    def link(self, key: str, seconds: int) -> str | None:
        """Return None: whoever can read the folder needs no link."""
        del key, seconds
        return None

    def _path(self, key: str) -> Path:
        return self.root / check_key(key)


def _status(path: Path) -> stat_result | None:
    """Return None when the file has been deleted since it was listed."""
    with explained("list", path), suppress(FileNotFoundError):
        return path.stat()
    return None
