"""Arrow tables as Parquet files, with what Parquet alone would lose: it comes back as it was.

Parquet has no seconds, no date64, and dictionaries of texts only; it forgets values of a dictionary that no row has. So
the file's footer keeps the schema, and the values of each dictionary in their order. Other programs read a plain file.
"""

import base64
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aggregation_pipeline.errors import StorageError

# What returned the rows: `pandas`, `polars` or `arrow`.
KIND_KEY: Final = "aggregation_pipeline.kind"
_SCHEMA_KEY: Final = b"aggregation_pipeline.schema"
_CATEGORIES_KEY: Final = "aggregation_pipeline.categories."
_REFUSALS: Final = (pa.ArrowNotImplementedError, pa.ArrowInvalid, pa.ArrowTypeError)
_TYPE_PROBLEM: Final = "column {!r} is of the Arrow type {}, which Parquet cannot hold; cast it first"
_VALUE_PROBLEM: Final = "column {!r} ({}) holds a value that Parquet cannot hold in this type; correct it, or cast it"
_NO_COLUMNS: Final = "without columns the number of rows would be lost. Keep a column"
_IN_DICTIONARIES: Final = ("string", "binary")
_GROUP_ROWS: Final = 1 << 16
_GROUP_BYTES: Final = 64 << 20


def write_table(table: pa.Table, path: Path, kind: str) -> None:
    """Write a table to `path`.

    Raises:
        StorageError: it has a type or a value that Parquet does not know, named by its column; or rows, and no column.
    """
    if table.num_rows and not table.num_columns:
        raise StorageError(_NO_COLUMNS)
    table = table.unify_dictionaries()
    notes = {
        f"{_CATEGORIES_KEY}{number}": _encoded(column.chunk(0).dictionary)
        for number, column in enumerate(table.columns)
        if pa.types.is_dictionary(column.type) and column.num_chunks
    }
    write_batches(table.to_batches(), table.schema, path, kind, notes)


def write_batches(
    batches: Iterable[pa.RecordBatch], schema: pa.Schema, path: Path, kind: str, notes: Mapping[str, str] | None = None
) -> None:
    """Write batches to `path` as they come; a row group of them is in memory at once.

    Raises:
        StorageError: as for `write_table`.
    """
    for field in schema:
        if _is_lost(field.type):
            raise StorageError(_TYPE_PROBLEM.format(field.name, field.type))
    last: pa.Table | None = None

    def groups() -> Iterator[pa.Table]:
        nonlocal last
        for group in _row_groups(batches, schema):
            last = group
            yield group

    try:
        _write(path, schema, groups(), {KIND_KEY: kind} | dict(notes or {}))
        with pq.ParquetFile(path) as file:
            _read_no_rows(file)
    except (*_REFUSALS, OSError) as error:
        problem = _unknown_to_parquet(schema, last)
        if not problem and isinstance(error, OSError):
            raise  # that of the disk
    else:
        return
    names = ", ".join(f"{field.name} ({field.type})" for field in schema)
    raise StorageError(problem or f"Arrow cannot write these columns as Parquet: {names}")


def read_table(path: Path) -> pa.Table:
    """Return the whole table, in the types that it had."""
    with pq.ParquetFile(path) as file:
        schema, categories = _notes(file)
        return _restored(file.read(), schema, categories)


def read_batches(path: Path) -> pa.RecordBatchReader:
    """Return a reader that holds one row group in memory at a time. The file may be removed meanwhile."""
    file = pq.ParquetFile(pa.OSFile(str(path)))
    schema, categories = _notes(file)

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in file.iter_batches(batch_size=_GROUP_ROWS):
            yield from _restored(pa.Table.from_batches([batch]), schema, categories).to_batches()

    return pa.RecordBatchReader.from_batches(schema, batches())


def kind_of_file(path: Path) -> str | None:
    """Return the kind of value that the file was written from; None for a file that something else wrote."""
    try:
        kind = (pq.read_metadata(path).metadata or {}).get(KIND_KEY.encode())
    except pa.ArrowNotImplementedError:
        # Integers of 128 bits, which only polars has.
        return "polars"
    return None if kind is None else kind.decode()


