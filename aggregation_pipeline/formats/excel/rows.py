"""Rows of a worksheet as XML, made by Arrow a column at a time: which kind of cell a column gets, and the cells.

Excel holds numbers as 64-bit floats and shows 15 digits of them, dates as days since 1900 with milliseconds. A column
that holds a value beyond that is text as a whole, since one type a column is what sorting and VLOOKUP need. Only dates
before March 1900, which are stand-ins for "never" more often than dates, become text one by one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from aggregation_pipeline.extract import Dataset
from aggregation_pipeline.formats.common.batches import columns_where, reaches_beyond
from aggregation_pipeline.formats.common.column_text import (
    MONEY_DECIMALS,
    clock_of,
    decimal_text,
    float_digits,
    fraction_digits,
    has_fraction,
    hex_text,
    plain_text,
)
from aggregation_pipeline.formats.excel.cell_text import cell_text

# Days from 1899-12-30, Excel's day 0 as far as days from March 1900 on are concerned, to 1970-01-01.
_EPOCH = 25_569
_DAY = 86_400_000.0
# 1900-03-01: before it Excel's calendar has a day that never was.
_FIRST_DAY = 61


@dataclass(frozen=True)
class CellKind:
    """How a column's cells are written and shown. `number_format` is Excel's."""

    kind: Literal["number", "date", "datetime", "text"]
    number_format: str


TEXT = CellKind("text", "@")
# What one line of text needs, in points, and how many of them are shown at once, so that the rows around stay in sight.
LINE, MOST_LINES = 15, 8


class Style(NamedTuple):
    """The workbook's numbers for the style of a column's cells, and of those whose text has several lines."""

    number: int
    of_lines: int


def cell_kinds(dataset: Dataset, *, thousands: bool) -> tuple[CellKind, ...]:
    """One kind a column, from its type and, where the type allows values that Excel would change, from its values."""
    tests = {field.name: test for field in dataset.schema if (test := beyond_excel(field.type)) is not None}
    as_text = columns_where(dataset, tests)
    return tuple(
        TEXT if field.name in as_text else kind_by_type(field, thousands=thousands) for field in dataset.schema
    )


def kind_by_type(field: pa.Field, *, thousands: bool = True) -> CellKind:
    """The kind of a column none of whose values is beyond Excel; with `thousands`, what may be money is shown as
    1,234.50.
    """
    kind = field.type
    if pa.types.is_integer(kind):
        return CellKind("number", "0")
    if pa.types.is_floating(kind):
        digits = float_digits(field)
        return CellKind("number", "General" if digits is None else _with_digits(digits, thousands=thousands))
    if pa.types.is_decimal(kind):
        return CellKind("number", _with_digits(kind.scale, thousands=thousands))
    if pa.types.is_date32(kind):
        return CellKind("date", "yyyy-mm-dd")
    if pa.types.is_timestamp(kind):
        fraction = "." + "0" * min(fraction_digits(field), 3)
        return CellKind("datetime", "yyyy-mm-dd hh:mm:ss" + fraction.rstrip("."))
    return TEXT


def _with_digits(count: int, *, thousands: bool) -> str:
    whole = "#,##0" if thousands and 1 <= count <= MONEY_DECIMALS else "0"
    return f"{whole}.{'0' * count}".rstrip(".")


def beyond_excel(kind: pa.DataType) -> Callable[[pa.Array], bool] | None:
    """The question whether a column holds a value that Excel would change; None where it cannot."""
    if kind in (pa.int64(), pa.uint64()) or (pa.types.is_decimal(kind) and kind.precision > 15):
        return _has_over_15_digits
    if pa.types.is_timestamp(kind):
        return lambda column: has_fraction(column, 1000)
    return None


def _has_over_15_digits(column: pa.Array) -> bool:
    if pa.types.is_integer(column.type):
        return reaches_beyond(column, 10**15 - 1)
    digits = decimal_text(column)
    if column.type.scale:
        digits = pc.ascii_rtrim(digits, "0")
    digits = pc.ascii_ltrim(pc.replace_substring(digits, ".", ""), "-0")
    return (pc.max(pc.binary_length(digits)).as_py() or 0) > 15


def row_pieces(
    batch: pa.RecordBatch,
    schema: pa.Schema,
    kinds: tuple[CellKind, ...],
    letters: tuple[str, ...],
    styles: tuple[Style, ...],
    first_row: int,
) -> tuple[list[pa.Array | str], int]:
    """The texts that make up the batch's rows, to be joined side by side with NULL as nothing; and how many cells were
    cut.
    """
    numbers = pc.cast(pa.array(range(first_row, first_row + batch.num_rows), pa.int32()), pa.string())
    pieces: list[pa.Array | str] = []
    cut, most_lines = 0, None
    for column, field, kind, letter, style in zip(batch.columns, schema, kinds, letters, styles, strict=True):
        if kind is TEXT:
            text, count = cell_text(hex_text(column) if pa.types.is_binary(field.type) else plain_text(column, field))
            cut += count
            breaks = pc.fill_null(pc.count_substring(text, "\n"), 0)
            several = bool(pc.any(pc.greater(breaks, 0)).as_py())
            if several:
                most_lines = breaks if most_lines is None else pc.max_element_wise(most_lines, breaks)
            cells = _text_cell(letter, numbers, _style_of(breaks, style) if several else style.number, text)
        elif kind.kind == "number":
            cells = _number_cell(letter, numbers, style.number, plain_text(column, field))
        else:
            cells = _day_cells(column, field, letter, numbers, style.number)
        # A NULL has no cell. Where there is none, the parts go into the row as they are: one copy of everything less.
        pieces += cells if column.null_count == 0 else [pc.binary_join_element_wise(*cells, "")]
    return ['<row r="', numbers, _row_end(most_lines), *pieces, "</row>"], cut


def _row_end(breaks: pa.Array | None) -> pa.Array | str:
    """The end of each row's own tag, with its height in points where a cell of it has line breaks."""
    if breaks is None:
        return '">'
    points = pc.min_element_wise(pc.multiply(pc.add(breaks, 1), LINE), MOST_LINES * LINE)
    return pc.if_else(
        pc.equal(breaks, 0), '">', pc.binary_join_element_wise('" ht="', pc.cast(points, pa.string()), '">', "")
    )


