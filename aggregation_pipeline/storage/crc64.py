"""CRC-64/XZ, the checksum that OSS keeps for each object.

fastcrc does 29 GB/s where crcmod, which comes with oss2, does 0.46 with its C extension and a thousandth of that
without: so the checksum of a file costs no more than reading it, and files can be compared with what a store holds
before anything is sent.
"""

from pathlib import Path

import fastcrc

CHUNK = 1 << 20


def crc64(data: bytes, before: int = 0) -> int:
    """The checksum of `data`, going on from `before`, the checksum of what came earlier."""
    return int(fastcrc.crc64.xz(data, before))


def crc64_of_file(path: Path) -> tuple[int, str]:
    """Size in bytes and checksum of a file, read once in pieces of 1 MiB."""
    size = value = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            size += len(chunk)
            value = crc64(chunk, value)
    return size, str(value)
