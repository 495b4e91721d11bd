"""Make Arrow arrays of the cells of a block."""

from collections.abc import Callable
from typing import Final

import numpy as np
import pyarrow as pa

from aggregation_pipeline.native.kernels import COMPILED, compiled
from aggregation_pipeline.source.mysql.blocks import Block, Cells

# Makes an array of a column's cells in a block.
Builder = Callable[[Block, Cells], pa.Array]

_MOMENT: Final = pa.timestamp("us")
_VIEW = np.dtype([("length", "<i4"), ("inline", "V12")])
_LONG_VIEW = np.dtype([("length", "<i4"), ("prefix", "V4"), ("buffer", "<i4"), ("offset", "<i4")])


def _views(block: Block, cells: Cells, arrow: pa.DataType) -> pa.Array:
    """Make Arrow string views of the cells. Only cells of at most 12 bytes are copied.

    Layout: https://arrow.apache.org/docs/format/Columnar.html#variable-size-binary-view-layout
    """
    windows = np.ndarray(shape=(len(block.data) - 11,), dtype="V12", buffer=block.data, strides=(1,))
    views = np.empty(block.rows, _VIEW)
    views["length"] = cells.lengths
    views["inline"] = windows[np.minimum(cells.starts, len(windows) - 1)]
    long = np.flatnonzero(cells.lengths > 12)
    if long.size:
        references = views.view(_LONG_VIEW)
        references["buffer"][long] = 0
        references["offset"][long] = cells.starts[long]
    return pa.Array.from_buffers(arrow, block.rows, [_validity(cells), pa.py_buffer(views), pa.py_buffer(block.data)])


def _validity(cells: Cells) -> pa.Buffer | None:
    return None if cells.nulls is None else pa.py_buffer(np.packbits(~cells.nulls, bitorder="little"))


def _copies(block: Block, cells: Cells, arrow: pa.DataType) -> pa.Array | None:
    """Make a string or binary array with the kernel; None if that is not possible."""
    if not COMPILED or (copied := compiled.texts(block.data, cells.starts, cells.lengths)) is None:
        return None
    offsets, data = copied
    return pa.Array.from_buffers(arrow, block.rows, [_validity(cells), pa.py_buffer(offsets), pa.py_buffer(data)])


def cell_text(block: Block, cells: Cells) -> pa.Array:
    """Return a column that is known to be ASCII, shape (rows,) of string."""
    if (copied := _copies(block, cells, pa.string())) is not None:
        return copied
    return _views(block, cells, pa.string_view()).cast(pa.string())


def cell_bytes(block: Block, cells: Cells) -> pa.Array:
    """Return a column as the server sent it, shape (rows,) of binary."""
    if (copied := _copies(block, cells, pa.binary())) is not None:
        return copied
    return _views(block, cells, pa.binary_view()).cast(pa.binary())


def plain_values(block: Block, cells: Cells, arrow: pa.DataType) -> pa.Array | None:
    """Return a column of integers, decimals, dates or timestamps without a zone, parsed by a kernel.

    None if there is no kernel for the type, or a cell is not written plainly, such as a date that no calendar has. Then
    Arrow decides.
    """
    if not COMPILED:
        return None
    places = (block.data, cells.starts, cells.lengths, cells.nulls)
    found: bytes | None = None
    if pa.types.is_integer(arrow):
        found = compiled.integers(*places, arrow.byte_width, pa.types.is_signed_integer(arrow))
    elif pa.types.is_decimal128(arrow):
        found = compiled.decimals(*places, arrow.precision, arrow.scale)
    elif pa.types.is_date32(arrow):
        found = compiled.dates(*places)
    elif arrow == _MOMENT:
        found = compiled.moments(*places)
    return None if found is None else pa.Array.from_buffers(arrow, block.rows, [_validity(cells), pa.py_buffer(found)])


def values(block: Block, cells: Cells, arrow: pa.DataType) -> pa.Array:
    """Return a column of numbers or moments, as they are written.

    Raises:
        pa.ArrowInvalid: a cell is not of the type.
    """
    plain = plain_values(block, cells, arrow)
    return cell_text(block, cells).cast(arrow) if plain is None else plain