def _number_cell(letter: str, numbers: pa.Array, style: int, value: pa.Array) -> list[pa.Array | str]:
    return [f'<c r="{letter}', numbers, f'" s="{style}"><v>', value, "</v></c>"]


def _style_of(breaks: pa.Array, style: Style) -> pa.Array:
    return pc.if_else(pc.greater(breaks, 0), str(style.of_lines), str(style.number))


def _text_cell(letter: str, numbers: pa.Array, style: pa.Array | int, text: pa.Array) -> list[pa.Array | str]:
    before, behind = f'<c r="{letter}', '" t="inlineStr"><is><t xml:space="preserve">'
    if isinstance(style, int):
        return [before, numbers, f'" s="{style}{behind}', text, "</t></is></c>"]
    return [before, numbers, '" s="', style, behind, text, "</t></is></c>"]


def _day_cells(column: pa.Array, field: pa.Field, letter: str, numbers: pa.Array, style: int) -> list[pa.Array | str]:
    if pa.types.is_date32(field.type):
        days = pc.add(column.cast(pa.int32()), _EPOCH)
    else:
        # Whole milliseconds, or the column would be text; as microseconds the years from 2256 on would not fit into a
        # float.
        milliseconds = pc.divide(clock_of(column).cast(pa.int64()), 1000).cast(pa.float64())
        days = pc.add(pc.divide(milliseconds, _DAY), float(_EPOCH))
    cells = _number_cell(letter, numbers, style, pc.cast(days, pa.string()))
    early = pc.less(days, _FIRST_DAY)
    if not pc.any(early).as_py():
        return cells
    texts = _text_cell(letter, numbers, style, plain_text(column, field))
    return [pc.if_else(early, pc.binary_join_element_wise(*texts, ""), pc.binary_join_element_wise(*cells, ""))]
