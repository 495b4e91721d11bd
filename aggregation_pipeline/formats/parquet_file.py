"""Parquet: the database's own types, one file a dataset. The extract is Parquet already, and mostly is the very file to publish.

Only two things ask for other contents: another compression, and DECIMAL wider than 38 digits. MySQL gives SUM of a BIGINT 41 digits,
whatever the sum is, and Spark, DuckDB and Polars refuse or round beyond 38. Where all values of such a column fit into 38 digits it
is written with 38; where one does not, all digits are kept.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from aggregation_pipeline.config.options import FormatOptions, ParquetOptions
from aggregation_pipeline.extract import Dataset, Extract
from aggregation_pipeline.formats.batches import columns_where, not_whole, slices
from aggregation_pipeline.formats.files import FileFormat, RenderedFile, local_path, whole_file

_WIDEST_EVERYWHERE = 38
# What is held back for one row group: large enough to compress well, small enough for flat memory.
_GROUP_ROWS = 131_072
_GROUP_BYTES = 32 * 1024 * 1024


def render_parquet(extract: Extract, directory: Path, options: FormatOptions) -> Iterator[RenderedFile]:
    """One file a dataset."""
    for dataset in extract.datasets:
        name = f"{extract.table}.{dataset.name}.parquet"
        path = local_path(directory, name)
        schema = portable_schema(dataset)
        with whole_file(path) as file:
            if schema.equals(dataset.schema) and _is_as_asked(dataset, options.parquet):
                with dataset.path.open("rb") as extracted:
                    shutil.copyfileobj(extracted, file, 1024 * 1024)
            else:
                _rewrite(dataset, schema, file, options.parquet)
        yield RenderedFile(path, name, "parquet", dataset.name, dataset.rows, path.stat().st_size, PARQUET.media_type)


def portable_schema(dataset: Dataset) -> pa.Schema:
    """The extract's schema, decimals narrowed to 38 digits where all values allow it."""
    wide = {i: field for i, field in enumerate(dataset.schema) if pa.types.is_decimal256(field.type)}
    must_stay = columns_where(dataset, {field.name: lambda column: portable_type(column) == column.type for field in wide.values()})
    schema = dataset.schema
    for i, field in wide.items():
        if field.name not in must_stay:
            schema = schema.set(i, field.with_type(_narrow(field.type)))
    return schema


def portable_type(column: pa.Array) -> pa.DataType:
    """The type that these values can be written with for every reader, as far as there is one."""
    if not pa.types.is_decimal256(column.type):
        return column.type
    try:
        column.cast(_narrow(column.type))
    except pa.ArrowInvalid:
        return column.type
    return _narrow(column.type)


def _narrow(kind: pa.DataType) -> pa.DataType:
    return pa.decimal128(_WIDEST_EVERYWHERE, kind.scale)


def _is_as_asked(dataset: Dataset, options: ParquetOptions) -> bool:
    with pq.ParquetFile(dataset.path) as file:
        found = file.metadata
        if found.num_rows != dataset.rows:
            raise not_whole(dataset, found.num_rows)
        chunks = (found.row_group(i).column(j) for i in range(found.num_row_groups) for j in range(found.num_columns))
        return all(chunk.compression == options.compression.upper() for chunk in chunks)


def _rewrite(dataset: Dataset, schema: pa.Schema, file: BinaryIO, options: ParquetOptions) -> None:
    group: list[pa.RecordBatch] = []
    with pq.ParquetWriter(file, schema, compression=options.compression) as writer:
        for batch in slices(dataset):
            group.append(batch.cast(schema))
            if sum(each.num_rows for each in group) >= _GROUP_ROWS or sum(each.nbytes for each in group) >= _GROUP_BYTES:
                writer.write_table(pa.Table.from_batches(group))
                group.clear()
        if group:
            writer.write_table(pa.Table.from_batches(group))


PARQUET = FileFormat("parquet", "parquet", "application/vnd.apache.parquet", render_parquet, whole_table=False)
