"""JSON for programs, one row a line so that people can read and compare it too: both datasets of a table in one UTF-8
file.

    {"table": "orders", "window": "2026-11-20",
    "summary": [
    {"status":"paid","orders":5120,"amount":"98231.50"}
    ],
    "detail": [
    ]}

A table without detail has an empty `detail`. With `json.shape` the rows of each dataset stand in a file of their own,
as an array or a row a line. docs/export.schema.json describes all three.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from aggregation_pipeline.config.options import FormatOptions, JsonOptions
from aggregation_pipeline.extract import Dataset, Extract
from aggregation_pipeline.formats.common.batches import columns_where, reaches_beyond, slices
from aggregation_pipeline.formats.common.column_text import datetime_text, escaper, plain_text, rows_as_bytes
from aggregation_pipeline.formats.common.file_format import FileFormat, FileKind

# Number.MAX_SAFE_INTEGER: beyond it JavaScript rounds.
_SAFE_INTEGER = 2**53 - 1
_CONTROLS = {chr(code): json.dumps(chr(code))[1:-1] for code in range(32)}
_escape = escaper({"\\": "\\\\", '"': '\\"', **_CONTROLS})


def write_json(
    extract: Extract, datasets: Sequence[Dataset], file: BinaryIO, options: FormatOptions
) -> Mapping[str, int]:
    """Write the datasets of a file in the shape asked for. JSON holds every value, so nothing is ever changed."""
    if options.json_.shape == "object":
        by_name = {dataset.name: dataset for dataset in datasets}
        file.write(f'{{"table": {_string(extract.table)}, "window": {_string(extract.window)}'.encode())
        for section in ("summary", "detail"):
            file.write(f',\n"{section}": ['.encode())
            if section in by_name:
                _write_rows(by_name[section], file, options.json_)
            file.write(b"\n]")
        file.write(b"}\n")
    elif options.json_.shape == "array":
        file.write(b"[")
        _write_rows(datasets[0], file, options.json_)
        file.write(b"\n]\n")
    else:
        _write_rows(datasets[0], file, options.json_)
    return {}


def _write_rows(dataset: Dataset, file: BinaryIO, options: JsonOptions) -> None:
    strings: frozenset[str] = frozenset()
    if options.big_integers == "string":
        strings = columns_where(
            dataset, {field.name: beyond_javascript for field in dataset.schema if pa.types.is_integer(field.type)}
        )
    # In an array a row begins with the comma and the line end that part it from the row before; the very first row has
    # no comma.
    begin, end = ("{", "}\n") if options.shape == "lines" else (",\n{", "}")
    surplus = 0 if options.shape == "lines" else 1
    for batch in slices(dataset):
        pieces: list[pa.Array | str] = []
        for column, field in zip(batch.columns, dataset.schema, strict=True):
            pieces.append(("," if pieces else begin) + _string(field.name) + ":")
            pieces.append(json_column(column, field, options, quote=field.name in strings))
        pieces.append(end)
        file.write(memoryview(rows_as_bytes(pieces, null="null"))[surplus:])
        surplus = 0


def beyond_javascript(column: pa.Array) -> bool:
    """Whether a column of integers holds one that JavaScript would round."""
    return reaches_beyond(column, _SAFE_INTEGER)


def json_column(column: pa.Array, field: pa.Field, options: JsonOptions, *, quote: bool = False) -> pa.Array:
    """Values as JSON tokens; NULL stays NULL and becomes `null` when rows are joined."""
    kind = field.type
    if pa.types.is_string(kind):
        text, quote = _escape(column), True
    elif pa.types.is_binary(kind):
        text, quote = _base64(column), True
    elif pa.types.is_timestamp(kind):
        text, quote = datetime_text(column, field, style=options.datetimes), True
    else:
        text = plain_text(column, field)
        quote = quote or pa.types.is_date32(kind) or (pa.types.is_decimal(kind) and options.decimals == "string")
    return pc.binary_join_element_wise('"', text, '"', "") if quote else text


def _base64(column: pa.Array) -> pa.Array:
    return pa.array(
        [None if value is None else base64.b64encode(value).decode() for value in column.to_pylist()], pa.string()
    )


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _kind(options: FormatOptions) -> FileKind:
    if options.json_.shape == "lines":
        return FileKind("jsonl", "application/x-ndjson", whole_table=False)
    return FileKind("json", "application/json", whole_table=options.json_.shape == "object")


JSON = FileFormat("json", _kind, write_json)
