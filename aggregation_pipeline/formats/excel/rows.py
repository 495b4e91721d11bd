"""Rows of a worksheet as XML, made a column at a time.

cell_kinds.py decides what kind of cell a column has. Only dates before March 1900 differ from their column: they become
text one by one, since they mean "never" more often than a day.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aggregation_pipeline.formats.common.column_text import clock_of, plain_text
from aggregation_pipeline.formats.common.rows import Escaped, Part, Piece, plain_part
from aggregation_pipeline.formats.common.text_bytes import hex_text, utf8_bytes
from aggregation_pipeline.formats.excel.cell_kinds import TEXT, CellKind
from aggregation_pipeline.formats.excel.cell_text import ESCAPES, cell_text

# Days from Excel's day 0 to 1970-01-01. Day 0 is 1899-12-30 for all days from March 1900 on.
_EPOCH = 25_569
_MILLISECONDS_OF_A_DAY = 86_400_000.0
# 1900-03-01. Before it Excel's calendar has a day that never was, 1900-02-29.
_FIRST_DAY = 61
# The height of one line of text in points, and how many lines a row shows, so that its neighbours stay in sight.
LINE_HEIGHT, MAX_LINES = 15, 8

# The letter and the number of a cell, and a whole one.
_Begin: TypeAlias = tuple[str, pa.Array]
_Cell: TypeAlias = tuple[Part, ...]


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
) -> tuple[list[Piece], int]:
    """Return what the batch's rows are made of, with NULL to be written as nothing, and how many cells were cut."""
    rows = np.arange(first_row, first_row + batch.num_rows, dtype=np.int32)
    # As text once, because each cell has the number of its row.
    numbers = pc.cast(pa.array(rows), pa.string())
    pieces: list[Piece] = []
    cut, most_lines = 0, None
    for column, field, kind, letter, style in zip(batch.columns, schema, kinds, letters, styles, strict=True):
        begin = f'<c r="{letter}', numbers
        if kind is TEXT and (pa.types.is_string(field.type) or pa.types.is_binary(field.type)):
            text, count = cell_text(hex_text(column) if pa.types.is_binary(field.type) else column)
            cut += count
            breaks = _line_breaks(text)
            if breaks is not None:
                most_lines = breaks if most_lines is None else pc.max_element_wise(most_lines, breaks)
            pieces.append(_text_cell(begin, style, Escaped(text, ESCAPES), breaks))
        elif kind is TEXT:
            pieces.append(_text_cell(begin, style, plain_part(column, field)))
        elif kind.kind == "number":
            pieces.append(_number_cell(begin, style, plain_part(column, field)))
        elif kind.kind == "boolean":
            pieces.append(_number_cell(begin, style, column.cast(pa.int8()), ' t="b"'))
        else:
            pieces.append(_day_cell(begin, style, column, field))
    return ['<row r="', numbers, _row_end(most_lines), *pieces, "</row>"], cut


def _line_breaks(text: pa.Array) -> pa.Array | None:
    """Return how many line breaks each text has; None where none has any."""
    return pc.fill_null(pc.count_substring(text, "\n"), 0) if b"\n" in utf8_bytes(text) else None


def _row_end(breaks: pa.Array | None) -> pa.Array | str:
    """Return the end of each row's opening tag, with its height in points where one of its cells has line breaks."""
    if breaks is None:
        return '">'
    points = pc.min_element_wise(pc.multiply(pc.add(breaks, 1), LINE_HEIGHT), MAX_LINES * LINE_HEIGHT)
    return pc.if_else(
        pc.equal(breaks, 0), '">', pc.binary_join_element_wise('" ht="', pc.cast(points, pa.string()), '">', "")
    )


def _number_cell(begin: _Begin, style: CellStyle, value: Part, kind: str = "") -> _Cell:
    return *begin, f'" s="{style.single_line}"{kind}><v>', value, "</v></c>"


def _text_cell(begin: _Begin, style: CellStyle, text: Part, breaks: pa.Array | None = None) -> _Cell:
    before, behind = '" t="inlineStr"><is><t xml:space="preserve">', "</t></is></c>"
    if breaks is None:
        return *begin, f'" s="{style.single_line}{before}', text, behind
    by_lines = pc.if_else(pc.greater(breaks, 0), str(style.multi_line), str(style.single_line))
    return *begin, '" s="', by_lines, before, text, behind


def _day_cell(begin: _Begin, style: CellStyle, column: pa.Array, field: pa.Field) -> Piece:
    if pa.types.is_date32(field.type):
        days = pc.add(column.cast(pa.int32()), _EPOCH)
    else:
        # The column has whole milliseconds, or it would be text. In microseconds, years from 2256 on would lose digits
        # as a float.
        milliseconds = pc.divide(clock_of(column).cast(pa.int64()), 1000).cast(pa.float64())
        days = pc.add(pc.divide(milliseconds, _MILLISECONDS_OF_A_DAY), float(_EPOCH))
    early = pc.less(days, _FIRST_DAY)
    if not pc.any(early).as_py():
        return _number_cell(begin, style, days)
    number = _number_cell(begin, style, pc.cast(days, pa.string()))
    text = _text_cell(begin, style, plain_text(column, field))
    return pc.if_else(early, pc.binary_join_element_wise(*text, ""), pc.binary_join_element_wise(*number, ""))
