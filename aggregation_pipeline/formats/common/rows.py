"""Columns side by side as rows of text, for CSV, JSON and Excel.

A row is made of pieces. Where `native/rows.c` was compiled it writes them in one pass; elsewhere Arrow gives the same
bytes in several.
"""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aggregation_pipeline.formats.common.column_text import (
    clock_of,
    clock_text,
    exact_text,
    is_exact,
    microseconds,
    plain_text,
    shown_digits,
)
from aggregation_pipeline.formats.common.text_bytes import Escapes, utf8_bytes
from aggregation_pipeline.native.kernels import joiner

# Little enough to stay in the processor's caches.
_CHUNK_BYTES: Final = 256 * 1024
# What a piece is, by the numbers of rows.c.
_CONSTANT, _CELL, _TEXT, _DECIMAL, _DATE, _CLOCK, _FIRST_INTEGER = range(7)
_INTEGERS: Final = {
    kind: number
    for number, kind in enumerate(
        (pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
        _FIRST_INTEGER,
    )
}
_FLOAT: Final = _FIRST_INTEGER + len(_INTEGERS)
# 0001-01-01 and 9999-12-31: what lies between has a year of four digits.
_FIRST_DAY, _LAST_DAY = -719162, 2932896
_DAY: Final = 86_400_000_000
# What rows.c writes of these types: its number, the items, the least and the most. The floats are days as Excel counts
# them, and more.
_LIMITED: Final[dict[pa.DataType, tuple[int, np.dtype[np.int32 | np.float64], int, int]]] = {
    pa.date32(): (_DATE, np.dtype(np.int32), _FIRST_DAY, _LAST_DAY),
    pa.float64(): (_FLOAT, np.dtype(np.float64), 1, 2**31),
}

_NativePiece: TypeAlias = tuple[int, int, int, pa.Buffer | bytes | None, pa.Buffer | bytes | None, bytes | None]


@dataclass(frozen=True)
class Escaped:
    """A text column in which some characters are escaped."""

    column: pa.Array
    escapes: Escapes


@dataclass(frozen=True)
class Clock:
    """A column of timestamp[us] without a zone, none of which has more than `digits` digits after the second."""

    column: pa.Array
    digits: int
    separator: str


# A constant, or a column of text, of a type that is_exact, or of float64, which is written as Arrow writes it.
Part: TypeAlias = str | pa.Array | Escaped | Clock
# A tuple is a cell: its parts side by side, or NULL where one of them is NULL.
Piece: TypeAlias = Part | tuple[Part, ...]


def plain_part(column: pa.Array, field: pa.Field) -> Part:
    """Return what is written as plain_text writes it; it raises what that raises."""
    if is_exact(field.type):
        return column
    return clock_part(clock_of(column), field, " ") if pa.types.is_timestamp(field.type) else plain_text(column, field)


def clock_part(clock: pa.Array, field: pa.Field, separator: str) -> Clock:
    """Return what is written of a column of timestamp[us] without a zone, with the digits that its type declares."""
    return Clock(clock, shown_digits(clock, field), separator)


def row_chunks(pieces: Sequence[Piece], *, null: str) -> Iterator[memoryview]:
    """Yield the rows as UTF-8, some whole rows at a time; NULL becomes `null`.

    A chunk is overwritten when the next one is asked for. One piece at least is a column.
    """
    pieces = _in_parts(pieces)
    if joiner is None:
        yield memoryview(_joined(pieces, null))
        return
    rows = next(len(column) for piece in pieces for column in _columns(piece))
    native = [each for piece in pieces for each in _native_piece(piece, null.encode())]
    target, start = bytearray(_CHUNK_BYTES), 0
    while start < rows:
        end, size = joiner.join(native, start, rows, target)
        if end == start:
            # A row that is larger than the target.
            target = bytearray(2 * len(target))
        else:
            start = end
            yield memoryview(target)[:size]


def rows_as_bytes(pieces: Sequence[Piece], *, null: str) -> bytes:
    """Return all rows at once, as UTF-8; NULL becomes `null`."""
    return b"".join(bytes(chunk) for chunk in row_chunks(pieces, null=null))


def _parts(piece: Piece) -> tuple[Part, ...]:
    return piece if isinstance(piece, tuple) else (piece,)


def _columns(piece: Piece) -> list[pa.Array]:
    return [_column(part) for part in _parts(piece) if not isinstance(part, str)]


def _column(part: pa.Array | Escaped | Clock) -> pa.Array:
    return part.column if isinstance(part, Escaped | Clock) else part


def _in_parts(pieces: Sequence[Piece]) -> list[Piece]:
    """Take the cells apart that are never NULL, and put the constants together that then stand side by side."""
    found: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, tuple) and any(column.null_count for column in _columns(piece)):
            found.append(piece)
            continue
        for part in _parts(piece):
            if isinstance(part, str) and found and isinstance(found[-1], str):
                found[-1] += part
            else:
                found.append(part)
    return found


