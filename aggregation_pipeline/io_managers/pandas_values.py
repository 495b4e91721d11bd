"""DataFrames of pandas as Arrow tables and back, with index and dtypes."""

import json
import re
from collections.abc import Container, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from aggregation_pipeline.errors import StorageError
from aggregation_pipeline.io_managers.pandas_objects import REFUSALS, Values, as_objects, holds_arrays, objects_of

# The name that pyarrow gives to the column of an index that has none.
_UNNAMED_INDEX: Final = re.compile(r"__index_level_\d+__")
_PANDAS_KEY: Final = b"pandas"
# In a table's metadata, the numbers of the columns that are Arrow's in pandas too.
_ARROW_COLUMNS_KEY: Final = b"aggregation_pipeline.arrow_columns"
# Likewise, of the columns and levels of the index that are Python objects: by number, whether they are arrays.
_OBJECTS_KEY: Final = b"aggregation_pipeline.objects"
_NAMES: Final = "Make them text, as by frame.columns = [str(name) for name in frame.columns]"

_INDEX_NAMES: Final = "the names of the index of the DataFrame would not come back as they are. Make them text"


def from_pandas(frame: pd.DataFrame) -> pa.Table:
    """Return the frame as a table whose metadata describe index and dtypes.

    Raises:
        StorageError: something of it would not come back as it is; it names the column and no value.
    """
    _refuse_names(frame)
    parts = _parts(frame)
    _refuse_two_missing(parts)
    _refuse_attributes(frame.attrs)
    arrow_columns = [number for number, (_, part) in enumerate(parts) if isinstance(part.dtype, pd.ArrowDtype)]
    objects = {
        number: column for number, (what, part) in enumerate(parts) if (column := as_objects(part, what)) is not None
    }
    try:
        # Of a frame without columns nothing but the index says how many rows it has.
        plain, preserve = _without_values(frame, objects), None if len(frame.columns) else True
        table = pa.Table.from_pandas(plain, preserve_index=preserve)
        for number, column in objects.items():
            table = table.set_column(number, table.schema.names[number], column)
        notes = {
            _ARROW_COLUMNS_KEY: json.dumps(arrow_columns),
            _OBJECTS_KEY: json.dumps({number: holds_arrays(objects[number], parts[number][1]) for number in objects}),
        }
        table = table.replace_schema_metadata(table.schema.metadata | notes)
        found = to_pandas(_without_rows(table))
    except REFUSALS:
        problem = _unknown(parts, objects)
    else:
        _refuse_changed(frame, found)
        return table
    raise StorageError(problem)


def to_pandas(table: pa.Table) -> pd.DataFrame:
    """Return the table as a frame.

    A table of `from_pandas` is the frame that was stored. The columns of another are Arrow's, so that a DECIMAL stays a
    decimal, and an integer with NULLs stays an integer, even if pyarrow has made it of a frame.
    """
    metadata = table.schema.metadata or {}
    if _ARROW_COLUMNS_KEY not in metadata:
        mapped: pd.DataFrame = table.to_pandas(types_mapper=pd.ArrowDtype, ignore_metadata=True)
        return mapped
    arrow_columns: list[int] = json.loads(metadata.get(_ARROW_COLUMNS_KEY, b"[]"))
    objects: dict[int, bool] = {int(key): value for key, value in json.loads(metadata.get(_OBJECTS_KEY, b"{}")).items()}
    described: dict[str, Any] = json.loads(metadata[_PANDAS_KEY])
    # pandas cannot parse the names that it gives to nested types, and pyarrow makes objects of some others.
    for number in arrow_columns:
        described["columns"][number]["numpy_type"] = "object"
    plain = table.replace_schema_metadata(metadata | {_PANDAS_KEY: json.dumps(described)})
    for number in [*arrow_columns, *objects]:
        plain = plain.set_column(number, plain.schema.names[number], pa.nulls(len(plain)))
    frame: pd.DataFrame = plain.to_pandas()
    values = {number: objects_of(table.column(number), arrays=arrays) for number, arrays in objects.items()}
    values |= {number: pd.arrays.ArrowExtensionArray(table.column(number)) for number in arrow_columns}
    return _with_values(frame, values)


