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
| TIMESTAMP(0..6)                      | timestamp[us, zone]: an instant, and the zone whose clock shows it |
| TIME                                 | string: it reaches -838:59:59 to 838:59:59, which no time type holds |
| YEAR                                 | int16                                                             |
| CHAR, VARCHAR, TEXT, ENUM, SET, JSON | string                                                            |
| BINARY, VARBINARY, BLOB, GEOMETRY    | binary                                                            |
| VECTOR                               | binary: float32 after float32, little-endian, as VECTOR_TO_STRING reads them |

Each Arrow field carries the MySQL type under the metadata key `mysql_type`.
"""

from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

import pyarrow as pa
from pymysql.constants import FIELD_TYPE, FLAG

from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.clock import Clock
from aggregation_pipeline.source.mysql.blocks import Block, Cells
from aggregation_pipeline.source.mysql.cells import Builder, cell_bytes, cell_text, values
from aggregation_pipeline.source.mysql.row_protocol import Field
from aggregation_pipeline.source.mysql.timestamps import moments, timestamp_builders
from aggregation_pipeline.source.mysql.zero_dates import ZeroDates

BINARY_CHARSET: Final = 63
# The scale that a server reports for a FLOAT or DOUBLE without one.
UNFIXED_SCALE: Final = 31
# The most digits after the point that MariaDB computes.
_MARIADB_SCALE: Final = 38

# MySQL 9's; PyMySQL has no name for it.
_VECTOR: Final = 242

_INTEGERS = {
    FIELD_TYPE.TINY: ("TINYINT", pa.int8(), pa.uint8()),
    FIELD_TYPE.SHORT: ("SMALLINT", pa.int16(), pa.uint16()),
    FIELD_TYPE.INT24: ("MEDIUMINT", pa.int32(), pa.uint32()),
    FIELD_TYPE.LONG: ("INT", pa.int32(), pa.uint32()),
    FIELD_TYPE.LONGLONG: ("BIGINT", pa.int64(), pa.uint64()),
}
_BLOBS = {
    FIELD_TYPE.TINY_BLOB: "TINY",
    FIELD_TYPE.BLOB: "",
    FIELD_TYPE.MEDIUM_BLOB: "MEDIUM",
    FIELD_TYPE.LONG_BLOB: "LONG",
}
_STRINGS = {
    FIELD_TYPE.VAR_STRING: ("VARCHAR", "VARBINARY"),
    FIELD_TYPE.VARCHAR: ("VARCHAR", "VARBINARY"),
    FIELD_TYPE.STRING: ("CHAR", "BINARY"),
}


@dataclass(frozen=True)
class ColumnType:
    """How one column of a result becomes an Arrow column.

    Attributes:
        field: the Arrow field.
        build: makes an array of that type from a block's cells.
        sent: makes an array of the bytes that a mask hides.
    """

    field: pa.Field
    build: Builder
    sent: Builder


def column_type(field: Field, clock: Clock, zero_dates: ZeroDates) -> ColumnType:
    """Choose the Arrow type of a column.

    Args:
        field: the column's description by the server.
        clock: the session's, in which TIMESTAMP columns arrive.
        zero_dates: applies the policy for dates that no calendar has.

    Raises:
        SourceError: the type is not known here; no file is better than a wrong one.
    """
    mysql, arrow = _types(field, clock.zone)
    build, sent = _builders(field, arrow, clock, zero_dates)
    if zero_dates.policy == "text" and _is_moment(arrow):
        arrow = pa.string()
    return ColumnType(pa.field(field.name, arrow, metadata={"mysql_type": mysql}), build, sent)


def _builders(field: Field, arrow: pa.DataType, clock: Clock, zero_dates: ZeroDates) -> tuple[Builder, Builder]:
    name = field.name
    if field.type_code == FIELD_TYPE.TIMESTAMP:
        return timestamp_builders(field, clock, zero_dates)
    if pa.types.is_binary(arrow):
        return cell_bytes, cell_bytes
    if pa.types.is_string(arrow) or (zero_dates.policy == "text" and _is_moment(arrow)):
        return _text(name), cell_bytes
    if _is_moment(arrow):
        return moments(name, arrow, zero_dates), _valid_date_texts(name, arrow, zero_dates)
    return _numbers(name, arrow), cell_bytes


def _is_moment(arrow: pa.DataType) -> bool:
    return bool(pa.types.is_date(arrow) or pa.types.is_timestamp(arrow))


def _types(field: Field, zone: ZoneInfo) -> tuple[str, pa.DataType]:
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
    # The server rounds what it sends to D digits, and 1234567.88 needs more bits than a FLOAT(10,2) has.
    declared = f"({field.length},{field.scale})" if field.scale < UNFIXED_SCALE else ""
    simple: dict[int, tuple[str, pa.DataType]] = {
        FIELD_TYPE.FLOAT: (f"FLOAT{declared}", pa.float64() if declared else pa.float32()),
        FIELD_TYPE.DOUBLE: (f"DOUBLE{declared}", pa.float64()),
        FIELD_TYPE.BIT: (f"BIT({field.length})", pa.uint64()),
        FIELD_TYPE.YEAR: ("YEAR", pa.int16()),
        FIELD_TYPE.DATE: ("DATE", pa.date32()),
        FIELD_TYPE.NEWDATE: ("DATE", pa.date32()),
        FIELD_TYPE.DATETIME: (f"DATETIME{fraction}", pa.timestamp("us")),
        FIELD_TYPE.TIMESTAMP: (f"TIMESTAMP{fraction}", pa.timestamp("us", tz=zone.key)),
        FIELD_TYPE.TIME: (f"TIME{fraction}", pa.string()),
        FIELD_TYPE.JSON: ("JSON", pa.string()),
        FIELD_TYPE.ENUM: ("ENUM", pa.string()),
        FIELD_TYPE.SET: ("SET", pa.string()),
        FIELD_TYPE.GEOMETRY: ("GEOMETRY", pa.binary()),
        _VECTOR: ("VECTOR", pa.binary()),
        FIELD_TYPE.NULL: ("NULL", pa.string()),
    }
    if code not in simple:
        raise SourceError(
            f"column {field.name!r} has MySQL type code {code}, for which no exact representation is known here. "
            f"Select it as text or a number: CAST(... AS CHAR)."
        )
    return simple[code]


def _decimal(field: Field, *, unsigned: bool) -> tuple[str, pa.DataType]:
    # The display width includes a sign and a point: my_decimal_precision_to_length in MySQL's my_decimal.h.
    scale = field.scale
    precision = field.length - (scale > 0) - (not unsigned)
    if 30 < scale <= _MARIADB_SCALE:
        # MariaDB computes more than MySQL's 30 digits after the point, and up to 76 in all.
        return f"DECIMAL(65,{scale})", pa.decimal256(76, scale)
    if scale > _MARIADB_SCALE or not 0 < precision <= 65:
        precision, scale = 65, min(scale, 30)
    precision = max(precision, scale, 1)
    arrow = pa.decimal128(precision, scale) if precision <= 38 else pa.decimal256(precision, scale)
    return f"DECIMAL({precision},{scale})", arrow


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
            return values(block, cells, arrow)
        except pa.ArrowInvalid:
            raise SourceError(
                f"column {name!r} sent a value that is not of its declared type {arrow}. "
                f"Cast the expression to a definite type, for example CAST(... AS DECIMAL(38,6))."
            ) from None

    return build


def _valid_date_texts(name: str, kind: pa.DataType, zero_dates: ZeroDates) -> Builder:
    return lambda block, cells: zero_dates.clean(name, cell_text(block, cells), kind).cast(pa.binary())
