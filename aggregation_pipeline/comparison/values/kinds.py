"""The kind of a column: by what rules its values are compared, found from the type that the reader noted."""

import re
from dataclasses import dataclass
from typing import Final, Literal

import pyarrow as pa

from aggregation_pipeline.formats.common.field_metadata import adds_up, float_digits, mysql_type

Kind = Literal[
    "integer", "decimal", "double", "float", "date", "datetime", "instant", "bits", "bytes", "json", "shape", "text"
]
TEMPORAL: Final = frozenset({"date", "datetime", "instant"})
NUMERIC: Final = frozenset({"integer", "decimal", "double", "float"})
# Cells of these kinds are objects in JavaScript, and SheetJS writes none of them.
OBJECTS: Final = frozenset({"bits", "bytes", "json", "shape"})
_OF_TEXT: Final[dict[str, Kind]] = {
    "DATE": "date",
    "DATETIME": "datetime",
    "TIMESTAMP": "datetime",
    "JSON": "json",
    # More digits than a reader of the published Parquet can count on.
    "DECIMAL": "decimal",
}


@dataclass(frozen=True)
class Column:
    """A column of ours that is compared.

    Attributes:
        name: of the output.
        kind: how its values are compared.
        mask: partial or hash where the output is masked, else empty.
        is_plain: whether its cells are those of a column of the source, so that an address in one is an address.
        adds_up: whether it is a sum or a count.
        bits: the length of a BIT column.
        digits: D of FLOAT(M,D); None where the type declares none.
    """

    name: str
    kind: Kind
    mask: str = ""
    is_plain: bool = False
    adds_up: bool = False
    bits: int = 0
    digits: int | None = None


def column_of(field: pa.Field, mask: str = "", *, is_plain: bool = False) -> Column:
    """Return how the values of a field of ours are compared."""
    declared = mysql_type(field)
    bits = re.fullmatch(r"BIT\((\d+)\)", declared)
    return Column(
        field.name,
        "text" if mask else _kind(field.type, declared),
        mask,
        is_plain=is_plain,
        adds_up=adds_up(field),
        bits=int(bits[1]) if bits else 0,
        digits=float_digits(field),
    )


def _kind(arrow: pa.DataType, declared: str) -> Kind:
    base = re.split(r"\W", declared, maxsplit=1)[0]
    if base == "BIT":
        return "bits"
    if base in {"GEOMETRY", "VECTOR"}:
        return "shape"
    if pa.types.is_string(arrow) or pa.types.is_large_string(arrow):
        return _OF_TEXT.get(base, "text")
    tests: tuple[tuple[bool, Kind], ...] = (
        (pa.types.is_integer(arrow) or pa.types.is_boolean(arrow), "integer"),
        (pa.types.is_decimal(arrow), "decimal"),
        (pa.types.is_float32(arrow), "float"),
        (pa.types.is_floating(arrow), "double"),
        (pa.types.is_date(arrow), "date"),
        (pa.types.is_timestamp(arrow) and arrow.tz is not None, "instant"),
        (pa.types.is_timestamp(arrow), "datetime"),
        (pa.types.is_binary(arrow) or pa.types.is_large_binary(arrow), "bytes"),
    )
    return next((kind for holds, kind in tests if holds), "text")
