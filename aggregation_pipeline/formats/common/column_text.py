"""Arrow columns as columns of text, digit for digit as MySQL shows them; what CSV, JSON and Excel have in common.

All functions keep NULL as NULL, and work on whole columns: a million Python objects cost more than everything else
together.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aggregation_pipeline.errors import FormatError
from aggregation_pipeline.timezones.wall_clock import Int64Array, format_offset, to_wall_clock

# Money has two decimals, unit prices and averages four; what has more is a rate, a weight or a place on the earth.
MONEY_DECIMALS = 4
_BARE_TEXT = frozenset({"TIME", "DATE", "DATETIME", "TIMESTAMP", "YEAR"})


def mysql_type(field: pa.Field) -> str:
    """`DECIMAL(10,2)` as the reader noted it, or nothing."""
    return str((field.metadata or {}).get(b"mysql_type", b""), "utf-8")


def comment(field: pa.Field) -> str:
    """The COMMENT of the source's column that an output shows as it is, in one line, or nothing."""
    return " ".join(str((field.metadata or {}).get(b"comment", b""), "utf-8").split())


def is_named(field: pa.Field) -> bool:
    """Whether the entry gave the output a name of its own."""
    return b"alias" in (field.metadata or {})


def adds_up(field: pa.Field) -> bool:
    """Whether a sum over the column means something, as far as is known: of sums and counts. A column of rows may hold
    unit prices.
    """
    return b"adds_up" in (field.metadata or {})


def is_clock_text(field: pa.Field) -> bool:
    """Text that the server made of a time or a date (TIME reaches 838:59:59, zero dates have no day): digits and marks,
    nobody's words.
    """
    return pa.types.is_string(field.type) and re.split(r"\W", mysql_type(field), maxsplit=1)[0].upper() in _BARE_TEXT


def plain_text(column: pa.Array, field: pa.Field) -> pa.Array:
    """Numbers and dates as text, text as it is. FormatError for what MySQL cannot hold either."""
    kind = field.type
    if pa.types.is_string(kind):
        return column
    if pa.types.is_integer(kind) or pa.types.is_date32(kind):
        return pc.cast(column, pa.string())
    if pa.types.is_floating(kind):
        if not _are_finite(column):
            raise FormatError(
                f"Column {field.name!r} holds NaN or infinity, which MySQL has not: the extract is damaged. Run the"
                " table again."
            )
        return float_text(column, field)
    if pa.types.is_decimal(kind):
        return decimal_text(column)
    if pa.types.is_timestamp(kind):
        return datetime_text(column, field, style="mysql")
    raise FormatError(
        f"Column {field.name!r} came as Arrow's {kind}, which no format knows; please report it with its MySQL type."
    )


def shown_text(column: pa.Array, field: pa.Field) -> pa.Array:
    """Any column for people to look at: as CSV writes it, and with no value that it stops at."""
    if pa.types.is_binary(field.type):
        return hex_text(column)
    if pa.types.is_floating(field.type) and not _are_finite(column):
        return pc.cast(column, pa.string())
    return plain_text(column, field)


def _are_finite(column: pa.Array) -> bool:
    return pc.all(pc.is_finite(column)).as_py() is not False


def float_digits(field: pa.Field) -> int | None:
    """Digits after the point that the database shows, of FLOAT(M,D), DOUBLE(M,D) and figures of them; None where it
    shows what there is.
    """
    declared = re.fullmatch(r"(?:FLOAT|DOUBLE)\(\d+,(\d+)\)", mysql_type(field))
    return int(declared[1]) if declared else None


def float_text(column: pa.Array, field: pa.Field) -> pa.Array:
    """FLOAT and DOUBLE as the shortest text that gives the same bits again; with D digits after the point where D was
    declared.
    """
    text = pc.cast(column, pa.string())
    digits = float_digits(field)
    return text if digits is None else _with_digits(text, digits)


def _with_digits(text: pa.Array, digits: int) -> pa.Array:
    """Shortest texts of finite numbers, filled up to so many digits.

    They never have more: a number that the server rounded to D digits is the nearest double to a decimal of D digits,
    or of fewer.
    """
    if pc.any(pc.match_substring(text, "e")).as_py():
        distinct = text.dictionary_encode()
        # Decimal's own format never has an exponent here.
        text = pa.array([f"{Decimal(each):f}" for each in distinct.dictionary.to_pylist()], pa.string()).take(
            distinct.indices
        )
    if digits == 0:
        return text
    pointed = pc.if_else(pc.match_substring(text, "."), text, pc.binary_join_element_wise(text, ".", ""))
    return pc.replace_substring_regex(
        pc.binary_join_element_wise(pointed, "0" * digits, ""), rf"(\.[0-9]{{{digits}}})[0-9]*$", r"\1"
    )


