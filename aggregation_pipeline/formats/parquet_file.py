"""Parquet: the database's own types, one file a dataset. Mostly the extract itself, which is Parquet, is published.

It is written anew in two cases: for another compression, and for DECIMAL wider than 38 digits. MySQL gives SUM of a
BIGINT 41 digits whatever the sum is, and most readers end at 38: some refuse the whole file for one wider column,
others round it. A column whose values all fit into 38 digits is written with 38. Otherwise it becomes text, unless
`parquet.wideDecimals` keeps it a decimal.
"""

import shutil
from collections.abc import Sequence
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from aggregation_pipeline.config.options import FormatOptions, ParquetOptions
from aggregation_pipeline.extract import Dataset, Extract
from aggregation_pipeline.formats.common.batches import slices, wrong_row_count
from aggregation_pipeline.formats.common.column_text import decimal_text
from aggregation_pipeline.formats.common.file_format import Writing

# The most digits of a decimal that every reader takes.
_PORTABLE_DIGITS = 38
# How much one row group holds: enough to compress well, little enough for flat memory.
_GROUP_ROWS = 131_072
_GROUP_BYTES = 32 * 1024 * 1024


def write_parquet(
    _extract: Extract,
    datasets: Sequence[Dataset],
    file: BinaryIO,
    options: FormatOptions,
) -> Writing:
    """Write the one dataset of a file; return how many decimals became text."""
    (dataset,) = datasets
    schema = portable_schema(dataset, options.parquet)
    if not schema.equals(dataset.schema) or not _has_compression(dataset, options.parquet):
        return (yield from _rewrite(dataset, schema, file, options.parquet))
    with dataset.path.open("rb") as extracted:
        shutil.copyfileobj(extracted, file, 1024 * 1024)
    return {}


def portable_schema(dataset: Dataset, options: ParquetOptions) -> pa.Schema:
    """Return the extract's schema, its wide decimals narrowed to 38 digits or, where one has more, as configured."""
    wide = {i: field for i, field in enumerate(dataset.schema) if pa.types.is_decimal256(field.type)}
    too_wide = dataset.columns_where({field.name: _has_over_38_digits for field in wide.values()})
    schema = dataset.schema
    for i, field in wide.items():
        schema = schema.set(i, field.with_type(_portable(field.type, options, too_wide=field.name in too_wide)))
    return schema


def portable_type(column: pa.Array, options: ParquetOptions) -> pa.DataType:
    """Return the type that these values are written with."""
    if not pa.types.is_decimal256(column.type):
        return column.type
    return _portable(column.type, options, too_wide=_has_over_38_digits(column))


def _portable(kind: pa.DataType, options: ParquetOptions, *, too_wide: bool) -> pa.DataType:
    if not too_wide:
        return _narrow(kind)
    return pa.string() if options.wide_decimals == "text" else kind


def _has_over_38_digits(column: pa.Array) -> bool:
    try:
        column.cast(_narrow(column.type))
    except pa.ArrowInvalid:
        return True
    return False


def _narrow(kind: pa.DataType) -> pa.DataType:
    return pa.decimal128(_PORTABLE_DIGITS, kind.scale)


def _has_compression(dataset: Dataset, options: ParquetOptions) -> bool:
    """Whether the extract is compressed as configured. FormatError where it does not hold the promised rows."""
    with pq.ParquetFile(dataset.path) as file:
        found = file.metadata
        if found.num_rows != dataset.rows:
            raise wrong_row_count(dataset, found.num_rows)
        chunks = (found.row_group(i).column(j) for i in range(found.num_row_groups) for j in range(found.num_columns))
        return all(chunk.compression == options.compression.upper() for chunk in chunks)


def _rewrite(dataset: Dataset, schema: pa.Schema, file: BinaryIO, options: ParquetOptions) -> Writing:
    pairs = enumerate(zip(schema, dataset.schema, strict=True))
    as_text = {i for i, (new, old) in pairs if new.type != old.type and pa.types.is_string(new.type)}
    group: list[pa.RecordBatch] = []
    count = 0
    with pq.ParquetWriter(file, schema, compression=options.compression) as writer:
        for batch in slices(dataset):
            yield
            columns = [
                decimal_text(column) if i in as_text else column.cast(schema.field(i).type)
                for i, column in enumerate(batch.columns)
            ]
            count += sum(batch.num_rows - batch.column(i).null_count for i in as_text)
            group.append(pa.RecordBatch.from_arrays(columns, schema=schema))
            if _is_full(group):
                writer.write_table(pa.Table.from_batches(group))
                group.clear()
        if group:
            writer.write_table(pa.Table.from_batches(group))
    return {"parquet_decimals_as_text": count} if count else {}


def _is_full(group: Sequence[pa.RecordBatch]) -> bool:
    rows, size = sum(each.num_rows for each in group), sum(each.nbytes for each in group)
    return bool(rows >= _GROUP_ROWS or size >= _GROUP_BYTES)
