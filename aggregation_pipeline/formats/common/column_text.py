"""Arrow columns as columns of text, digit for digit as MySQL shows them; CSV, JSON and Excel share it.

All functions keep NULL as NULL. They work on whole columns, because a million Python objects would cost more than
everything else together.
"""

from decimal import Decimal
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aggregation_pipeline.errors import FormatError
from aggregation_pipeline.formats.common.field_metadata import float_digits, fraction_digits
from aggregation_pipeline.formats.common.text_bytes import hex_text
from aggregation_pipeline.timezones.wall_clock import Int64Array, format_offset, to_wall_clock


def plain_text(column: pa.Array, field: pa.Field) -> pa.Array:
    """Write numbers and dates as text; text stays as it is.

    Raises:
        FormatError: the column holds what MySQL cannot hold either, or is of a type that no format knows.
    """
    kind = field.type
    if pa.types.is_string(kind):
        return column
    if pa.types.is_integer(kind) or pa.types.is_date32(kind):
        return pc.cast(column, pa.string())
    if pa.types.is_floating(kind):
        if not _are_finite(column):
            raise FormatError(
                f"Column {field.name!r} holds NaN or infinity. MySQL has neither, so the extract is damaged. Run the"
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
    """Write any column for people to look at: as CSV writes it, but NaN and infinity raise no error."""
    if pa.types.is_binary(field.type):
        return hex_text(column)
    if pa.types.is_floating(field.type) and not _are_finite(column):
        return pc.cast(column, pa.string())
    return plain_text(column, field)


def float_text(column: pa.Array, field: pa.Field) -> pa.Array:
    """Write FLOAT and DOUBLE as the shortest text that gives the same bits again.

    Where the type declares D digits after the point, the text has exactly D.
    """
    text = pc.cast(column, pa.string())
    digits = float_digits(field)
    return text if digits is None else _with_fraction_digits(text, digits)


def decimal_text(column: pa.Array) -> pa.Array:
    """Write DECIMAL with all digits of its scale, and never with an exponent.

    Arrow writes an exponent below 0.000001, for zero too.
    """
    text = pc.cast(column, pa.string())
    scale = column.type.scale
    if scale <= 6 or not pc.any(pc.match_substring(text, "E")).as_py():
        return text
    # The same bytes are read as an integer; then the point is put back between its digits.
    integers = pa.decimal256(76, 0) if pa.types.is_decimal256(column.type) else pa.decimal128(38, 0)
    unscaled = pc.cast(
        pa.Array.from_buffers(integers, len(column), column.buffers(), column.null_count, column.offset), pa.string()
    )
    sign = pc.if_else(pc.starts_with(unscaled, "-"), "-", "")
    digits = pc.ascii_lpad(pc.ascii_ltrim(unscaled, "-"), scale + 1, "0")
    unsigned = pc.utf8_slice_codeunits(digits, 0, -scale), ".", pc.utf8_slice_codeunits(digits, -scale)
    return pc.binary_join_element_wise(sign, *unsigned, "")


def datetime_text(column: pa.Array, field: pa.Field, *, style: Literal["iso", "mysql"]) -> pa.Array:
    """Write timestamps with the digits after the second that the type declares.

    `mysql`: `2026-11-20 14:00:00.123`. `iso`: with a T, and with the UTC offset where the column is an instant.
    """
    clock, offsets = (column, None) if column.type.tz is None else to_wall_clock(column)
    text = _clock_text(clock, fraction_digits(field))
    if style == "mysql":
        return text
    text = pc.binary_replace_slice(text, 10, 11, "T")
    return text if offsets is None else pc.binary_join_element_wise(text, _offset_texts(offsets), "")


def clock_of(column: pa.Array) -> pa.Array:
    """Return what clocks show: an instant as the clock of its zone shows it, a DATETIME as it is."""
    return column if column.type.tz is None else to_wall_clock(column)[0]


def has_fraction(column: pa.Array, step: int) -> bool:
    """Whether any timestamp lies between two multiples of `step` microseconds."""
    microseconds = pc.fill_null(column.cast(pa.int64()), 0)
    return bool((microseconds.to_numpy() % step).any())


def _are_finite(column: pa.Array) -> bool:
    return pc.all(pc.is_finite(column)).as_py() is not False


def _with_fraction_digits(text: pa.Array, digits: int) -> pa.Array:
    """Fill the shortest texts of finite numbers up to `digits` after the point.

    They never have more: a number that the server rounded to D digits is the nearest double to a decimal of at most D
    digits.
    """
    if pc.any(pc.match_substring(text, "e")).as_py():
        distinct = text.dictionary_encode()
        # Decimal's own format never has an exponent here.
        text = pa.array([f"{Decimal(each):f}" for each in distinct.dictionary.to_pylist()], pa.string()).take(
            distinct.indices
        )
    if digits == 0:
        return text
    with_point = pc.if_else(pc.match_substring(text, "."), text, pc.binary_join_element_wise(text, ".", ""))
    return pc.replace_substring_regex(
        pc.binary_join_element_wise(with_point, "0" * digits, ""), rf"(\.[0-9]{{{digits}}})[0-9]*$", r"\1"
    )


def _clock_text(clock: pa.Array, digits: int) -> pa.Array:
    if digits >= 6 or has_fraction(clock, 10 ** (6 - digits)):
        return pc.cast(clock, pa.string())
    if digits == 0:
        return pc.cast(pc.cast(clock, pa.timestamp("s"), safe=False), pa.string())
    return pc.utf8_slice_codeunits(pc.cast(clock, pa.string()), 0, len("2026-11-20 14:00:00.") + digits)


def _offset_texts(offsets: Int64Array) -> pa.Array:
    distinct, places = np.unique(offsets, return_inverse=True)
    return pa.array([format_offset(int(seconds)) for seconds in distinct], pa.string()).take(pa.array(places))
