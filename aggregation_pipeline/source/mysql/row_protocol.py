"""The rows of a result set, read from the socket of a PyMySQL connection in blocks.

PyMySQL connects, authenticates, encrypts, sends the statement and reads the column descriptions. The row packets are
read here, because PyMySQL makes a Python object of every cell. That is most of what reading MySQL from Python costs,
and its converters lose digits. A block of packets is kept as it came. numpy computes where each column's cells are, for
all rows at once, and Arrow builds the columns from them.

Protocol: https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response_text_resultset.html
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pymysql
from pymysql.constants import CR

from aggregation_pipeline.source.mysql.pymysql_internals import (
    PyMySQLConnection,
    force_close,
    raise_server_error,
    start_query,
)

# Large enough that numpy's cost per call does not count, small enough that a block and its columns stay in the cache.
BLOCK_BYTES: Final = 1 << 18
_LONGEST_PACKET: Final = 0xFFFFFF
_EOF, _ERROR, _NULL, _TWO_BYTES, _THREE_BYTES, _EIGHT_BYTES = 0xFE, 0xFF, 0xFB, 0xFC, 0xFD, 0xFE
_HEADER: Final = struct.Struct("<I")
# Room after the last cell, so that fixed-width windows over the block never reach past its end.
_PADDING: Final = bytes(16)

Places = npt.NDArray[np.int64]


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


@dataclass(frozen=True, slots=True)
class Cells:
    """Where one column's cells are: `block[start:start + length]`, each array of shape (rows,)."""

    starts: Places
    lengths: Places
    nulls: npt.NDArray[np.bool_] | None  # None: no cell is NULL


@dataclass(frozen=True, slots=True)
class Block:
    """Some whole rows.

    Attributes:
        data: the bytes as they came, shape (n,), with 16 bytes of padding.
        rows: how many there are.
        columns: where each column's cells are.
    """

    data: npt.NDArray[np.uint8]
    rows: int
    columns: tuple[Cells, ...]

    def texts(self) -> list[tuple[str | None, ...]]:
        """Return the rows as text, for small results. Bytes that are not UTF-8 become �."""
        return list(zip(*(self._texts_of(cells) for cells in self.columns), strict=True))

    def _texts_of(self, cells: Cells) -> list[str | None]:
        nulls = [False] * self.rows if cells.nulls is None else cells.nulls.tolist()
        ends = cells.starts + cells.lengths
        return [
            None if null else self.data[start:end].tobytes().decode(errors="replace")
            for start, end, null in zip(cells.starts.tolist(), ends.tolist(), nulls, strict=True)
        ]


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
                rows, consumed = self._fill(data)
                rest = data[consumed:]
                if len(rows) > 1:
                    data += _PADDING
                    yield _locate(np.frombuffer(data, np.uint8), np.array(rows, np.int64), len(self.fields))
                data = rest
        finally:
            self.abort()

    def _fill(self, data: bytearray) -> tuple[list[int], int]:
        """Read until `data` holds a block of rows or the end; return the rows' edges, and how many bytes they take.

        Rows follow each other: row i, its header included, is `data[edges[i]:edges[i + 1]]`.
        """
        edges = [0]
        while True:
            self._scan(data, edges)
            consumed = edges[-1]
            at_end = len(edges) > 1 and self._is_end(data, edges[-2] + 4, consumed)
            if at_end or consumed >= BLOCK_BYTES:
                self._expect(data, edges)
                return edges[:-1] if at_end else edges, consumed
            data += self._receive()

    def _scan(self, data: bytearray, edges: list[int]) -> None:
        """Add to `edges` where each packet in `data` ends. This is the one loop over all rows, so it is kept bare."""
        position, last_header = edges[-1], len(data) - 4
        unpack, append = _HEADER.unpack_from, edges.append
        while position <= last_header:
            length = unpack(data, position)[0] & _LONGEST_PACKET
            if length == _LONGEST_PACKET:
                position = self._join(data, position)
                last_header = len(data) - 4
            else:
                position += 4 + length
            append(position)
        if position > len(data):
            edges.pop()

    def _expect(self, data: bytearray, edges: list[int]) -> None:
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


def _locate(data: npt.NDArray[np.uint8], edges: Places, columns: int) -> Block:
    """Find every cell of the rows between `edges`, column by column for all rows: cells are length-encoded strings."""
    at: Places = edges[:-1] + 4
    cells = []
    for _ in range(columns):
        first = data[at].astype(np.int64)
        at = at + 1
        if int(first.max(initial=0)) < _NULL:
            cells.append(Cells(at, first, None))
            at = at + first
            continue
        nulls = first == _NULL
        lengths = np.where(nulls, 0, first)
        for mark, width in ((_TWO_BYTES, 2), (_THREE_BYTES, 3), (_EIGHT_BYTES, 8)):
            long = np.flatnonzero(first == mark)
            if long.size:
                digits = data[at[long, None] + np.arange(width)].astype(np.int64)
                lengths[long] = (digits << (8 * np.arange(width))).sum(axis=1)
                at[long] += width
        cells.append(Cells(at, lengths, nulls if nulls.any() else None))
        at = at + lengths
    if not np.array_equal(at, edges[1:]):
        raise pymysql.err.InternalError(CR.CR_MALFORMED_PACKET, "a row's cells do not fill its packet")
    return Block(data, len(edges) - 1, tuple(cells))