def without_pandas(table: pa.Table) -> pa.Table:
    """Return the table for a reader that knows no pandas: without the column of an index that has no name."""
    described = (table.schema.metadata or {}).get(_PANDAS_KEY)
    if described is None:
        return table
    levels = sum(isinstance(level, str) for level in json.loads(described)["index_columns"])
    index_begins = len(table.schema.names) - levels
    kept = [
        number
        for number, name in enumerate(table.schema.names)
        if number < index_begins or not _UNNAMED_INDEX.fullmatch(name)
    ]
    return table.select(kept).replace_schema_metadata(None)


def _parts(frame: pd.DataFrame) -> list[tuple[str, Values]]:
    """Columns and then levels of the index, each with a name for messages: as Arrow's columns are numbered."""
    levels = [frame.index.get_level_values(level) for level in range(frame.index.nlevels)]
    named = ["the index"] if len(levels) == 1 else [f"level {level} of the index" for level in range(len(levels))]
    columns = [(f"column {name!r}", frame.iloc[:, number]) for number, name in enumerate(frame.columns)]
    return [*columns, *zip(named, levels, strict=True)]


def _without_values(frame: pd.DataFrame, numbers: Mapping[int, object]) -> pd.DataFrame:
    """The frame with None in these columns and levels of the index, whose values Arrow need not infer."""
    return _with_values(frame.copy(deep=False), {number: np.full(len(frame), None, object) for number in numbers})


def _with_values(frame: pd.DataFrame, values: Mapping[int, Values]) -> pd.DataFrame:
    """Put these values into columns and levels of the index, by number."""
    width = len(frame.columns)
    for number, column in values.items():
        if number < width:
            # An array of objects would be taken for datetimes where it holds some; a Series is taken as it is.
            series: Values = pd.Series(column, frame.index, _dtype(column))
            frame.isetitem(number, series)
    if any(number >= width for number in values):
        levels = [
            _level(values[width + level]) if width + level in values else frame.index.get_level_values(level)
            for level in range(frame.index.nlevels)
        ]
        names = frame.index.names
        frame.index = levels[0].rename(names[0]) if len(levels) == 1 else pd.MultiIndex.from_arrays(levels, names=names)
    return frame


def _level(values: Values) -> "pd.Index[Any]":
    return pd.CategoricalIndex(values) if isinstance(values, pd.Categorical) else pd.Index(values, _dtype(values))


def _dtype(values: Values) -> Values:
    return values.dtype if isinstance(values, pd.Categorical | pd.arrays.ArrowExtensionArray) else object


def _refuse_names(frame: pd.DataFrame) -> None:
    if not frame.columns.is_unique:
        twice = sorted({str(name) for name in frame.columns[frame.columns.duplicated()]})
        raise StorageError(f"several columns of the DataFrame have the same name: {', '.join(twice)}. Rename them")
    kinds = sorted({type(name).__qualname__ for name in frame.columns})
    if len(kinds) > 1:
        raise StorageError(f"names of columns of the DataFrame are of several types: {', '.join(kinds)}. {_NAMES}")
    names = [name for name in frame.index.names if name is not None and not isinstance(name, str)]
    if names and not isinstance(frame.index, pd.RangeIndex):
        raise StorageError(_INDEX_NAMES)


