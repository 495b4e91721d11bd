"""Rows of a worksheet as XML, made by Arrow a column at a time.

cell_kinds.py decides what kind of cell a column has. Only dates before March 1900 differ from their column: they become
text one by one, since they mean "never" more often than a day.
"""

from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from aggregation_pipeline.formats.common.column_text import clock_of, plain_text
from aggregation_pipeline.formats.common.text_bytes import hex_text
from aggregation_pipeline.formats.excel.cell_kinds import TEXT, CellKind
from aggregation_pipeline.formats.excel.cell_text import cell_text

# Days from Excel's day 0 to 1970-01-01. Day 0 is 1899-12-30 for all days from March 1900 on.
_EPOCH = 25_569
_MILLISECONDS_OF_A_DAY = 86_400_000.0
# 1900-03-01. Before it Excel's calendar has a day that never was, 1900-02-29.
_FIRST_DAY = 61
# The height of one line of text in points, and how many lines a row shows, so that its neighbours stay in sight.
LINE_HEIGHT, MAX_LINES = 15, 8


class CellStyle(NamedTuple):
    """The numbers that the workbook gives to the style of a column's cells, and to that of its multi-line cells."""

    single_line: int
    multi_line: int


def row_pieces(
    batch: pa.RecordBatch,
    schema: pa.Schema,
    kinds: tuple[CellKind, ...],
    letters: tuple[str, ...],
    styles: tuple[CellStyle, ...],
    first_row: int,
) -> tuple[list[pa.Array | str], int]:
    """Return the texts that make up the batch's rows, and how many cells were cut.

    The texts are to be joined side by side, with NULL as nothing.
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
            cells = _text_cell(letter, numbers, _styles_by_lines(breaks, style) if several else style.single_line, text)
        elif kind.kind == "number":
            cells = _number_cell(letter, numbers, style.single_line, plain_text(column, field))
        else:
            cells = _day_cells(column, field, letter, numbers, style.single_line)
        # A NULL has no cell. A column without NULLs goes into the row in parts, which saves a copy.
        pieces += cells if column.null_count == 0 else [pc.binary_join_element_wise(*cells, "")]
    return ['<row r="', numbers, _row_end(most_lines), *pieces, "</row>"], cut


def _row_end(breaks: pa.Array | None) -> pa.Array | str:
    """Return the end of each row's opening tag, with its height in points where one of its cells has line breaks."""
    if breaks is None:
        return '">'
    points = pc.min_element_wise(pc.multiply(pc.add(breaks, 1), LINE_HEIGHT), MAX_LINES * LINE_HEIGHT)
    return pc.if_else(
        pc.equal(breaks, 0), '">', pc.binary_join_element_wise('" ht="', pc.cast(points, pa.string()), '">', "")
    )


def _number_cell(letter: str, numbers: pa.Array, style: int, value: pa.Array) -> list[pa.Array | str]:
    return [f'<c r="{letter}', numbers, f'" s="{style}"><v>', value, "</v></c>"]


def _styles_by_lines(breaks: pa.Array, style: CellStyle) -> pa.Array:
    return pc.if_else(pc.greater(breaks, 0), str(style.multi_line), str(style.single_line))


def _text_cell(letter: str, numbers: pa.Array, style: pa.Array | int, text: pa.Array) -> list[pa.Array | str]:
    before, behind = f'<c r="{letter}', '" t="inlineStr"><is><t xml:space="preserve">'
    if isinstance(style, int):
        return [before, numbers, f'" s="{style}{behind}', text, "</t></is></c>"]
    return [before, numbers, '" s="', style, behind, text, "</t></is></c>"]


def _day_cells(column: pa.Array, field: pa.Field, letter: str, numbers: pa.Array, style: int) -> list[pa.Array | str]:
    if pa.types.is_date32(field.type):
        days = pc.add(column.cast(pa.int32()), _EPOCH)
    else:
        # The column has whole milliseconds, or it would be text. In microseconds, years from 2256 on would lose digits
        # as a float.
        milliseconds = pc.divide(clock_of(column).cast(pa.int64()), 1000).cast(pa.float64())
        days = pc.add(pc.divide(milliseconds, _MILLISECONDS_OF_A_DAY), float(_EPOCH))
    cells = _number_cell(letter, numbers, style, pc.cast(days, pa.string()))
    early = pc.less(days, _FIRST_DAY)
    if not pc.any(early).as_py():
        return cells
    texts = _text_cell(letter, numbers, style, plain_text(column, field))
    return [pc.if_else(early, pc.binary_join_element_wise(*texts, ""), pc.binary_join_element_wise(*cells, ""))]