def decimal_text(column: pa.Array) -> pa.Array:
    """DECIMAL with all digits of its scale and never an exponent, which is what Arrow writes below 0.000001, for zero
    too.
    """
    text = pc.cast(column, pa.string())
    scale = column.type.scale
    if scale <= 6 or not pc.any(pc.match_substring(text, "E")).as_py():
        return text
    # The same bytes read as a whole number, to whose digits the point is put back.
    wide = pa.decimal256(76, 0) if pa.types.is_decimal256(column.type) else pa.decimal128(38, 0)
    whole = pc.cast(
        pa.Array.from_buffers(wide, len(column), column.buffers(), column.null_count, column.offset), pa.string()
    )
    sign = pc.if_else(pc.starts_with(whole, "-"), "-", "")
    digits = pc.ascii_lpad(pc.ascii_ltrim(whole, "-"), scale + 1, "0")
    unsigned = pc.utf8_slice_codeunits(digits, 0, -scale), ".", pc.utf8_slice_codeunits(digits, -scale)
    return pc.binary_join_element_wise(sign, *unsigned, "")


def fraction_digits(field: pa.Field) -> int:
    """Digits after the second that the column was declared with; Arrow's six where nobody said."""
    declared = re.fullmatch(r"(?:DATETIME|TIMESTAMP)(?:\((\d)\))?", mysql_type(field).upper())
    return int(declared[1] or 0) if declared else 6


def datetime_text(column: pa.Array, field: pa.Field, *, style: Literal["iso", "mysql"]) -> pa.Array:
    """`2026-11-20 14:00:00.123` with the column's digits, or ISO 8601 with a T, and with the offset where the column is
    an instant.
    """
    clock, offsets = (column, None) if column.type.tz is None else to_wall_clock(column)
    digits = fraction_digits(field)
    if digits < 6 and not has_fraction(clock, 10 ** (6 - digits)):
        text = (
            pc.cast(pc.cast(clock, pa.timestamp("s"), safe=False), pa.string())
            if digits == 0
            else _cut(clock, 20 + digits)
        )
    else:
        text = pc.cast(clock, pa.string())
    if style == "mysql":
        return text
    text = pc.binary_replace_slice(text, 10, 11, "T")
    return text if offsets is None else pc.binary_join_element_wise(text, _offset_texts(offsets), "")


def _offset_texts(offsets: Int64Array) -> pa.Array:
    distinct, places = np.unique(offsets, return_inverse=True)
    return pa.array([format_offset(int(seconds)) for seconds in distinct], pa.string()).take(pa.array(places))


def clock_of(column: pa.Array) -> pa.Array:
    """Timestamps as clocks show them: an instant as the clock of its zone does, a DATETIME as it is."""
    return column if column.type.tz is None else to_wall_clock(column)[0]


def _cut(clock: pa.Array, length: int) -> pa.Array:
    return pc.utf8_slice_codeunits(pc.cast(clock, pa.string()), 0, length)


def has_fraction(column: pa.Array, step: int) -> bool:
    """Whether any timestamp lies between two multiples of `step` microseconds."""
    microseconds = pc.fill_null(column.cast(pa.int64()), 0)
    return bool((microseconds.to_numpy() % step).any())


def hex_text(column: pa.Array) -> pa.Array:
    """Bytes as `0x00FF`, MySQL's own literal, which no spreadsheet takes for a number."""
    table = np.frombuffer(b"".join(b"%02X" % byte for byte in range(256)), dtype="<u2")
    offsets = np.frombuffer(column.buffers()[1], np.int32, len(column) + 1, column.offset * 4)
    data = np.frombuffer(utf8_bytes(column), np.uint8)
    text = pa.StringArray.from_buffers(
        len(column),
        pa.py_buffer(((offsets - offsets[0]) * 2).astype(np.int32)),
        pa.py_buffer(np.ascontiguousarray(table[data])),
    )
    return pc.if_else(pc.is_null(column), None, pc.binary_join_element_wise("0x", text, ""))


def utf8_bytes(column: pa.Array) -> bytes:
    """The bytes of all values of a text or binary column, one after the other."""
    if len(column) == 0 or column.buffers()[2] is None:
        return b""
    offsets = np.frombuffer(column.buffers()[1], np.int32, len(column) + 1, column.offset * 4)
    return bytes(column.buffers()[2].slice(int(offsets[0]), int(offsets[-1] - offsets[0])))


def escaper(table: Mapping[str, str]) -> Callable[[pa.Array], pa.Array]:
    """A function that replaces ASCII characters in a text column, in the table's order, and costs next to nothing where
    none occurs.
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
    """Text columns and constants side by side, row after row, as one run of UTF-8."""
    return utf8_bytes(pc.binary_join_element_wise(*pieces, "", null_handling="replace", null_replacement=null))
