"""How each column of PostgreSQL becomes an Arrow column, exactly or as the server's own text.

| PostgreSQL                          | Arrow                                                               |
|-------------------------------------|---------------------------------------------------------------------|
| smallint, integer, bigint, oid      | int16, int32, int64, uint32                                         |
| numeric(p, s)                       | decimal128(p, s) up to 38 digits, decimal256(p, s) up to 76; string |
|                                     | if a value is NaN                                                   |
| numeric                             | decimal if the digits follow from those of columns, else text       |
| real, double precision              | float32, float64, with NaN and infinity                             |
| boolean                             | bool                                                                |
| date                                | date32                                                              |
| timestamp                           | timestamp[us], no zone: a reading of a calendar and a clock         |
| timestamp with time zone            | timestamp[us, zone]: an instant, and the zone whose clock shows it  |
| text, varchar, char                 | string; char with the blanks that fill it up                        |
| bytea                               | binary                                                              |
| all else                            | string: the value as the server writes it                           |

Each Arrow field carries PostgreSQL's type under the metadata key `source_type`. The types that come as text are asked
for as text, because the driver hands them over as bytes of the protocol (ranges, inet, timetz), without their point
(money) or changed (24:00 as 00:00).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import SecretStr

from aggregation_pipeline.config.mask_options import MaskRule
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.masking import hash_cells, partial_text
from aggregation_pipeline.source.postgresql.calendar import Calendar, date_form, instant_form, timestamp_form
from aggregation_pipeline.source.postgresql.numerics import Digits

Form = Callable[[str], str]
Build = Callable[[pa.Array], pa.Array]

_NARROW: Final = 38
_PLAIN: Final[Mapping[str, tuple[str, pa.DataType]]] = {
    "int2": ("smallint", pa.int16()),
    "int4": ("integer", pa.int32()),
    "int8": ("bigint", pa.int64()),
    "float4": ("real", pa.float32()),
    "float8": ("double precision", pa.float64()),
    "bool": ("boolean", pa.bool_()),
    "text": ("text", pa.string()),
    "varchar": ("character varying", pa.string()),
    "bpchar": ("character", pa.string()),
    "bytea": ("bytea", pa.binary()),
}
# Compared byte by byte in ORDER BY, so that the order does not depend on the server's libraries.
TEXTS: Final = frozenset(("text", "varchar", "bpchar"))
_MOMENTS: Final[Mapping[str, tuple[str, Form]]] = {
    "date": ("date", date_form),
    "timestamp": ("timestamp without time zone", timestamp_form),
    "timestamptz": ("timestamp with time zone", instant_form),
}


@dataclass(frozen=True)
class Output:
    """A column of a result as the server describes it.

    Attributes:
        name: its true name.
        type: the server's short name of its type, of a domain's what it is made of; empty if it is no built-in type.
        full_type: its type in full, if that is known.
        digits: of a numeric, if they are known.
        rule: how it is masked; None if it is not.
        is_plain: whether its cells are those of a column, apart from case and blanks.
    """

    name: str
    type: str
    full_type: str = ""
    digits: Digits | None = None
    rule: MaskRule | None = None
    is_plain: bool = False

    @property
    def may_hold_nan(self) -> bool:
        """Whether a NaN among its values would keep it from being a decimal."""
        return self.type == "numeric" and self.digits is not None and self.rule is None


@dataclass(frozen=True)
class ColumnType:
    """How one column of a result becomes an Arrow column.

    Attributes:
        field: the Arrow field.
        form: from the output's SQL to what is asked for.
        build: makes the column of what comes.
    """

    field: pa.Field
    form: Form
    build: Build


def column_type(output: Output, zone: ZoneInfo, calendar: Calendar, *, has_nan: bool = False) -> ColumnType:
    """Choose the Arrow type of an output without a mask.

    Args:
        output: as the server describes it.
        zone: the session's.
        calendar: applies the policy for dates that no calendar has.
        has_nan: whether a value is NaN or infinite, which no decimal is.
    """
    if output.type in _PLAIN:
        title, arrow = _PLAIN[output.type]
        return ColumnType(_field(output, title, arrow), _as_it_is, _unchanged)
    if output.type == "oid":
        return ColumnType(_field(output, "oid", pa.uint32()), lambda sql: f"{sql}::int8", lambda a: a.cast(pa.uint32()))
    if output.type in _MOMENTS and calendar.policy != "text":
        title, form = _MOMENTS[output.type]
        arrow = _arrow_moment(output.type, zone)
        return ColumnType(
            _field(output, title, arrow), form, lambda cells: calendar.known(output.name, cells.cast(arrow))
        )
    if output.type in _MOMENTS:
        return ColumnType(_field(output, _MOMENTS[output.type][0], pa.string()), _as_text, _unchanged)
    if output.digits is not None and not has_nan:
        title = f"numeric({output.digits.precision},{output.digits.scale})"
        arrow = _decimal(output.digits)
        return ColumnType(_field(output, title, arrow), _as_text, lambda cells: _to_decimal(output.name, cells, arrow))
    return ColumnType(_field(output, output.type or "text", pa.string()), _as_text, _unchanged)


def masked_type(output: Output, calendar: Calendar, salt: SecretStr) -> ColumnType:
    """Return the column as text that hides its values: `hash` or `partial`.

    Equal values have the hash that they have in a column of MySQL, as far as both databases write them alike.

    Raises:
        SourceError: `partial` of bytes, which have no first letter; `hash` without a salt.
    """
    name = output.name
    if output.rule == "partial" and output.type == "bytea":
        raise SourceError(f"mask: {name}: partial needs text, and the column holds bytes; hash or drop it.")
    key = salt.get_secret_value().encode()
    if output.rule == "hash" and not key:
        raise SourceError(f"mask: {name}: hash needs a key; set MASK_SALT to a long random text.")

    def build(cells: pa.Array) -> pa.Array:
        if output.type in _MOMENTS:
            cells = calendar.known_texts(name, cells)
        if output.rule == "hash":
            return hash_cells(cells.cast(pa.binary()), key)
        return partial_text(cells, addresses=output.is_plain)

    field = pa.field(name, pa.string(), metadata={"source_type": "text", "mask": str(output.rule)})
    return ColumnType(field, _SENT.get(output.type, _as_text), build)


def _as_it_is(sql: str) -> str:
    return sql


def _as_text(sql: str) -> str:
    return f"{sql}::text"


# What a mask hides: the text that MySQL sends for the same value.
_SENT: Final[Mapping[str, Form]] = {
    "bytea": _as_it_is,
    "bool": lambda sql: f"{sql}::int::text",
    "timestamptz": lambda sql: f"({sql} AT TIME ZONE 'UTC')::text",
}


def _unchanged(cells: pa.Array) -> pa.Array:
    return cells


def _field(output: Output, title: str, arrow: pa.DataType) -> pa.Field:
    return pa.field(output.name, arrow, metadata={"source_type": output.full_type or title})


def _arrow_moment(kind: str, zone: ZoneInfo) -> pa.DataType:
    if kind == "date":
        return pa.date32()
    return pa.timestamp("us", tz=zone.key if kind == "timestamptz" else None)


def _decimal(digits: Digits) -> pa.DataType:
    if digits.precision <= _NARROW:
        return pa.decimal128(digits.precision, digits.scale)
    return pa.decimal256(digits.precision, digits.scale)


def _to_decimal(name: str, texts: pa.Array, arrow: pa.DataType) -> pa.Array:
    try:
        return pc.cast(texts, arrow)
    except pa.ArrowInvalid:
        raise SourceError(
            f"column {name!r} sent a number that does not fit into {arrow}, which follows from its columns. Cast the"
            " expression to a definite type, for example ...::numeric(38,6), or to ...::text."
        ) from None
