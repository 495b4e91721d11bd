"""Where the Node service's files lie: a folder of this machine, or a bucket."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from aggregation_pipeline.errors import ComparisonError, SettingsError
from aggregation_pipeline.node_files.names import DEFAULT_TEMPLATE, prefix_of

if TYPE_CHECKING:
    from aggregation_pipeline.storage.oss.options import OssOptions

# Names looked at, in a folder with everything below it, or below a prefix.
MOST_NAMES: Final = 200_000
_SCHEME: Final = "oss://"
# --old may name the folder of the service, or what it lies in.
_TEMPLATES: Final = (DEFAULT_TEMPLATE, DEFAULT_TEMPLATE.partition("/")[2])


class OldPlace(Protocol):
    """Lists files by their keys, and hands them out."""

    def keys(self, days: Sequence[date]) -> Iterator[str]:
        """Yield the keys of files that may have been written on one of these days.

        Raises:
            ComparisonError: there are too many to look through, or the place is not there.
        """
        ...

    def fetch(self, key: str, directory: Path) -> Path:
        """Return the file; what has to be downloaded goes into `directory`."""
        ...

    def shown(self, key: str) -> str:
        """Return the address for people."""
        ...


def old_place(address: str, options: "OssOptions | None") -> OldPlace:
    """Return the place at `oss://bucket/prefix` or at a path. `options` say how OSS is reached.

    Raises:
        SettingsError: the place is a bucket, and nothing says how OSS is reached.
        ComparisonError: there is no such folder, or the address names no bucket.
    """
    if not address.startswith(_SCHEME):
        root = Path(address).expanduser()
        if not root.exists():
            raise ComparisonError(f"--old {address}: there is no such file or folder on this machine.")
        return _Folder(root)
    bucket, _, prefix = address.removeprefix(_SCHEME).partition("/")
    if not bucket:
        raise ComparisonError(f"--old {address}: oss://BUCKET or oss://BUCKET/PREFIX is expected.")
    if options is None:
        raise SettingsError(
            f"--old {address} is a bucket, and no OSS is configured: set OSS_BUCKET, OSS_REGION and a key, with which"
            " the other bucket is read too."
        )
    return _Bucket(replace(options, bucket=bucket), prefix.strip("/"))


class _Folder:
    def __init__(self, root: Path) -> None:
        self._root = root

    def keys(self, days: Sequence[date]) -> Iterator[str]:
        del days  # a folder of the service's is flat, and looking through it costs nothing
        if self._root.is_file():
            yield str(self._root)
            return
        seen = 0
        for folder, folders, names in os.walk(self._root):
            folders.sort()
            for name in sorted(names):
                seen += 1
                if seen > MOST_NAMES:
                    raise _too_many(str(self._root))
                yield str(Path(folder) / name)

    def fetch(self, key: str, directory: Path) -> Path:
        del directory
        path = Path(key) if Path(key).is_absolute() or Path(key).exists() else self._root / key
        if not path.is_file():
            raise ComparisonError(f"{path} is no file on this machine.")
        return path

    def shown(self, key: str) -> str:
        return key


class _Bucket:
    def __init__(self, options: "OssOptions", prefix: str) -> None:
        # Alibaba's library takes a second to import.
        from aggregation_pipeline.storage.oss.store import OssStore

        self._store = OssStore(options)
        self._prefix = prefix

    def keys(self, days: Sequence[date]) -> Iterator[str]:
        """Yield what lies in the days' folders; where there are none, everything below the prefix."""
        found = False
        below = f"{self._prefix}/" if self._prefix else ""
        for template in _TEMPLATES:
            for day in days:
                for stored in islice(self._store.list(f"{below}{prefix_of(template, day)}"), MOST_NAMES):
                    found = True
                    yield stored.key
        if found:
            return
        for seen, stored in enumerate(self._store.list(below), start=1):
            if seen > MOST_NAMES:
                raise _too_many(self.shown(below))
            yield stored.key

    def fetch(self, key: str, directory: Path) -> Path:
        target = directory / key.rpartition("/")[2]
        self._store.get(key, target)
        return target

    def shown(self, key: str) -> str:
        return self._store.uri(key)


def _too_many(place: str) -> ComparisonError:
    return ComparisonError(
        f"{place} holds over {MOST_NAMES:,} files. Name a folder or a prefix further down with --old, or the file with"
        " --file."
    )
