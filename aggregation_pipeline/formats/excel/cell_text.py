"""Text as a cell of Excel can hold it: escaped for XML, control characters in Excel's notation, cut at the limit."""

import re
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aggregation_pipeline.formats.common.text_bytes import Escapes, utf8_bytes

# Excel counts UTF-16 units: an emoji is two.
CELL_UNITS = 32_767
# Excel reads _x0041_ as "A". So the first underscore of text that looks like that is itself written as _x005F_. Two
# such texts may share an underscore.
_LOOKS_ESCAPED = "_x[0-9A-Fa-f]{4}_"
_ESCAPED_BYTES = re.compile(_LOOKS_ESCAPED.encode())
_UNDERSCORE = re.compile("_(?=x[0-9A-Fa-f]{4}_)")
# The bytes with which U+FFFE and U+FFFF begin, and U+FFC0 to U+FFFD.
_NO_CHARACTERS = b"\xef\xbf"
_CONTROLS = {chr(code): f"_x{code:04X}_" for code in range(32) if chr(code) not in "\t\n\r"}
# XML turns a bare carriage return into a line feed, but keeps one that is written as a reference.
ESCAPES = Escapes({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;", **_CONTROLS})


def cell_text(column: pa.Array) -> tuple[pa.Array, int]:
    """Return text that, with ESCAPES, stands between <t> and </t>, and how many cells were cut."""
    cut = 0
    if (pc.max(pc.binary_length(column)).as_py() or 0) > CELL_UNITS:
        # Counting bytes is cheap. Only values with too many bytes are counted in UTF-16.
        long = pc.greater(pc.binary_length(column), CELL_UNITS)
        shortened = _change_where(column, long, shorten)
        cut = pc.sum(pc.not_equal(shortened, column)).as_py() or 0
        column = shortened
    # Looking through all values at once is cheap. What is found may also lie across the end of a value.
    data = utf8_bytes(column)
    if _ESCAPED_BYTES.search(data):
        column = _change_where(
            column, pc.match_substring_regex(column, _LOOKS_ESCAPED), lambda text: _UNDERSCORE.sub("_x005F_", text)
        )
    # XML forbids these two characters too, though they are no control characters.
    if _NO_CHARACTERS in data:
        for code in (0xFFFE, 0xFFFF):
            if chr(code).encode() in data:
                column = pc.replace_substring(column, chr(code), f"_x{code:04X}_")
    return column, cut


def shorten(text: str) -> str:
    """Return the text, or as much of it as fits, with an ellipsis at its end."""
    units = text.encode("utf-16-le")
    if len(units) <= 2 * CELL_UNITS:
        return text
    # An emoji that the cut would halve is left out whole.
    return units[: 2 * (CELL_UNITS - 1)].decode("utf-16-le", errors="ignore") + "…"


def plain_cell_text(text: str) -> str:
    """Return one text as openpyxl takes it: like cell_text, except that openpyxl escapes for XML."""
    text = _UNDERSCORE.sub("_x005F_", shorten(text)).replace("\r", "_x000D_")
    return "".join(_CONTROLS.get(character, character) for character in text)


def _change_where(column: pa.Array, mask: pa.Array, change: Callable[[str], str]) -> pa.Array:
    """Apply `change` to the rows of the mask, one by one; meant for few rows."""
    rows = np.flatnonzero(pc.fill_null(mask, fill_value=False).to_numpy(zero_copy_only=False))
    if not len(rows):
        return column
    changed = pa.array([change(column[int(row)].as_py()) for row in rows], pa.string())
    return pc.replace_with_mask(column, pc.fill_null(mask, fill_value=False), changed)
