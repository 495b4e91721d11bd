"""Counts over the columns of a dataset, batch by batch, so that memory does not grow with its rows."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from aggregation_pipeline.extract import Dataset
from aggregation_pipeline.formats.common.column_text import plain_text

AllowedValue = str | int | bool | None
# Rows whose hashes occur twice are compared in full, if there are no more such hashes than this.
_MAX_COMPARED_HASHES: Final = 10_000


def nulls(dataset: Dataset, column: str) -> int:
    """Count the NULLs of a column."""
    return sum(batch.column(column).null_count for batch in dataset.batches())


def unexpected_values(dataset: Dataset, column: str, allowed: Sequence[AllowedValue]) -> int:
    """Count the values that are not among the allowed ones, as the files show them; NULL is always allowed."""
    texts = pa.array(
        [str(int(value)) if isinstance(value, bool) else str(value) for value in allowed if value is not None],
        pa.string(),
    )
    count = 0
    for batch in dataset.batches():
        field = batch.schema.field(column)
        cells = batch.column(column).drop_null()
        # Bytes stay bytes: they need not be text.
        cells = cells if pa.types.is_binary(field.type) else plain_text(cells, field)
        count += len(cells) - (pc.sum(pc.is_in(cells, value_set=texts.cast(cells.type))).as_py() or 0)
    return count


def duplicates(dataset: Dataset, columns: Sequence[str]) -> int:
    """Count the rows that have the same values in `columns` as an earlier row.

    As in a UNIQUE index, a row with a NULL in one of the columns equals no other row. Memory holds eight bytes a row:
    a hash of its values. Rows whose hash occurs twice are then read again and compared in full.
    """
    hashes = [_hashes(_keys(batch, columns)) for batch in dataset.batches()]
    if not hashes:
        return 0
    values, counts = np.unique(np.concatenate(hashes), return_counts=True)
    suspects = values[counts > 1]
    if not len(suspects) or len(suspects) > _MAX_COMPARED_HASHES:
        return int((counts[counts > 1] - 1).sum())
    seen: Counter[tuple[object, ...]] = Counter()
    for batch in dataset.batches():
        keys = _keys(batch, columns)
        candidates = keys.filter(pa.array(np.isin(_hashes(keys), suspects)))
        seen.update(tuple(row.values()) for row in candidates.to_pylist())
    return sum(count - 1 for count in seen.values())


def _keys(batch: pa.RecordBatch, columns: Sequence[str]) -> pa.RecordBatch:
    """The rows without a NULL, each value as text or bytes: Python has no object for some values of the columns."""
    complete = batch.select(columns).drop_null()
    return pa.RecordBatch.from_arrays([_key(column) for column in complete.columns], names=complete.schema.names)


def _key(column: pa.Array) -> pa.Array:
    if pa.types.is_binary(column.type):
        return column
    if pa.types.is_timestamp(column.type):
        # As text, two moments of the hour that occurs twice in autumn would look alike.
        column = column.cast(pa.int64())
    return pc.cast(column, pa.string())


def _hashes(keys: pa.RecordBatch) -> npt.NDArray[np.uint64]:
    frame = pd.DataFrame({name: keys.column(name).to_numpy(zero_copy_only=False) for name in keys.schema.names})
    hashes: npt.NDArray[np.uint64] = pd.util.hash_pandas_object(frame, index=False, categorize=False).to_numpy()  # type: ignore[assignment]
    return hashes
