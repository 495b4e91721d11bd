"""DataFrames of pandas as Arrow tables and back, with index and dtypes."""

import json
import re
from typing import Any, Final

import pandas as pd
import pyarrow as pa

from aggregation_pipeline.errors import StorageError

# The name that pyarrow gives to the column of an index that has none.
_UNNAMED_INDEX: Final = re.compile(r"__index_level_\d+__")
_PANDAS_KEY: Final = b"pandas"
# In a table's metadata, the numbers of the columns that are Arrow's in pandas too.
_ARROW_COLUMNS_KEY: Final = b"aggregation_pipeline.arrow_columns"


def from_pandas(frame: pd.DataFrame) -> pa.Table:
    """Return the frame as a table whose metadata describe index and dtypes.

    Raises:
        StorageError: a column has a name twice, or values that have no one type; it names the column and no value.
    """
    if not frame.columns.is_unique:
        names = sorted({str(name) for name in frame.columns[frame.columns.duplicated()]})
        raise StorageError(f"several columns of the DataFrame have the same name: {', '.join(names)}. Rename them")
    arrow_columns = [number for number, dtype in enumerate(frame.dtypes) if isinstance(dtype, pd.ArrowDtype)]
    try:
        # Of a frame without columns nothing but the index says how many rows it has.
        table = pa.Table.from_pandas(frame, preserve_index=None if len(frame.columns) else True)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        problem = _untyped(frame)
    else:
        note = {_ARROW_COLUMNS_KEY: json.dumps(arrow_columns)}
        return table.replace_schema_metadata(table.schema.metadata | note)
    raise StorageError(problem)


def to_pandas(table: pa.Table) -> pd.DataFrame:
    """Return the table as a frame.

    With pandas' metadata it is the frame that was stored. Without, its columns are Arrow's, so that a DECIMAL stays a
    decimal, and an integer with NULLs stays an integer.
    """
    metadata = table.schema.metadata or {}
    if _PANDAS_KEY not in metadata:
        mapped: pd.DataFrame = table.to_pandas(types_mapper=pd.ArrowDtype)
        return mapped
    arrow_columns: list[int] = json.loads(metadata.get(_ARROW_COLUMNS_KEY, b"[]"))
    described: dict[str, Any] = json.loads(metadata[_PANDAS_KEY])
    # pandas cannot parse the names that it gives to nested types, and pyarrow makes objects of some others.
    for number in arrow_columns:
        described["columns"][number]["numpy_type"] = "object"
    frame: pd.DataFrame = table.replace_schema_metadata(metadata | {_PANDAS_KEY: json.dumps(described)}).to_pandas()
    for number in arrow_columns:
        values = pd.arrays.ArrowExtensionArray(table.column(number))
        frame.isetitem(number, values)
    return frame


def without_pandas(table: pa.Table) -> pa.Table:
    """Return the table for a reader that knows no pandas: without the column of an index that has no name."""
    if _PANDAS_KEY not in (table.schema.metadata or {}):
        return table
    unnamed = [name for name in table.schema.names if _UNNAMED_INDEX.fullmatch(name)]
    return table.drop_columns(unnamed).replace_schema_metadata(None)


def _untyped(frame: pd.DataFrame) -> str:
    """Say which column has no one type. The text of Arrow's errors may quote values."""
    named: list[tuple[str, Any]] = [
        *((f"column {name!r}", frame[name]) for name in frame.columns),
        ("the index", frame.index),
    ]
    for what, values in named:
        try:
            pa.Table.from_pandas(pd.DataFrame({"values": values}), preserve_index=False)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            return (
                f"{what} of the DataFrame (dtype {values.dtype}) holds values that have no one type in Arrow: give it"
                " a dtype, or make it text"
            )
    return "Arrow cannot take the DataFrame as a table"
