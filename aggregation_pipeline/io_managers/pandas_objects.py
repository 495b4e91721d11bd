"""Columns of Python objects as Arrow columns that come back equal, in values and in types, or are refused.

Arrow takes what it can convert: an integer among floats, a date for a datetime, a set for a list. So each value is
compared with what will be loaded, before anything is stored.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, time
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa

from aggregation_pipeline.errors import StorageError

# A Series or an Index; an array of pandas or numpy; a cell.
Values: TypeAlias = Any
_Cell: TypeAlias = Any
# What Arrow and Python raise for values that they do not take. Texts that are no UTF-8 are ValueErrors.
REFUSALS: Final = (pa.ArrowException, TypeError, ValueError, OverflowError, ArithmeticError, AttributeError, KeyError)
_COMPARED_AT_ONCE: Final = 1 << 16
_REMEDY: Final = (
    "give it a dtype (infer_objects() finds one that fits), or make it text. A column of object holds values of one"
    " type besides None: str, bytes, bool, int of 64 bits, float, finite Decimal, date, time without zone, datetime of"
    " one zone or none, timedelta, pandas.Timestamp, pandas.Timedelta, UUID, ndarrays of one dtype, or lists and dicts"
    " (all with the same keys) of these"
)


def as_objects(values: Values, what: str) -> pa.ChunkedArray | None:
    """Return the Arrow column of Python objects, or of categories that are some; None for another dtype.

    Args:
        values: a column or a level of the index.
        what: its name for messages.

    Raises:
        StorageError: the values would not come back as they are. It names their types, and no value.
    """
    dtype = values.dtype
    # pandas' own question fails on Arrow's newer types.
    if dtype == np.dtype(object):
        return _exact(list(values), f"{what} of the DataFrame (dtype object)")
    if not isinstance(dtype, pd.CategoricalDtype) or not pd.api.types.is_object_dtype(dtype.categories.dtype):
        return None
    categories = _exact(list(dtype.categories), f"{what} of the DataFrame (categories of object)").combine_chunks()
    codes = pd.Categorical(values).codes
    indices = pa.array(codes, mask=codes == -1)
    return pa.chunked_array([pa.DictionaryArray.from_arrays(indices, categories, ordered=bool(dtype.ordered))])


def holds_arrays(column: pa.ChunkedArray, values: Iterable[object]) -> bool:
    """Whether the values that became this column are numpy's arrays, which are lists in Arrow too."""
    return pa.types.is_list(column.type) and isinstance(next(_present(values), None), np.ndarray)


def objects_of(column: pa.ChunkedArray, *, arrays: bool) -> Values:
    """Return the objects of a column of `as_objects`, as an array for pandas."""
    if arrays:
        return column.to_pandas().array
    values = pd.Series(column.to_pylist(), dtype=object).array
    if not pa.types.is_dictionary(column.type):
        return values
    known = column.chunk(0).dictionary.to_pylist() if column.num_chunks else []
    return pd.Categorical(values, categories=pd.Index(known, dtype=object), ordered=column.type.ordered)


def _exact(values: Sequence[object], what: str) -> pa.ChunkedArray:
    kept = _with_none(values)
    try:
        array = pa.array(kept, _nanoseconds(kept))
        column = array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])
        arrays = holds_arrays(column, kept)
        for first in range(0, len(kept), _COMPARED_AT_ONCE):
            loaded = objects_of(column.slice(first, _COMPARED_AT_ONCE), arrays=arrays)
            if not all(map(_same, kept[first : first + _COMPARED_AT_ONCE], loaded)):
                break
        else:
            return column
    except REFUSALS:
        # Their text quotes values.
        pass
    raise StorageError(f"{what} holds {_types(kept)}, for which there is no one type in Arrow: {_REMEDY}")


def _with_none(values: Sequence[object]) -> list[object]:
    """The values with None for what pandas calls missing; among floats alone NaN is a value."""
    missing = (type(None), type(pd.NA), type(pd.NaT))
    floats = {type(value) for value in values} <= {float, *missing}

    def is_missing(value: object) -> bool:
        return isinstance(value, missing) or (not floats and isinstance(value, float) and math.isnan(value))

    return [None if is_missing(value) else value for value in values]


def _present(values: Iterable[object]) -> Iterator[_Cell]:
    return (value for value in values if value is not None)


def _nanoseconds(values: Sequence[object]) -> pa.DataType | None:
    """The type for pandas' own times, which Arrow would take in microseconds; None for the one that Arrow infers."""
    first = next(_present(values), None)
    if isinstance(first, pd.Timestamp):
        return pa.timestamp("ns", pa.infer_type([first]).tz)
    return pa.duration("ns") if isinstance(first, pd.Timedelta) else None


def _same(stored: _Cell, loaded: _Cell) -> bool:
    """Whether two values are equal and of one type, down to the innermost."""
    if type(stored) is not type(loaded):
        return False
    if isinstance(stored, list):
        return len(stored) == len(loaded) and all(map(_same, stored, loaded))
    if isinstance(stored, dict):
        return stored.keys() == loaded.keys() and all(_same(value, loaded[key]) for key, value in stored.items())
    if isinstance(stored, np.ndarray):
        return (stored.dtype, stored.shape) == (loaded.dtype, loaded.shape) and _same(stored.tolist(), loaded.tolist())
    if isinstance(stored, datetime | time):
        # Equal moments may be told in two zones, and twice in an hour that is repeated.
        zones = str(stored.tzinfo) == str(loaded.tzinfo)
        return zones and stored.fold == loaded.fold and bool(stored == loaded)
    return bool(stored == loaded) or (isinstance(stored, float) and math.isnan(stored) and math.isnan(loaded))


def _types(values: Iterable[object]) -> str:
    """The types of the values and of what is in them, for messages."""
    present = list(_present(values))
    inner = [
        one
        for value in present
        if isinstance(value, list | tuple | set | frozenset | dict)
        for one in (value.values() if isinstance(value, dict) else value)
    ]
    names = " and ".join(sorted({_type(value) for value in present})) or "None"
    if len({tuple(sorted(map(repr, value))) for value in present if isinstance(value, dict)}) > 1:
        names += " with different keys"
    return f"{names} of {_types(inner)}" if inner else names


def _type(value: object) -> str:
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    if not isinstance(value, datetime | time):
        return name
    return f"{name} without zone" if value.tzinfo is None else f"{name} of {value.tzinfo}"
