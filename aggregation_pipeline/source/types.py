"""How each MySQL column becomes an Arrow column, exactly or not at all.

| MySQL                                | Arrow                                                             |
|--------------------------------------|-------------------------------------------------------------------|
| TINYINT .. BIGINT, signed / UNSIGNED | int8, int16, int32, int64 / uint8 .. uint64                       |
| DECIMAL(p, s)                        | decimal128(p, s) up to 38 digits, decimal256(p, s) up to 65       |
| FLOAT, DOUBLE                        | float32, float64                                                  |
| FLOAT(M,D), DOUBLE(M,D)              | float64, the nearest to the decimal that the database shows       |
| BIT(n)                               | uint64                                                            |
| DATE                                 | date32                                                            |
| DATETIME(0..6)                       | timestamp[us], no zone: a reading of a calendar and a clock       |
| TIMESTAMP(0..6)                      | timestamp[us, session's offset]: an instant                       |
| TIME                                 | string: it reaches -838:59:59 to 838:59:59, which no time type holds |
| YEAR                                 | int16                                                             |
| CHAR, VARCHAR, TEXT, ENUM, SET, JSON | string                                                            |
| BINARY, VARBINARY, BLOB, GEOMETRY    | binary                                                            |

Each Arrow field carries the MySQL type under the metadata key `mysql_type`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pymysql.constants import FIELD_TYPE, FLAG

from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.wire import Block, Cells, Field
from aggregation_pipeline.source.zero_dates import ZeroDates

BINARY_CHARSET: Final = 63
# What a server says of a DECIMAL, FLOAT or DOUBLE whose scale it does not fix.
UNFIXED_SCALE: Final = 31

# A block's cells to an array.
Builder = Callable[[Block, Cells], pa.Array]

_INTEGERS = {
    FIELD_TYPE.TINY: ("TINYINT", pa.int8(), pa.uint8()),
    FIELD_TYPE.SHORT: ("SMALLINT", pa.int16(), pa.uint16()),
    FIELD_TYPE.INT24: ("MEDIUMINT", pa.int32(), pa.uint32()),
    FIELD_TYPE.LONG: ("INT", pa.int32(), pa.uint32()),
    FIELD_TYPE.LONGLONG: ("BIGINT", pa.int64(), pa.uint64()),
}
_BLOBS = {FIELD_TYPE.TINY_BLOB: "TINY", FIELD_TYPE.BLOB: "", FIELD_TYPE.MEDIUM_BLOB: "MEDIUM", FIELD_TYPE.LONG_BLOB: "LONG"}
_STRINGS = {
    FIELD_TYPE.VAR_STRING: ("VARCHAR", "VARBINARY"),
    FIELD_TYPE.VARCHAR: ("VARCHAR", "VARBINARY"),
    FIELD_TYPE.STRING: ("CHAR", "BINARY"),
}
_VIEW = np.dtype([("length", "<i4"), ("inline", "V12")])
_LONG_VIEW = np.dtype([("length", "<i4"), ("prefix", "V4"), ("buffer", "<i4"), ("offset", "<i4")])


@dataclass(frozen=True)
class ColumnType:
    """One column of a result: its Arrow field, how a block's cells become an array of that type, and its bytes for a mask to hide."""

    field: pa.Field
    build: Builder
    sent: Builder


def column_type(field: Field, offset_seconds: int, zero_dates: ZeroDates) -> ColumnType:
    """Choose the Arrow type for a described column.

    Args:
        field: the column's description.
        offset_seconds: the session's offset from UTC, in which TIMESTAMP columns arrive.
        zero_dates: collects what cannot be dates.

    Raises:
        SourceError: a type that is not known here: better no file than a wrong one.
    """
    mysql, arrow = _types(field, offset_seconds)
    name = field.name
    sent: Builder = cell_bytes
    if zero_dates.policy != "text" and (pa.types.is_date(arrow) or pa.types.is_timestamp(arrow)):
        sent = _cleaned(name, _without_zone(arrow), zero_dates)
    if zero_dates.policy == "text" and (pa.types.is_date(arrow) or pa.types.is_timestamp(arrow)):
        arrow = pa.string()
    build: Builder
    if field.type_code == FIELD_TYPE.BIT:
        build = _bits
    elif pa.types.is_binary(arrow):
        build = cell_bytes
    elif pa.types.is_string(arrow):
        build = _text(name)
    elif pa.types.is_date(arrow) or pa.types.is_timestamp(arrow):
        build = _moments(name, arrow, offset_seconds, zero_dates)
    else:
        build = _numbers(name, arrow)
    return ColumnType(pa.field(name, arrow, metadata={"mysql_type": mysql}), build, sent)