def _row_groups(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    group: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        if not batch.schema.equals(schema):
            names = [f"{field.name} ({field.type})" for field in batch.schema]
            raise StorageError(f"a batch has other columns than the schema of its reader: {', '.join(names)}")
        if batch.num_rows and not batch.num_columns:
            raise StorageError(_NO_COLUMNS)
        for first in range(0, batch.num_rows, _GROUP_ROWS):
            part = batch.slice(first, _GROUP_ROWS)
            group.append(part)
            rows, size = rows + part.num_rows, size + part.nbytes
            if rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
                yield pa.Table.from_batches(group, schema)
                group, rows, size = [], 0, 0
    if group:
        yield pa.Table.from_batches(group, schema)


def _write(
    where: Path | pa.NativeFile, schema: pa.Schema, groups: Iterable[pa.Table], notes: Mapping[str, str]
) -> None:
    plain = pa.schema([_plain(field) for field in schema], schema.metadata)
    schema_note = base64.b64encode(schema.serialize()).decode()
    with pq.ParquetWriter(where, plain, compression="zstd") as writer:
        for group in groups:
            writer.write_table(_decoded_table(group, plain), row_group_size=group.num_rows)
        writer.add_key_value_metadata({_SCHEMA_KEY.decode(): schema_note} | dict(notes))


def _read_no_rows(file: pq.ParquetFile) -> None:
    """Read the schema back, as for loading: there are types that can be written alone."""
    schema, categories = _notes(file)
    _restored(file.schema_arrow.empty_table(), schema, categories)


def _decoded_table(group: pa.Table, plain: pa.Schema) -> pa.Table:
    """The rows with the values of dictionaries in their place."""
    columns = [column.cast(field.type) for column, field in zip(group.columns, plain, strict=True)]
    return pa.Table.from_arrays(columns, schema=plain)


def _plain(field: pa.Field) -> pa.Field:
    return field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field


def _notes(file: pq.ParquetFile) -> tuple[pa.Schema, dict[int, pa.Array]]:
    """The schema that was written, and the values of dictionaries by the number of their column."""
    found = file.metadata.metadata or {}
    if _SCHEMA_KEY not in found:
        return file.schema_arrow, {}
    schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(found[_SCHEMA_KEY])))
    begin = _CATEGORIES_KEY.encode()
    return schema, {
        int(key.removeprefix(begin)): _decoded(value) for key, value in found.items() if key.startswith(begin)
    }


def _restored(table: pa.Table, schema: pa.Schema, categories: Mapping[int, pa.Array]) -> pa.Table:
    columns = []
    for number, field in enumerate(schema):
        column = table.column(number)
        if pa.types.is_dictionary(field.type) and column.type != field.type:
            column = _as_dictionary(column, categories.get(number), field.type)
        # Of two lists, equal ones may name what is in them differently.
        columns.append(column if str(column.type) == str(field.type) else column.cast(field.type))
    return pa.Table.from_arrays(columns, schema=schema) if columns else table.replace_schema_metadata(schema.metadata)


def _as_dictionary(column: pa.ChunkedArray, values: pa.Array | None, kind: pa.DictionaryType) -> pa.ChunkedArray:
    """Encode a column by these values; by its own where batches were written, each with a dictionary of its own."""
    if values is None:
        # Parquet has no seconds: these come back as thousandths.
        values = column.unique().drop_null().cast(kind.value_type)
    chunks = [
        pa.DictionaryArray.from_arrays(
            pc.index_in(chunk, value_set=values).cast(kind.index_type), values, ordered=kind.ordered
        )
        for chunk in column.chunks
    ]
    return pa.chunked_array(chunks, kind)


def _encoded(values: pa.Array) -> str:
    batch = pa.RecordBatch.from_arrays([values], ["values"])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return base64.b64encode(sink.getvalue()).decode()


def _decoded(note: bytes) -> pa.Array:
    with pa.ipc.open_stream(pa.py_buffer(base64.b64decode(note))) as stream:
        return stream.read_all().column(0).combine_chunks()


def _is_lost(kind: pa.DataType, *, inside: bool = False) -> bool:
    """Whether there is a dictionary in it that cannot be read back: within lists and structs, all but those of text."""
    if pa.types.is_dictionary(kind):
        values = kind.value_type
        return pa.types.is_dictionary(values) or (inside and str(values).removeprefix("large_") not in _IN_DICTIONARIES)
    return pa.types.is_nested(kind) and any(
        _is_lost(kind.field(number).type, inside=True) for number in range(kind.num_fields)
    )


def _unknown_to_parquet(schema: pa.Schema, last: pa.Table | None) -> str:
    """Say which column cannot be written, the last rows among others. The text of Arrow's errors may quote values."""
    attempts = {_TYPE_PROBLEM: None, _VALUE_PROBLEM: last}
    for problem, rows in attempts.items():
        for number, field in enumerate(schema):
            file = pa.BufferOutputStream()
            try:
                _write(file, pa.schema([field]), [] if rows is None else [rows.select([number])], {})
                _read_no_rows(pq.ParquetFile(pa.BufferReader(file.getvalue())))
            except (*_REFUSALS, OSError):
                return problem.format(field.name, field.type)
    return ""
