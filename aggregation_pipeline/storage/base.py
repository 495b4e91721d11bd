"""What every store can do. The pipeline knows stores only by this protocol."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from aggregation_pipeline.errors import StorageError

NO_METADATA: Mapping[str, str] = MappingProxyType({})
# Of manifests, marks and latest.json.
JSON_MEDIA_TYPE = "application/json"
# Takes one line for people about what was done.
Report = Callable[[str], None]


@dataclass(frozen=True)
class StoredObject:
    """An object as its store describes it.

    Attributes:
        crc64: CRC-64/XZ as a decimal number, as OSS writes it. None where the store would have to read the object to
            know (a listing) or never computed it.
        modified: in UTC; None where the call did not ask for it.
        link: the key that a symlink points to, where `head` found one. Bytes and checksum are those of its file.
    """

    key: str
    bytes: int
    crc64: str | None
    modified: datetime | None = None
    link: str | None = None


def checked_source(source: object) -> Path | bytes:
    """Return what `put` was given, if it can be stored; projects of others call it too, without a type checker.

    Raises:
        StorageError: it is of another type; the message says what to write instead.
    """
    if isinstance(source, Path | bytes):
        return source
    raise StorageError(
        f"put takes a pathlib.Path or bytes, and this is a {type(source).__name__}: write text.encode() for a text,"
        " Path(name) for the name of a file, bytes(value) for a bytearray or a memoryview"
    )


class ObjectStore(Protocol):
    """Whole objects under slash-separated keys.

    Keys that could leave the store's root are refused. All methods may be called from several threads.

    Raises:
        StorageBusyError: something that may pass by itself.
        StorageDeniedError: we lack the right. It says nothing of whether the object is there.
        StorageError: something that will not pass by itself.
    """

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
        """Store `source` whole or not at all, replacing what was there; the stored object is verified.

        With `final`, nobody writes into `source` any more, so a folder may take the file itself instead of a copy, and
        compute no checksum.
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
        """Let `target_key` hold what `source_key` holds; return whether anything had to be done.

        What was there is replaced as a whole, and the result is verified. The content does not pass through this
        machine; in a folder both are one file. `known`: the source as the caller knows it, which saves a look.
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
        """Let `target_key` link to the file `source_key`; return whether anything had to be done.

        In a folder this is `copy`.

        Raises:
            StorageError: `source_key` is not there, or is a link itself.
        """
        ...

    def get(self, key: str, target: Path) -> StoredObject:
        """Write the object to `target`, which appears only when the content is whole and verified.

        Raises:
            StorageMissingError: there is no such object.
        """
        ...

    def read(self, key: str) -> bytes:
        """Return the content of a small object, verified.

        Raises:
            StorageMissingError: there is no such object.
        """
        ...

    def head(self, key: str) -> StoredObject | None:
        """Return the object with its CRC64; None when there is none."""
        ...

    def delete(self, key: str) -> None:
        """Remove the object; an absent one is fine."""
        ...

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Yield objects whose key begins with `prefix`, in the order of their UTF-8 keys.

        They have no `crc64`, and symlinks of OSS have 0 bytes.
        """
        ...

    def prove_writable(self, prefix: str) -> None:
        """Prove that a run could store files below `prefix`. Nothing is left behind.

        Raises:
            StorageError: it could not; StorageBusyError where that may pass.
        """
        ...

    def local_folder(self) -> Path | None:
        """Return the folder of this machine that holds the objects; None where they are elsewhere."""
        ...

    def uri(self, key: str) -> str:
        """Return `oss://bucket/key` or `file:///...`: an address for people and metadata, never with a secret."""
        ...

    def page(self, key: str) -> str | None:
        """Return the address of a web page that shows the object to those who may see it; None without one.

        The address holds no secret.
        """
        ...

    def link(self, key: str, seconds: int) -> str | None:
        """Return a download link that works without credentials for `seconds`; None where the store has none.

        Whoever has the link can read the object, so never log it.
        """
        ...
