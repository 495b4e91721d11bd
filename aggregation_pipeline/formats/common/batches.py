"""How the formats read an extract: in slices that fit into memory."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from aggregation_pipeline.errors import FormatError
from aggregation_pipeline.extract import Dataset

# One slice's text stays in the processor's caches. What is made of it (JSON escapes grow it sixfold at most) stays
# within the 2 GiB of an Arrow string array, whatever batches the extract was written in.
_SLICE_ROWS = 16_384
_SLICE_BYTES = 8 * 1024 * 1024


def slices(dataset: Dataset) -> Iterator[pa.RecordBatch]:
    """Yield all rows in order, a slice at a time.

    Raises:
        FormatError: the extract does not hold the promised rows. Half an extract must not become a file.
    """
    seen = 0
    for batch in dataset.batches():
        rows = max(1, min(_SLICE_ROWS, batch.num_rows * _SLICE_BYTES // max(batch.nbytes, 1)))
        for start in range(0, batch.num_rows, rows):
            yield batch.slice(start, rows)
        seen += batch.num_rows
    if seen != dataset.rows:
        raise wrong_row_count(dataset, seen)


def wrong_row_count(dataset: Dataset, rows: int) -> FormatError:
    """Make the error for an extract that holds other than the promised rows."""
    return FormatError(
        f"The extract of {dataset.name} was said to hold {dataset.rows} rows and holds {rows}: "
        "it was cut or replaced after it was made. Run the table again, so that it is read anew."
    )


def exceeds(column: pa.Array, limit: int) -> bool:
    """Whether a column of integers holds a value below -limit or above limit."""
    ends = pc.min_max(column).as_py()
    return ends["max"] is not None and bool(ends["max"] > limit or ends["min"] < -limit)
