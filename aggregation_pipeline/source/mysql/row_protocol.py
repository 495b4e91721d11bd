"""The rows of a result set, read from the socket of a PyMySQL connection in blocks.

PyMySQL connects, authenticates, encrypts, sends the statement and reads the column descriptions. The row packets are
read here, because PyMySQL makes a Python object of every cell. That is most of what reading MySQL from Python costs,
and its converters lose digits. A block of packets is kept as it came; blocks.py finds each column's cells in it.

Protocol: https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response_text_resultset.html
"""

import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import pymysql
from pymysql.constants import CR

from aggregation_pipeline.native.kernels import COMPILED, compiled
from aggregation_pipeline.source.mysql.blocks import PADDING, Block, find_cells
from aggregation_pipeline.source.mysql.pymysql_internals import (
    PyMySQLConnection,
    force_close,
    raise_server_error,
    start_query,
)

# A block is small enough that it stays in the cache with its columns, and large enough that what each column of a
# block costs, however few cells it has, does not count: so a block of many columns is larger.
BLOCK_BYTES: Final = 1 << 18
COLUMN_BYTES: Final = 1 << 15
LARGEST_BLOCK_BYTES: Final = 1 << 21
_LONGEST_PACKET: Final = 0xFFFFFF
_LONGEST_HEADER: Final = b"\xff\xff\xff"
_EOF, _ERROR = 0xFE, 0xFF
_HEADER: Final = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Field:
    """One column's description, with what the DB-API's `description` leaves out.

    Source:
    https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response_text_resultset_column_definition.html
    """

    name: str
    type_code: int
    flags: int
    charset: int
    length: int
    scale: int


class RowStream:
    """The rows of one statement.

    Take `blocks` to the end, or call `abort`: nothing else may use the connection before that.

    Attributes:
        fields: the column descriptions, in the statement's order.
        warnings: the server's count of warnings; known when the stream has ended.
        status: the server's status flags at the end of the stream.
    """

    def __init__(self, connection: PyMySQLConnection, sql: str) -> None:
        self._connection = connection
        self.warnings = 0
        self.status = 0
        self.finished = False
        result = start_query(connection, sql)
        self.fields = tuple(Field(f.name, f.type_code, f.flags, f.charsetnr, f.length, f.scale) for f in result.columns)
        self._sequence = result.sequence
        self._read = result.read
        self._block_bytes = min(max(BLOCK_BYTES, COLUMN_BYTES * len(self.fields)), LARGEST_BLOCK_BYTES)

    def abort(self) -> None:
        """Close the socket: the only way to stop a server that is sending, and it ends the transaction too."""
        if not self.finished:
            force_close(self._connection)

    def blocks(self) -> Iterator[Block]:
        """Yield the rows, some thousands at a time.

        Raises:
            pymysql.err.MySQLError: the server sent an error in the middle, or went away.
        """
        data = bytearray()
        try:
            while not self.finished:
                edges, consumed = self._fill(data)
                rest = data[consumed:]
                if len(edges) > 1:
                    data += PADDING
                    yield find_cells(np.frombuffer(data, np.uint8), np.frombuffer(edges, np.int64), len(self.fields))
                data = rest
        finally:
            self.abort()

    def _fill(self, data: bytearray) -> tuple["array[int]", int]:
        """Read until `data` holds a block of rows or the end; return the rows' edges, and how many bytes they take.

        Rows follow each other: row i, its header included, is `data[edges[i]:edges[i + 1]]`.
        """
        edges = array("q", [0])
        while True:
            self._scan(data, edges)
            consumed = edges[-1]
            at_end = len(edges) > 1 and self._is_end(data, edges[-2] + 4, consumed)
            if at_end or consumed >= self._block_bytes:
                self._expect(data, edges)
                return edges[:-1] if at_end else edges, consumed
            data += self._receive()

    def _scan(self, data: bytearray, edges: "array[int]") -> None:
        """Add to `edges` where each packet in `data` ends."""
        while True:
            edges.frombytes((compiled.packet_ends if COMPILED else packet_ends)(data, edges[-1]))
            start = edges[-1]
            if data[start : start + 3] != _LONGEST_HEADER or (end := self._join(data, start)) > len(data):
                return
            edges.append(end)

    def _expect(self, data: bytearray, edges: "array[int]") -> None:
        """Compare the last packet's sequence number with how many packets came, which shows one lost or too many."""
        self._sequence = (self._sequence + len(edges) - 1) & 0xFF
        if data[edges[-2] + 3] != (self._sequence - 1) & 0xFF:
            raise self._lost(f"packet {data[edges[-2] + 3]} came where {(self._sequence - 1) & 0xFF} was due")

    def _join(self, data: bytearray, position: int) -> int:
        """Join the packets of a row of 16 MiB or more by dropping the headers between them; return where the row ends.

        If some packets have not come yet, the returned end is after the end of `data`, and nothing is changed.
        """
        headers: list[tuple[int, int]] = []
        at = position
        while True:
            if len(data) - at < 4:
                return len(data) + 1
            header: int = _HEADER.unpack_from(data, at)[0]
            headers.append((at, header >> 24))
            at += 4 + (header & _LONGEST_PACKET)
            if at > len(data):
                return len(data) + 1
            if header & _LONGEST_PACKET < _LONGEST_PACKET:
                break
        for start, _ in reversed(headers[1:]):
            del data[start : start + 4]
        # From here on the row counts as one packet, with the number of its last.
        data[position + 3] = headers[-1][1]
        self._sequence += len(headers) - 1
        return at - 4 * (len(headers) - 1)

    def _receive(self) -> bytes:
        try:
            received = self._read(BLOCK_BYTES)
        except OSError as error:
            raise self._lost(str(error)) from error
        if not received:
            raise self._lost("the server closed the connection")
        return received

    def _lost(self, why: str) -> pymysql.err.OperationalError:
        return pymysql.err.OperationalError(CR.CR_SERVER_LOST, f"Lost connection to MySQL server during query ({why})")

    def _is_end(self, data: bytearray, start: int, end: int) -> bool:
        """Whether the last packet is the end of the rows, or an error instead of the rest of them."""
        if end == start or data[start] not in {_EOF, _ERROR}:
            return False
        if data[start] == _ERROR:
            # The connection is in order again: the server has stopped sending and waits for the next statement.
            self.finished = True
            raise_server_error(bytes(data[start:end]))
        if end - start >= 9:  # a row whose first cell has eight bytes of length
            return False
        self.warnings, self.status = struct.unpack_from("<HH", data, start + 1)
        self.finished = True
        return True


def packet_ends(data: bytearray, position: int) -> bytes:
    """Return where each whole packet from `position` on ends, as int64: the twin of the kernel.

    Stops before a packet that has not come whole, and before one of the greatest length, which the next continues. This
    is the one loop over all rows, so it is kept bare.
    """
    ends: list[int] = []
    last_header = len(data) - 4
    unpack, append = _HEADER.unpack_from, ends.append
    while position <= last_header:
        length = unpack(data, position)[0] & _LONGEST_PACKET
        if length == _LONGEST_PACKET:
            break
        position += 4 + length
        append(position)
    if ends and ends[-1] > len(data):
        ends.pop()
    return array("q", ends).tobytes()
