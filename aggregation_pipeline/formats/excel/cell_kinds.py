"""Which kind of cell a column gets in Excel: number, date, date with time, truth, or text.

Excel holds numbers as 64-bit floats of which it shows 15 digits, and dates as days since 1900 with milliseconds. A
column with a value that Excel would change is text as a whole, because sorting and VLOOKUP need one type a column.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from aggregation_pipeline.extract import Dataset
from aggregation_pipeline.formats.common.batches import exceeds
from aggregation_pipeline.formats.common.column_text import are_finite, decimal_text, has_fraction
from aggregation_pipeline.formats.common.field_metadata import float_digits, fraction_digits, is_always_finite

# Money has two decimals, unit prices and averages four. What has more is a rate, a weight or a place on the earth.
_MONEY_DECIMALS = 4


@dataclass(frozen=True)
class CellKind:
    """How a column's cells are written and shown. `number_format` is Excel's."""

    kind: Literal["number", "date", "datetime", "boolean", "text"]
    number_format: str


TEXT = CellKind("text", "@")
_WITHOUT_OPTIONS = {pa.date32(): CellKind("date", "yyyy-mm-dd"), pa.bool_(): CellKind("boolean", "General")}


def cell_kinds(dataset: Dataset, *, thousands: bool) -> tuple[CellKind, ...]:
    """Return each column's kind, by its type and, where the type allows values that Excel would change, its values."""
    tests = {field.name: test for field in dataset.schema if (test := test_for_changes(field)) is not None}
    as_text = dataset.columns_where(tests)
    return tuple(
        TEXT if field.name in as_text else kind_by_type(field, thousands=thousands) for field in dataset.schema
    )


def kind_by_type(field: pa.Field, *, thousands: bool = True) -> CellKind:
    """Return the kind of a column none of whose values Excel would change.

    With `thousands`, numbers that may be money are shown as 1,234.50.
    """
    kind = field.type
    if pa.types.is_integer(kind):
        return CellKind("number", "0")
    if pa.types.is_floating(kind):
        digits = float_digits(field)
        return CellKind("number", "General" if digits is None else _with_digits(digits, thousands=thousands))
    if pa.types.is_decimal(kind):
        return CellKind("number", _with_digits(kind.scale, thousands=thousands))
    if pa.types.is_timestamp(kind):
        fraction = "." + "0" * min(fraction_digits(field), 3)
        return CellKind("datetime", "yyyy-mm-dd hh:mm:ss" + fraction.rstrip("."))
    return _WITHOUT_OPTIONS.get(kind, TEXT)


def _with_digits(count: int, *, thousands: bool) -> str:
    whole = "#,##0" if thousands and 1 <= count <= _MONEY_DECIMALS else "0"
    return f"{whole}.{'0' * count}".rstrip(".")


def test_for_changes(field: pa.Field) -> Callable[[pa.Array], bool] | None:
    """Return the test whether a column holds a value that Excel would change; None where the type allows none."""
    kind = field.type
    if pa.types.is_floating(kind) and not is_always_finite(field):
        return lambda column: not are_finite(column)
    if kind in (pa.int64(), pa.uint64()) or (pa.types.is_decimal(kind) and kind.precision > 15):
        return _has_over_15_digits
    if pa.types.is_timestamp(kind):
        return lambda column: has_fraction(column, 1000)
    return None


def _has_over_15_digits(column: pa.Array) -> bool:
    if pa.types.is_integer(column.type):
        return exceeds(column, 10**15 - 1)
    digits = decimal_text(column)
    if column.type.scale:
        digits = pc.ascii_rtrim(digits, "0")
    digits = pc.ascii_ltrim(pc.replace_substring(digits, ".", ""), "-0")
    return (pc.max(pc.binary_length(digits)).as_py() or 0) > 15
