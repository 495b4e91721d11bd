"""Arrow columns as columns of text, digit for digit as MySQL shows them; CSV, JSON and Excel share it.

All functions keep NULL as NULL. They work on whole columns, because a million Python objects would cost more than
everything else together.
"""

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aggregation_pipeline.errors import FormatError
from aggregation_pipeline.formats.common.field_metadata import float_digits, fraction_digits, is_always_finite
from aggregation_pipeline.formats.common.text_bytes import hex_text
from aggregation_pipeline.timezones.wall_clock import Int64Array, format_offset, to_wall_clock


def plain_text(column: pa.Array, field: pa.Field) -> pa.Array:
    """Write numbers and dates as text; text stays as it is.

    Raises:
        FormatError: the column holds what MySQL cannot hold either, or is of a type that no format knows.
    """
    kind = field.type
    if is_exact(kind):
        return exact_text(column)
    if pa.types.is_floating(kind):
        if are_finite(column):
            return float_text(column, field)
        if is_always_finite(field):
            raise FormatError(
                f"Column {field.name!r} holds NaN or infinity. MySQL has neither, so the extract is damaged. Run the"
                " table again."
            )
        return _with_words(column, pc.cast(column, pa.string()))
    if pa.types.is_timestamp(kind):
        clock = clock_of(column)
        return clock_text(clock, shown_digits(clock, field), " ")
    raise FormatError(
        f"Column {field.name!r} came as Arrow's {kind}, which no format knows; please report it with its type in the"
        " source."
    )


def is_exact(kind: pa.DataType) -> bool:
    """Whether values of a type have one text each: text itself, integers, DECIMAL, DATE, and `true` and `false`."""
    is_one_of_them = (
        pa.types.is_string,
        pa.types.is_integer,
        pa.types.is_decimal,
        pa.types.is_date32,
        pa.types.is_boolean,
    )
    return any(test(kind) for test in is_one_of_them)


def exact_text(column: pa.Array) -> pa.Array:
    """Write a column of such a type."""
    if pa.types.is_decimal(column.type):
        return decimal_text(column)
    return column if pa.types.is_string(column.type) else pc.cast(column, pa.string())


def shown_text(column: pa.Array, field: pa.Field) -> pa.Array:
    """Write any column for people to look at: as CSV writes it, but NaN and infinity raise no error."""
    if pa.types.is_binary(field.type):
        return hex_text(column)
    if pa.types.is_floating(field.type) and not are_finite(column):
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


def clock_text(clock: pa.Array, digits: int, separator: str) -> pa.Array:
    """Write timestamp[us] without a zone, none of which has more digits after the second: `2026-11-20 14:00:00.123`."""
    if digits == 0:
        text = pc.cast(pc.cast(clock, pa.timestamp("s"), safe=False), pa.string())
    else:
        text = pc.cast(clock, pa.string())
        if digits < 6:
            text = pc.utf8_slice_codeunits(text, 0, len("2026-11-20 14:00:00.") + digits)
    return text if separator == " " else pc.binary_replace_slice(text, 10, 11, separator)


def shown_digits(clock: pa.Array, field: pa.Field) -> int:
    """Return how many digits after the second to write: as many as the type declares, or six if a value has more."""
    digits = fraction_digits(field)
    return digits if digits < 6 and not has_fraction(clock, 10 ** (6 - digits)) else 6


def offset_text(offsets: Int64Array) -> pa.Array:
    """Write UTC offsets in seconds as ISO 8601 does: `+08:00`."""
    distinct, places = np.unique(offsets, return_inverse=True)
    return pa.array([format_offset(int(seconds)) for seconds in distinct], pa.string()).take(pa.array(places))


def clock_of(column: pa.Array) -> pa.Array:
    """Return what clocks show: an instant as the clock of its zone shows it, a DATETIME as it is."""
    return column if column.type.tz is None else to_wall_clock(column)[0]


def has_fraction(column: pa.Array, step: int) -> bool:
    """Whether any timestamp lies between two multiples of `step` microseconds."""
    items = microseconds(pc.fill_null(column, 0) if column.null_count else column)
    return not np.array_equal(items // step * step, items)


def microseconds(column: pa.Array) -> Int64Array:
    """Return the items of a column of timestamp[us] without a copy; those of NULL may be anything."""
    return np.frombuffer(column.buffers()[1], np.int64, len(column), 8 * column.offset)


def are_finite(column: pa.Array) -> bool:
    """Whether a column of floats holds neither NaN nor infinity."""
    return pc.all(pc.is_finite(column)).as_py() is not False


def _with_words(column: pa.Array, text: pa.Array) -> pa.Array:
    """Write NaN and infinity as PostgreSQL does."""
    infinity = pc.if_else(pc.less(column, 0.0), "-Infinity", "Infinity")
    return pc.if_else(pc.is_nan(column), "NaN", pc.if_else(pc.is_inf(column), infinity, text))


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
