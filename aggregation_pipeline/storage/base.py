"""What every store can do. The pipeline knows stores by this protocol alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

NO_METADATA: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class StoredObject:
    """An object as its store describes it.

    `crc64` is CRC-64/XZ as a decimal number, the way OSS writes it; None where the store would have to read the object
    to know (a listing) or never computed it. `modified` is in UTC and None where the call did not ask for it. `link`:
    where `head` found a symlink, the key that it points to; bytes and checksum are those of what is read there.
    """

    key: str
    bytes: int
    crc64: str | None
    modified: datetime | None = None
    link: str | None = None


class ObjectStore(Protocol):
    """Whole objects under slash-separated keys.

    Every method raises StorageError for what will not pass by itself and StorageBusyError for what may;
    StorageDeniedError where we may not do it, which says nothing of whether the object is there. Keys that could leave
    the store's root are refused. All methods may be called from several threads.
    """

    def put(
        self,
        key: str,
        source: Path | bytes,
        *,
        media_type: str,
        metadata: Mapping[str, str] = NO_METADATA,
        filename: str | None = None,
    ) -> StoredObject:
        """Store `source` whole or not at all, replacing what was there; what was stored is verified before this
        returns.
        """
        ...

    def copy(
        self,
        source_key: str,
        target_key: str,
        *,
        media_type: str,
        filename: str | None = None,
        known: StoredObject | None = None,
    ) -> bool:
        """Let `target_key` hold what `source_key` holds, replacing whole what was there; whether anything had to be
        done.

        Nothing goes through this machine, and what stands there afterwards is verified. In a folder both are one file.
        `known`: what stands under `source_key`, where the caller knows; it is not looked at then.
        """
        ...

    def symlink(
        self,
        source_key: str,
        target_key: str,
        *,
        media_type: str,
        filename: str | None = None,
        known: StoredObject | None = None,
    ) -> bool:
        """Let `target_key` lead to the file `source_key`; whether anything had to be done.

        StorageError when `source_key` is not there or is a link itself. In a folder this is `copy`.
        """
        ...

    def get(self, key: str, target: Path) -> StoredObject:
        """Write the object to `target`, which appears only when the content is whole and verified; StorageMissingError
        without one.
        """
        ...

    def read(self, key: str) -> bytes:
        """The content of a small object, verified; StorageMissingError when there is none."""
        ...

    def head(self, key: str) -> StoredObject | None:
        """The object with its CRC64, None when there is none."""
        ...

    def delete(self, key: str) -> None:
        """Remove the object; an absent one is fine."""
        ...

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Objects whose key begins with `prefix`, in the order of their UTF-8 keys, without `crc64`; symlinks of OSS
        with 0 bytes.
        """
        ...

    def prove_writable(self, prefix: str) -> None:
        """Raise StorageError, or StorageBusyError for what may pass, where a run could not store its files below
        `prefix`. Nothing is left behind.
        """
        ...

    def uri(self, key: str) -> str:
        """`oss://bucket/key` or `file:///...`: an address for people and metadata, never with a secret."""
        ...

    def page(self, key: str) -> str | None:
        """A web page that shows the object to those who may see it, without a secret in its address; None where there
        is none.
        """
        ...

    def link(self, key: str, seconds: int) -> str | None:
        """A download link that works without credentials for `seconds`; None where the store has no such thing.

        It is a secret for as long as it lives: show it, never log it.
        """
        ...
