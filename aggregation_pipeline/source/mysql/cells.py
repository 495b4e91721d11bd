"""Make Arrow arrays of the cells of a block, as the server sent them: ASCII text or bytes."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from aggregation_pipeline.source.mysql.row_protocol import Block, Cells

# Makes an array of a column's cells in a block.
Builder = Callable[[Block, Cells], pa.Array]

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
    validity = None if cells.nulls is None else pa.py_buffer(np.packbits(~cells.nulls, bitorder="little"))
    return pa.Array.from_buffers(arrow, block.rows, [validity, pa.py_buffer(views), pa.py_buffer(block.data)])


def cell_text(block: Block, cells: Cells) -> pa.Array:
    """Return a column that is known to be ASCII, shape (rows,) of string."""
    return _views(block, cells, pa.string_view()).cast(pa.string())


def cell_bytes(block: Block, cells: Cells) -> pa.Array:
    """Return a column as the server sent it, shape (rows,) of binary."""
    return _views(block, cells, pa.binary_view()).cast(pa.binary())
