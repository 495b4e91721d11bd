"""DataFrames of polars as Parquet files, by its own writer and reader, which keep each of its types."""

from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa

from aggregation_pipeline.errors import StorageError

_MOST_DIGITS: Final = 38
_REMEDY: Final = "Annotate the input as pyarrow.Table or pandas.DataFrame."


def write_polars(
    frame: pl.DataFrame | pl.LazyFrame, path: Path, metadata: dict[str, str]
) -> tuple[int, tuple[tuple[str, str], ...]]:
    """Write a frame; return how many rows it has, and names and types of its columns.

    A LazyFrame is computed, and streams into the file.

    Raises:
        StorageError: a column holds Python objects.
    """
    schema = frame.collect_schema()
    if objects := [repr(name) for name, dtype in schema.items() if dtype == pl.Object]:
        raise StorageError(f"columns of the DataFrame hold Python objects: {', '.join(objects)}. Give them a dtype")
    if isinstance(frame, pl.LazyFrame):
        frame.sink_parquet(path, compression="zstd", metadata=metadata)
        rows = int(pl.scan_parquet(path).select(pl.len()).collect().item())
    else:
        frame.write_parquet(path, compression="zstd", metadata=metadata)
        rows = frame.height
    return rows, tuple((name, str(dtype)) for name, dtype in schema.items())


def from_arrow(table: pa.Table) -> pl.DataFrame:
    """Return an Arrow table as a frame.

    Raises:
        StorageError: a column has a type that polars does not know, or decimals of more than its 38 digits.
    """
    for number, field in enumerate(table.schema):
        # The SUM of a DECIMAL has room for more digits than polars, and seldom needs it.
        if pa.types.is_decimal256(field.type):
            narrow = pa.decimal128(_MOST_DIGITS, min(field.type.scale, _MOST_DIGITS))
            table = table.set_column(number, field.with_type(narrow), _narrowed(table.column(number), narrow, field))
    problem = ""
    try:
        frame = pl.from_arrow(table)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, NotImplementedError):
        types = ", ".join(f"{field.name} ({field.type})" for field in table.schema)
        problem = f"polars does not know the type of one of these columns: {types}. {_REMEDY}"
    else:
        return frame if isinstance(frame, pl.DataFrame) else frame.to_frame()
    raise StorageError(problem)


def _narrowed(column: pa.ChunkedArray, narrow: pa.DataType, field: pa.Field) -> pa.ChunkedArray:
    try:
        return column.cast(narrow)
    except pa.ArrowInvalid:
        # Its text quotes the value.
        problem = f"column {field.name!r} ({field.type}) holds decimals of more digits than the 38 of polars. {_REMEDY}"
    raise StorageError(problem)
