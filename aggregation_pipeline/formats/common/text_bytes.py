"""Text columns at the level of their bytes: escaped, and as hexadecimal digits."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def utf8_bytes(column: pa.Array) -> bytes:
    """Return the bytes of all values of a text or binary column, one value after the other."""
    if len(column) == 0 or column.buffers()[2] is None:
        return b""
    offsets = value_offsets(column)
    return bytes(column.buffers()[2].slice(int(offsets[0]), int(offsets[-1] - offsets[0])))


def first_bytes(column: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """Return the first byte of each text; of an empty one or NULL, any byte. Nothing if all are empty."""
    data = column.buffers()[2]
    if len(column) == 0 or data is None or data.size == 0:
        return np.empty(0, np.uint8)
    return np.take(np.frombuffer(data, np.uint8), value_offsets(column)[:-1], mode="clip")


def hex_text(column: pa.Array) -> pa.Array:
    """Write bytes as `0x00FF`, MySQL's own literal, which no spreadsheet takes for a number."""
    digits = np.frombuffer(b"".join(b"%02X" % byte for byte in range(256)), dtype="<u2")
    offsets = value_offsets(column)
    data = np.frombuffer(utf8_bytes(column), np.uint8)
    text = pa.StringArray.from_buffers(
        len(column),
        pa.py_buffer(((offsets - offsets[0]) * 2).astype(np.int32)),
        pa.py_buffer(np.ascontiguousarray(digits[data])),
    )
    return pc.if_else(pc.is_null(column), None, pc.binary_join_element_wise("0x", text, ""))


class Escapes:
    """Which ASCII characters are written as something else, of at most seven ASCII characters.

    Attributes:
        table: for each of the 256 bytes eight: the length of what is written instead, and what that is.
    """

    def __init__(self, replacements: Mapping[str, str]) -> None:
        self._replacements = replacements
        self._others = bytes(set(range(256)) - set("".join(replacements).encode("ascii")))
        texts = (replacements.get(chr(byte), "").encode("ascii") for byte in range(256))
        self.table = b"".join(bytes([len(text)]) + text.ljust(7, b"\0") for text in texts)

    def __call__(self, column: pa.Array) -> pa.Array:
        """Replace the characters in a text column, in the order of the replacements.

        It costs next to nothing where none of them occurs.
        """
        present = set(utf8_bytes(column).translate(None, self._others))
        for character, replacement in self._replacements.items():
            if ord(character) in present:
                column = pc.replace_substring(column, character, replacement)
        return column


def value_offsets(column: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    """Where each value begins in the data buffer, and where the last one ends."""
    return np.frombuffer(column.buffers()[1], np.int32, len(column) + 1, column.offset * 4)
