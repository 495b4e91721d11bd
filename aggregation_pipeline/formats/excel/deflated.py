"""ZIP files whose members are deflated in pieces, each when its bytes are there.

A sheet begins with what is known only after its last row: how many rows there are. So its rows are deflated while they
are read, and its beginning is put before them at the end. Until then all pieces wait in a file. Then their sizes are
known, so only a member that needs the wide (ZIP64) header has it: some versions of Excel do not open it.
"""

import zipfile
from collections.abc import Mapping, Sequence
from typing import IO, NamedTuple

from isal import isal_zlib

# XML packs to a sixth at any level. At level 1 this library takes a quarter of the time that zlib takes at its level 1.
_LEVEL = 1
_RAW = -15
# How much is deflated at once. Where the input is cut shows in the output, and batches of rows are cut in other places
# while they are read than when they come from an extract.
_BLOCK = 128 * 1024
# An empty last block. A piece ends with a whole byte and without a last block, so that another can follow it.
_END = b"\x03\x00"


class Packed(NamedTuple):
    """A part of a member: where it is, deflated, and the size and CRC-32 of what it was made of."""

    start: int
    packed: int
    size: int
    crc: int


class Packer:
    """Deflates bytes to the end of a file. The same bytes give the same piece."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._block = bytearray()
        self._begin()

    def _begin(self) -> None:
        self._start, self._size, self._crc = self._file.tell(), 0, 0
        self._compressor = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _RAW)

    def write(self, data: bytes | memoryview) -> None:
        """Add bytes to the piece."""
        rest = memoryview(data)
        if self._block:
            missing = _BLOCK - len(self._block)
            self._block += rest[:missing]
            rest = rest[missing:]
            if len(self._block) == _BLOCK:
                self._deflate(self._block)
                self._block.clear()
        while len(rest) >= _BLOCK:
            self._deflate(rest[:_BLOCK])
            rest = rest[_BLOCK:]
        self._block += rest

    def end(self) -> Packed:
        """End the piece, and begin another."""
        self._deflate(self._block)
        self._block.clear()
        self._file.write(self._compressor.flush(isal_zlib.Z_FULL_FLUSH))
        piece = Packed(self._start, self._file.tell() - self._start, self._size, self._crc)
        self._begin()
        return piece

    def add(self, data: bytes) -> Packed:
        """Make one piece of all these bytes."""
        self.write(data)
        return self.end()

    def _deflate(self, data: bytearray | memoryview) -> None:
        self._size += len(data)
        self._crc = isal_zlib.crc32(data, self._crc)
        self._file.write(self._compressor.compress(data))


def write_zip(target: IO[bytes], members: Mapping[str, Sequence[Packed]], source: IO[bytes]) -> None:
    """Write a ZIP file of these members, each made of its pieces in `source`. It has no clock."""
    with zipfile.ZipFile(target, "w") as archive:
        for name, pieces in members.items():
            member = _member(name, pieces)
            # What ZipFile.open does for a member that zipfile itself deflates.
            member.header_offset = target.tell()
            target.write(member.FileHeader())
            for piece in pieces:
                _copy(piece, source, target)
            target.write(_END)
            archive.filelist.append(member)
            archive.start_dir = target.tell()


def _member(name: str, pieces: Sequence[Packed]) -> zipfile.ZipInfo:
    # Its time is 1980, the first that ZIP knows.
    member = zipfile.ZipInfo(name)
    member.compress_type = zipfile.ZIP_DEFLATED
    member.external_attr = 0o600 << 16
    member.compress_size = sum(piece.packed for piece in pieces) + len(_END)
    member.file_size = sum(piece.size for piece in pieces)
    member.CRC = 0
    for piece in pieces:
        member.CRC = isal_zlib.crc32_combine(member.CRC, piece.crc, piece.size)
    return member


def _copy(piece: Packed, source: IO[bytes], target: IO[bytes]) -> None:
    source.seek(piece.start)
    for start in range(0, piece.packed, _BLOCK):
        target.write(source.read(min(_BLOCK, piece.packed - start)))
