"""JSON for programs, with one row a line so that people can read and compare it too. UTF-8.

    {"table": "orders", "window": "2026-11-20",
    "summary": [
    {"status":"paid","orders":5120,"amount":"98231.50"}
    ],
    "detail": [
    ]}

By default one file holds both datasets of a table; a table without detail has an empty `detail`. With `json.shape` each
dataset has a file of its own, as an array or as a row a line. docs/export.schema.json describes all three.
"""

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

import pyarrow as pa

from aggregation_pipeline.config.options import FormatOptions, JsonOptions
from aggregation_pipeline.extract import Dataset, Extract
from aggregation_pipeline.formats.common.batches import exceeds, slices
from aggregation_pipeline.formats.common.column_text import are_finite, offset_text
from aggregation_pipeline.formats.common.field_metadata import is_always_finite
from aggregation_pipeline.formats.common.file_format import Writing
from aggregation_pipeline.formats.common.rows import Escaped, Part, Piece, clock_part, plain_part, row_chunks
from aggregation_pipeline.formats.common.text_bytes import Escapes
from aggregation_pipeline.timezones.wall_clock import to_wall_clock

# Number.MAX_SAFE_INTEGER: JavaScript rounds integers beyond it.
_SAFE_INTEGER = 2**53 - 1
_CONTROLS = {chr(code): json.dumps(chr(code))[1:-1] for code in range(32)}
JSON_ESCAPES = Escapes({"\\": "\\\\", '"': '\\"', **_CONTROLS})


def write_json(extract: Extract, datasets: Sequence[Dataset], file: BinaryIO, options: FormatOptions) -> Writing:
    """Write the datasets of a file in the configured shape. JSON holds every value, so nothing is ever changed."""
    if options.json_.shape == "object":
        by_name = {dataset.name: dataset for dataset in datasets}
        file.write(f'{{"table": {_string(extract.table)}, "window": {_string(extract.window)}'.encode())
        for section in ("summary", "detail"):
            file.write(f',\n"{section}": ['.encode())
            if section in by_name:
                yield from _write_rows(by_name[section], file, options.json_)
            file.write(b"\n]")
        file.write(b"}\n")
    elif options.json_.shape == "array":
        file.write(b"[")
        yield from _write_rows(datasets[0], file, options.json_)
        file.write(b"\n]\n")
    else:
        yield from _write_rows(datasets[0], file, options.json_)
    return {}


def _write_rows(dataset: Dataset, file: BinaryIO, options: JsonOptions) -> Iterator[None]:
    strings = dataset.columns_where(
        {field.name: test for field in dataset.schema if (test := test_for_strings(field, options)) is not None}
    )
    # In an array each row begins with the comma and the line break after the row before it. The first row has no row
    # before it, so its comma is skipped.
    begin, end = ("{", "}\n") if options.shape == "lines" else (",\n{", "}")
    skipped = 0 if options.shape == "lines" else 1
    for batch in slices(dataset):
        yield
        pieces: list[Piece] = []
        for column, field in zip(batch.columns, dataset.schema, strict=True):
            pieces.append(("," if pieces else begin) + _string(field.name) + ":")
            pieces.append(json_column(column, field, options, quote=field.name in strings))
        pieces.append(end)
        for chunk in row_chunks(pieces, null="null"):
            file.write(chunk[skipped:])
            skipped = 0


def test_for_strings(field: pa.Field, options: JsonOptions) -> Callable[[pa.Array], bool] | None:
    """Return the test whether a column of numbers holds one for which JSON has no number; None if it holds none."""
    if pa.types.is_integer(field.type) and options.big_integers == "string":
        return exceeds_javascript
    if pa.types.is_floating(field.type) and not is_always_finite(field):
        return lambda column: not are_finite(column)
    return None


def exceeds_javascript(column: pa.Array) -> bool:
    """Whether a column of integers holds a value that JavaScript would round."""
    return exceeds(column, _SAFE_INTEGER)


def json_column(column: pa.Array, field: pa.Field, options: JsonOptions, *, quote: bool = False) -> Piece:
    """Return values as JSON tokens; NULL stays NULL and becomes `null` when rows are joined."""
    kind = field.type
    if pa.types.is_string(kind):
        return '"', Escaped(column, JSON_ESCAPES), '"'
    if pa.types.is_binary(kind):
        return '"', _base64(column), '"'
    if pa.types.is_timestamp(kind) and options.datetimes == "iso":
        return ('"', *_iso(column, field), '"')
    quote = quote or _is_moment(kind) or (pa.types.is_decimal(kind) and options.decimals == "string")
    part = plain_part(column, field)
    return ('"', part, '"') if quote else part


def _is_moment(kind: pa.DataType) -> bool:
    return bool(pa.types.is_date32(kind) or pa.types.is_timestamp(kind))


def _iso(column: pa.Array, field: pa.Field) -> tuple[Part, ...]:
    """Write a T between date and time, and the UTC offset where the column is an instant."""
    if field.type.tz is None:
        return (clock_part(column, field, "T"),)
    clock, offsets = to_wall_clock(column)
    return clock_part(clock, field, "T"), offset_text(offsets)


def _base64(column: pa.Array) -> pa.Array:
    return pa.array(
        [None if value is None else base64.b64encode(value).decode() for value in column.to_pylist()], pa.string()
    )


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
