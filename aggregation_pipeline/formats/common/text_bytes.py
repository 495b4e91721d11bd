"""Text columns at the level of their bytes: escaped, as hexadecimal digits, and joined to rows."""

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def utf8_bytes(column: pa.Array) -> bytes:
    """Return the bytes of all values of a text or binary column, one value after the other."""
    if len(column) == 0 or column.buffers()[2] is None:
        return b""
    offsets = _offsets(column)
    return bytes(column.buffers()[2].slice(int(offsets[0]), int(offsets[-1] - offsets[0])))


def hex_text(column: pa.Array) -> pa.Array:
    """Write bytes as `0x00FF`, MySQL's own literal, which no spreadsheet takes for a number."""
    digits = np.frombuffer(b"".join(b"%02X" % byte for byte in range(256)), dtype="<u2")
    offsets = _offsets(column)
    data = np.frombuffer(utf8_bytes(column), np.uint8)
    text = pa.StringArray.from_buffers(
        len(column),
        pa.py_buffer(((offsets - offsets[0]) * 2).astype(np.int32)),
        pa.py_buffer(np.ascontiguousarray(digits[data])),
    )
    return pc.if_else(pc.is_null(column), None, pc.binary_join_element_wise("0x", text, ""))


def escaper(table: Mapping[str, str]) -> Callable[[pa.Array], pa.Array]:
    """Make a function that replaces ASCII characters in a text column, in the order of `table`.

    It costs next to nothing where none of them occurs.
    """
    others = bytes(set(range(256)) - set("".join(table).encode("ascii")))

    def escape(column: pa.Array) -> pa.Array:
        present = set(utf8_bytes(column).translate(None, others))
        for character, replacement in table.items():
            if ord(character) in present:
                column = pc.replace_substring(column, character, replacement)
        return column

    return escape


def rows_as_bytes(pieces: list[pa.Array | str], *, null: str) -> bytes:
    """Join text columns and constants side by side, row after row, to one run of UTF-8; NULL becomes `null`."""
    return utf8_bytes(pc.binary_join_element_wise(*pieces, "", null_handling="replace", null_replacement=null))


def _offsets(column: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    """Where each value begins in the data buffer, and where the last one ends."""
    return np.frombuffer(column.buffers()[1], np.int32, len(column) + 1, column.offset * 4)
