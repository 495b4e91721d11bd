"""Packets of MySQL's protocol as a server writes them.

https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_packets.html
"""

import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from pymysql.constants import FIELD_TYPE

UTF8MB4, BINARY = 255, 63
IN_TRANSACTION, AUTOCOMMIT = 1, 2
Cell = str | bytes | None


@dataclass(frozen=True)
class Column:
    """A column's description, as the protocol has it."""

    name: str
    type_code: int = FIELD_TYPE.VAR_STRING
    flags: int = 0
    charset: int = UTF8MB4
    length: int = 1020
    decimals: int = 0

    def packet(self) -> bytes:
        names = b"".join(text(part) for part in ("def", "", "", "", self.name, ""))
        return names + struct.pack(
            "<BHIBHBxx", 12, self.charset, self.length, self.type_code, self.flags, self.decimals
        )


class Wire:
    """One connection. Packets are numbered through in both directions."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.sequence = 0

    def read(self) -> bytes:
        """The next packet. Raises ConnectionError at the end of the stream."""
        header = self._exactly(4)
        self.sequence = header[3] + 1
        return self._exactly(int.from_bytes(header[:3], "little"))

    def write(self, *packets: bytes) -> None:
        stream = b""
        for packet in packets:
            assert len(packet) < 0xFFFFFF
            stream += len(packet).to_bytes(3, "little") + bytes([self.sequence & 0xFF]) + packet
            self.sequence += 1
        self.socket.sendall(stream)

    def _exactly(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            piece = self.socket.recv(size - len(found))
            if not piece:
                raise ConnectionError("the client is gone")
            found += piece
        return found


def number(value: int) -> bytes:
    """A length-encoded integer."""
    if value < 0xFB:
        return bytes([value])
    return b"\xfc" + struct.pack("<H", value) if value < 1 << 16 else b"\xfd" + struct.pack("<I", value)[:3]


def text(value: str | bytes) -> bytes:
    """A length-encoded string."""
    raw = value.encode() if isinstance(value, str) else value
    return number(len(raw)) + raw


def ok(status: int = AUTOCOMMIT, warnings: int = 0) -> bytes:
    return b"\x00\x00\x00" + struct.pack("<HH", status, warnings)


def error(code: int, state: str, message: str) -> bytes:
    return b"\xff" + struct.pack("<H", code) + b"#" + state.encode() + message.encode()


def result(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], status: int, warnings: int) -> list[bytes]:
    """A result set in the text protocol, with EOF packets, as PyMySQL does not set CLIENT_DEPRECATE_EOF."""
    end = b"\xfe" + struct.pack("<HH", warnings, status)
    cells = [b"".join(b"\xfb" if cell is None else text(cell) for cell in row) for row in rows]
    return [number(len(columns)), *(column.packet() for column in columns), end, *cells, end]
