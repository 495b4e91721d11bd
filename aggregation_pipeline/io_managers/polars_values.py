"""DataFrames of polars as Parquet files, by its own writer and reader, which keep each of its types."""

from pathlib import Path

import polars as pl
import pyarrow as pa

from aggregation_pipeline.errors import StorageError


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
    """Return an Arrow table as a frame."""
    frame = pl.from_arrow(table)
    return frame if isinstance(frame, pl.DataFrame) else frame.to_frame()