def _refuse_changed(frame: pd.DataFrame, found: pd.DataFrame) -> None:
    """Refuse names and dtypes that come back as others."""
    names, others = (
        (list(one.columns), list(map(type, one.columns)), list(one.columns.names)) for one in (frame, found)
    )
    if names != others:
        kind = type(frame.columns).__name__
        raise StorageError(f"the names of columns of the DataFrame ({kind}) would not come back as they are. {_NAMES}")
    if type(found.index) is not type(frame.index) and isinstance(frame.index, pd.MultiIndex):
        raise StorageError(
            "the index of the DataFrame is a MultiIndex of one level, which would come back as a plain one. Make it"
            " plain: frame.index = frame.index.get_level_values(0)"
        )
    if list(frame.index.names) != list(found.index.names):
        raise StorageError(_INDEX_NAMES)
    for (what, dtype), (_, other) in zip(_dtypes(frame), _dtypes(found), strict=True):
        if not _same_dtype(dtype, other):
            raise StorageError(
                f"{what} of the DataFrame (dtype {dtype}) would come back as dtype {other}. Convert it first, as by"
                " astype()"
            )


def _refuse_two_missing(parts: Sequence[tuple[str, Values]]) -> None:
    """Refuse NaN in a column of nullable floats, which pandas would load as <NA>."""
    for what, values in parts:
        if (
            isinstance(values.dtype, pd.Float32Dtype | pd.Float64Dtype)
            and np.isnan(values.to_numpy(float, na_value=0)).any()
        ):
            raise StorageError(
                f"{what} of the DataFrame (dtype {values.dtype}) holds NaN, which would come back as <NA>. Make it a"
                " column of numpy's floats by astype('float64'), or replace NaN"
            )


def _refuse_attributes(attributes: Mapping[Any, Any]) -> None:
    """Refuse `attrs` that JSON does not give back as they are, such as tuples and keys that are no texts."""
    try:
        if json.loads(json.dumps(attributes)) == attributes:
            return
    except (TypeError, ValueError, RecursionError):
        # Their text may quote values.
        pass
    raise StorageError(
        "attrs of the DataFrame would not come back as they are: they may hold what JSON has, with texts as keys. Take"
        " the others out: frame.attrs.pop(key)"
    )


def _without_rows(table: pa.Table) -> pa.Table:
    described = json.loads(table.schema.metadata[_PANDAS_KEY])
    # An index that is no column would not fit to no rows.
    for level in described["index_columns"]:
        if isinstance(level, dict):
            level |= {"start": 0, "stop": 0}
    return table.slice(0, 0).replace_schema_metadata(table.schema.metadata | {_PANDAS_KEY: json.dumps(described)})


def _dtypes(frame: pd.DataFrame) -> list[tuple[str, Any]]:
    index = frame.index
    levels = list(index.levels) if isinstance(index, pd.MultiIndex) else [index]
    parts = _parts(frame.iloc[:0])
    return [
        *((what, part.dtype) for what, part in parts[: len(frame.columns)]),
        *((what, level.dtype) for (what, _), level in zip(parts[len(frame.columns) :], levels, strict=True)),
    ]


def _same_dtype(stored: object, loaded: object) -> bool:
    if isinstance(stored, pd.CategoricalDtype) and isinstance(loaded, pd.CategoricalDtype):
        one, other = stored.categories, loaded.categories
        return stored.ordered == loaded.ordered and _same_dtype(one.dtype, other.dtype) and one.equals(other)
    return str(stored) == str(loaded)


def _unknown(parts: Sequence[tuple[str, Values]], objects: Container[int]) -> str:
    """Say what Arrow cannot take or give back. The text of its errors may quote values."""
    for number, (what, values) in enumerate(parts):
        if number in objects:
            continue
        try:
            pa.Table.from_pandas(pd.DataFrame({"values": values.array}), preserve_index=False).to_pandas()
        except REFUSALS:
            return (
                f"{what} of the DataFrame (dtype {values.dtype}) holds what has no type in Arrow: give it another"
                " dtype, or make it text"
            )
    return f"the names of columns of the DataFrame, or those of its index, would not come back as they are. {_NAMES}"
