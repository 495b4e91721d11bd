"""DataFrames of polars as Parquet files, by its own writer and reader, which keep each of its types."""

from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa

from aggregation_pipeline.errors import StorageError
from aggregation_pipeline.io_managers.user_code import user_code

_MOST_DIGITS: Final = 38
_REMEDY: Final = "Annotate the input as pyarrow.Table or pandas.DataFrame."


def write_polars(
    frame: pl.DataFrame | pl.LazyFrame, path: Path, metadata: dict[str, str]
) -> tuple[int, tuple[tuple[str, str], ...]]:
    """Write a frame; return how many rows it has, and names and types of its columns.

    A LazyFrame is computed, and streams into the file.

    Raises:
        StorageError: a column has a type that Parquet cannot hold, or there are rows without columns.
        UserCodeError: a LazyFrame cannot be computed.
    """
    with user_code():
        schema = frame.collect_schema()
        rows = frame.height if isinstance(frame, pl.DataFrame) else None if schema else frame.collect().height
    for name, dtype in schema.items():
        _refuse(name, dtype)
    if rows and not schema:
        raise StorageError("without columns the number of rows would be lost. Keep a column")
    if isinstance(frame, pl.LazyFrame):
        with user_code():
            frame.sink_parquet(path, compression="zstd", metadata=metadata)
        rows = int(pl.scan_parquet(path).select(pl.len()).collect().item())
    else:
        frame.write_parquet(path, compression="zstd", metadata=metadata)
    return rows or 0, tuple((name, str(dtype)) for name, dtype in schema.items())


def _refuse(name: str, dtype: object, *, inside: str = "") -> None:
    """Refuse the types that Parquet cannot hold, also within lists and structs."""
    if dtype == pl.Object:
        raise StorageError(f"columns of the DataFrame hold Python objects: {name!r}{inside}. Give them a dtype")
    inner = [field.dtype for field in dtype.fields] if isinstance(dtype, pl.Struct) else []
    if isinstance(dtype, pl.Struct) and not inner:
        raise StorageError(
            f"column {name!r} holds structs without fields{inside}, which Parquet cannot hold. Give them a field, or"
            " drop them"
        )
    if isinstance(dtype, pl.List | pl.Array):
        inner = [dtype.inner]
    for one in inner:
        _refuse(name, one, inside=f" ({dtype})")


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
