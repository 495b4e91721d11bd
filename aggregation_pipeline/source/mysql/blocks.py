"""Where the cells of a block of rows are: for each column, the places of all rows at once.

A row's packet holds one length-encoded string for each column:
https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_dt_strings.html
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pymysql
from pymysql.constants import CR

from aggregation_pipeline.native.kernels import COMPILED, compiled

# Room after the last cell, so that windows of a fixed width over the block never reach past its end.
PADDING: Final = bytes(16)
_NULL, _TWO_BYTES, _THREE_BYTES, _EIGHT_BYTES, _NO_CELL = 0xFB, 0xFC, 0xFD, 0xFE, 0xFF

Places = npt.NDArray[np.int64]


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


def find_cells(data: npt.NDArray[np.uint8], edges: Places, columns: int) -> Block:
    """Find every cell of some rows.

    Args:
        data: the packets, shape (n,), with 16 bytes of padding.
        edges: row i's packet is `data[edges[i]:edges[i + 1]]`, its header of four bytes included.
        columns: how many cells a row has.

    Raises:
        pymysql.err.InternalError: a row's cells do not fill its packet.
    """
    found = (_with_kernel if COMPILED else _with_numpy)(data, edges, columns)
    if found is None:
        raise pymysql.err.InternalError(CR.CR_MALFORMED_PACKET, "a row's cells do not fill its packet")
    return Block(data, len(edges) - 1, found)


def _with_kernel(data: npt.NDArray[np.uint8], edges: Places, columns: int) -> tuple[Cells, ...] | None:
    shape = (columns, len(edges) - 1)
    starts, lengths, nulls = np.empty(shape, np.int64), np.empty(shape, np.int64), np.empty(shape, np.bool_)
    if (counts := compiled.cells(data, edges, columns, starts, lengths, nulls)) is None:
        return None
    has_nulls = np.frombuffer(counts, np.int64).tolist()
    return tuple(Cells(starts[i], lengths[i], nulls[i] if has_nulls[i] else None) for i in range(columns))


def _with_numpy(data: npt.NDArray[np.uint8], edges: Places, columns: int) -> tuple[Cells, ...] | None:
    """The twin of the kernel: column by column, for all rows at once."""
    at, ends = edges[:-1] + 4, edges[1:]
    found = []
    for _ in range(columns):
        if (at >= ends).any():
            return None
        lengths = data[at].astype(np.int64)
        at = at + 1
        nulls = None
        if int(lengths.max(initial=0)) >= _NULL:
            if (lengths == _NO_CELL).any():
                return None
            nulls = lengths == _NULL
            at, lengths = _long_lengths(data, at, lengths)
            nulls = nulls if nulls.any() else None
        if ((lengths < 0) | (lengths > ends - at)).any():
            return None
        found.append(Cells(at, lengths, nulls))
        at = at + lengths
    return tuple(found) if np.array_equal(at, ends) else None


def _long_lengths(data: npt.NDArray[np.uint8], at: Places, first: Places) -> tuple[Places, Places]:
    """Where cells begin, and their lengths, if some lengths take more than the first byte, or none."""
    lengths = np.where(first == _NULL, 0, first)
    for mark, width in ((_TWO_BYTES, 2), (_THREE_BYTES, 3), (_EIGHT_BYTES, 8)):
        long = np.flatnonzero(first == mark)
        if long.size:
            digits = data[at[long, None] + np.arange(width)].astype(np.int64)
            lengths[long] = (digits << (8 * np.arange(width))).sum(axis=1)
            at[long] += width
    return at, lengths