def _types(field: Field, offset_seconds: int) -> tuple[str, pa.DataType]:
    code, binary = field.type_code, field.charset == BINARY_CHARSET
    unsigned = bool(field.flags & FLAG.UNSIGNED)
    if code in _INTEGERS:
        mysql, signed_type, unsigned_type = _INTEGERS[code]
        return (f"{mysql} UNSIGNED", unsigned_type) if unsigned else (mysql, signed_type)
    if code in {FIELD_TYPE.NEWDECIMAL, FIELD_TYPE.DECIMAL}:
        return _decimal(field, unsigned=unsigned)
    if code in _BLOBS:
        return f"{_BLOBS[code]}{'BLOB' if binary else 'TEXT'}", pa.binary() if binary else pa.string()
    if code in _STRINGS:
        if field.flags & (FLAG.ENUM | FLAG.SET):
            return "ENUM" if field.flags & FLAG.ENUM else "SET", pa.string()
        return _STRINGS[code][binary], pa.binary() if binary else pa.string()
    fraction = f"({field.scale})" if 0 < field.scale <= 6 else ""
    # The server rounds to D digits what it sends, and 1234567.88 needs more bits than the FLOAT(10,2) behind it has.
    declared = f"({field.length},{field.scale})" if field.scale < UNFIXED_SCALE else ""
    simple: dict[int, tuple[str, pa.DataType]] = {
        FIELD_TYPE.FLOAT: (f"FLOAT{declared}", pa.float64() if declared else pa.float32()),
        FIELD_TYPE.DOUBLE: (f"DOUBLE{declared}", pa.float64()),
        FIELD_TYPE.BIT: (f"BIT({field.length})", pa.uint64()),
        FIELD_TYPE.YEAR: ("YEAR", pa.int16()),
        FIELD_TYPE.DATE: ("DATE", pa.date32()),
        FIELD_TYPE.NEWDATE: ("DATE", pa.date32()),
        FIELD_TYPE.DATETIME: (f"DATETIME{fraction}", pa.timestamp("us")),
        FIELD_TYPE.TIMESTAMP: (f"TIMESTAMP{fraction}", pa.timestamp("us", tz=offset_text(offset_seconds))),
        FIELD_TYPE.TIME: (f"TIME{fraction}", pa.string()),
        FIELD_TYPE.JSON: ("JSON", pa.string()),
        FIELD_TYPE.ENUM: ("ENUM", pa.string()),
        FIELD_TYPE.SET: ("SET", pa.string()),
        FIELD_TYPE.GEOMETRY: ("GEOMETRY", pa.binary()),
        FIELD_TYPE.NULL: ("NULL", pa.string()),
    }
    if code not in simple:
        raise SourceError(
            f"column {field.name!r} has MySQL type code {code}, for which no exact representation is known here. "
            f"Select it as text or a number: CAST(... AS CHAR)."
        )
    return simple[code]


def _decimal(field: Field, *, unsigned: bool) -> tuple[str, pa.DataType]:
    # The display width counts a sign and a point: my_decimal_precision_to_length in MySQL's my_decimal.h.
    scale = field.scale
    precision = field.length - (scale > 0) - (not unsigned)
    if scale >= UNFIXED_SCALE or not 0 < precision <= 65:
        precision, scale = 65, min(scale, 30)
    precision = max(precision, scale, 1)
    arrow = pa.decimal128(precision, scale) if precision <= 38 else pa.decimal256(precision, scale)
    return f"DECIMAL({precision},{scale})", arrow


def offset_text(offset_seconds: int) -> str:
    """Return an offset from UTC as MySQL and Arrow write it: `+08:00`."""
    minutes = abs(offset_seconds) // 60
    return f"{'-' if offset_seconds < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}"


def _views(block: Block, cells: Cells, arrow: pa.DataType) -> pa.Array:
    """Lay Arrow's string views over the block: no cell is copied unless it is of 12 bytes or fewer.

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


def _ascii(block: Block, cells: Cells) -> pa.Array:
    return _views(block, cells, pa.string_view()).cast(pa.string())


def cell_bytes(block: Block, cells: Cells) -> pa.Array:
    """A column as the server sent it, shape (rows,) of binary."""
    return _views(block, cells, pa.binary_view()).cast(pa.binary())


def _text(name: str) -> Builder:
    def build(block: Block, cells: Cells) -> pa.Array:
        try:
            return cell_bytes(block, cells).cast(pa.string())
        except pa.ArrowInvalid:
            raise SourceError(
                f"column {name!r} holds text that is not valid in its declared character set. "
                f"Repair the rows, or select the bytes themselves: HEX({name})."
            ) from None

    return build


def _numbers(name: str, arrow: pa.DataType) -> Builder:
    def build(block: Block, cells: Cells) -> pa.Array:
        try:
            return _ascii(block, cells).cast(arrow)
        except pa.ArrowInvalid:
            raise SourceError(
                f"column {name!r} sent a value that is no {arrow}, which the server declared it to be. "
                f"Cast the expression to a definite type, for example CAST(... AS DECIMAL(38,6))."
            ) from None

    return build


def _without_zone(arrow: pa.DataType) -> pa.DataType:
    return pa.date32() if pa.types.is_date(arrow) else pa.timestamp("us")


def _cleaned(name: str, naive: pa.DataType, zero_dates: ZeroDates) -> Builder:
    return lambda block, cells: zero_dates.clean(name, _ascii(block, cells), naive).cast(pa.binary())


def _moments(name: str, arrow: pa.DataType, offset_seconds: int, zero_dates: ZeroDates) -> Builder:
    naive = _without_zone(arrow)

    def build(block: Block, cells: Cells) -> pa.Array:
        values = zero_dates.read(name, _ascii(block, cells), naive)
        if naive.equals(arrow):
            return values
        return pc.subtract(values, pa.scalar(offset_seconds * 1_000_000, pa.duration("us"))).view(arrow)

    return build


def _bits(block: Block, cells: Cells) -> pa.Array:
    # Big-endian, at most 8 bytes, which end where the cell ends; what stands before them in the block is shifted out.
    padded = np.concatenate([np.zeros(8, np.uint8), block.data])
    windows = np.ndarray(shape=(len(padded) - 7,), dtype=">u8", buffer=padded, strides=(1,))
    words = windows[cells.starts + cells.lengths].astype(np.uint64)
    width = (8 * np.clip(cells.lengths, 1, 8)).astype(np.uint64)
    values = words & (np.uint64(0xFFFFFFFFFFFFFFFF) >> (np.uint64(64) - width))
    return pa.array(values, mask=cells.nulls)