def _joined(pieces: Sequence[Piece], null: str) -> bytes:
    texts = (
        pc.binary_join_element_wise(*map(_text, piece), "") if isinstance(piece, tuple) else _text(piece)
        for piece in pieces
    )
    return utf8_bytes(pc.binary_join_element_wise(*texts, "", null_handling="replace", null_replacement=null))


def _text(part: Part) -> pa.Array | str:
    if isinstance(part, str):
        return part
    if isinstance(part, Escaped):
        return part.escapes(part.column)
    if isinstance(part, Clock):
        return clock_text(part.column, part.digits, part.separator)
    return exact_text(part)


def _native_piece(piece: Piece, null: bytes) -> Iterator[_NativePiece]:
    parts = _parts(piece)
    with_nulls = [column for column in _columns(piece) if column.null_count]
    if with_nulls:
        bits, first = _validity(with_nulls)
        yield _CELL, first, len(parts), bits, null, None
    for part in parts:
        yield (_CONSTANT, 0, 0, part.encode(), None, None) if isinstance(part, str) else _native_part(part)


def _validity(columns: list[pa.Array]) -> tuple[pa.Buffer, int]:
    """Return the bits that say where none of the columns is NULL, and the number of row 0's bit."""
    if len(columns) == 1:
        return columns[0].buffers()[0], columns[0].offset
    valid = functools.reduce(pc.and_, map(pc.is_valid, columns))
    return valid.buffers()[1], valid.offset


def _native_part(part: pa.Array | Escaped | Clock) -> _NativePiece:
    column = _column(part)
    kind, values = column.type, column.buffers()[1]
    if isinstance(part, Escaped):
        return _native_text(column, part.escapes.table)
    if isinstance(part, Clock) and _is_within(microseconds(column), _FIRST_DAY * _DAY, (_LAST_DAY + 1) * _DAY - 1):
        return _CLOCK, column.offset, part.digits, values, part.separator.encode(), None
    if kind in _INTEGERS:
        return _INTEGERS[kind], column.offset, 0, values, None, None
    if pa.types.is_decimal128(kind) and 0 <= kind.scale <= 38:
        return _DECIMAL, column.offset, kind.scale, values, None, None
    if kind in _LIMITED:
        number, item, least, most = _LIMITED[kind]
        if _is_within(np.frombuffer(values, item, len(column), item.itemsize * column.offset), least, most):
            return number, column.offset, 0, values, None, None
    return _native_text(_text(part), None)


def _native_text(column: pa.Array, table: bytes | None) -> _NativePiece:
    _, offsets, data = column.buffers()
    return _TEXT, column.offset, 0, offsets, data or b"", table


def _is_within(
    items: np.ndarray[tuple[int], np.dtype[np.int32 | np.int64 | np.float64]], least: int, most: int
) -> bool:
    return len(items) == 0 or bool(least <= items.min() and items.max() <= most)
