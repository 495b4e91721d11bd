"""Write record batches to a local Parquet file while the next ones are read."""

import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

# Arrow's default pool keeps freed memory for the thread that freed it. With one thread that reads and one that writes
# the peak is 40 MB higher, differs from run to run, and nothing is faster. A pool chosen in the environment stays.
if "ARROW_DEFAULT_MEMORY_POOL" not in os.environ:
    pa.set_memory_pool(pa.system_memory_pool())

# The size of a row group, which a reader of the extract holds in memory at once.
_GROUP_ROWS: Final = 65_536
_GROUP_BYTES: Final = 8 << 20
_DICTIONARY_BYTES: Final = 32 << 10
# The rows by which columns are judged. A column of 2,000 values is seen to repeat itself in so many.
_SAMPLE_ROWS: Final = 8_192


class ParquetSink:
    """Writes record batches to a Parquet file in a thread of its own, so that compressing overlaps with reading.

    The file gets its name only when it is complete. The same rows give the same bytes, in whatever batches they came.

    Args:
        on_group: is shown each row group, in the writing thread, before it is written.
    """

    def __init__(
        self, path: Path, schema: pa.Schema, on_group: Callable[[pa.RecordBatch], None] = lambda _: None
    ) -> None:
        self._path = path
        self._partial = path.with_suffix(".partial")
        self._schema = schema
        self._on_group = on_group
        self._group: list[pa.RecordBatch] = []
        self._rows = self._size = 0
        # Whole groups are handed over: one is being written, one waits and one is collected, so that no thread is idle.
        self._queue: queue.Queue[list[pa.RecordBatch] | None] = queue.Queue(1)
        self._ended = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"write {path.name}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def write(self, batch: pa.RecordBatch) -> None:
        """Add a batch. Raises the error of the writing thread, if there was one."""
        if self._failure is not None:
            raise self._failure
        while batch.num_rows:
            fitting, size = self._fitting(batch)
            self._group.append(batch.slice(0, fitting))
            self._rows += fitting
            self._size += size
            if self._rows == _GROUP_ROWS or self._size >= _GROUP_BYTES:
                self._hand_over()
            batch = batch.slice(fitting)

    def _fitting(self, batch: pa.RecordBatch) -> tuple[int, int]:
        """How many rows of a batch belong to the group that is collected, and their bytes."""
        size = _size(batch)
        if self._rows + batch.num_rows <= _GROUP_ROWS and self._size + size < _GROUP_BYTES:
            return batch.num_rows, size
        sizes = np.cumsum(_row_sizes(batch))
        fitting = min(
            _GROUP_ROWS - self._rows, int(np.searchsorted(sizes, _GROUP_BYTES - self._size)) + 1, batch.num_rows
        )
        return fitting, int(sizes[fitting - 1])

    def _hand_over(self) -> None:
        self._queue.put(self._group)
        self._group = []
        self._rows = self._size = 0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._group:
            self._hand_over()
        self._queue.put(None)
        self._thread.join()
        if kind is None and self._failure is None:
            self._partial.replace(self._path)
            return
        self._partial.unlink(missing_ok=True)
        if kind is None and self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            group = self._next_group()
            with self._open(group) as writer:
                while group is not None:
                    self._on_group(group)
                    writer.write_batch(group, row_group_size=group.num_rows)
                    # Freed before the next is waited for.
                    group = None
                    group = self._next_group()
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
            self._failure = error
            # The producer may be waiting at a full queue. If it has ended, the footer failed, and nothing more comes.
            while not self._ended:
                self._ended = self._queue.get() is None

    def _next_group(self) -> pa.RecordBatch | None:
        """Return the rows of the next group as one batch, because Parquet's pages end where batches end."""
        if (batches := self._queue.get()) is None:
            self._ended = True
            return None
        group = pa.concat_batches(batches)
        batches.clear()
        return group

    def _open(self, first: pa.RecordBatch | None) -> pq.ParquetWriter:
        return pq.ParquetWriter(
            self._partial,
            self._schema,
            # zstd at its fastest: the extract is written once and read a few times, soon, on the same machine.
            compression="zstd",
            compression_level=1,
            use_dictionary=[] if first is None else _repetitive(first.slice(0, _SAMPLE_ROWS)),
            # A column that turns out to have more values loses its dictionary before it costs time and space.
            dictionary_pagesize_limit=_DICTIONARY_BYTES,
        )


def _repetitive(sample: pa.RecordBatch) -> list[str]:
    """The columns whose values come again so often that a dictionary of them saves time and space."""
    most = sample.num_rows // 4
    names_and_columns = zip(sample.schema.names, sample.columns, strict=True)
    return [name for name, column in names_and_columns if _distinct(column, most) <= most]


def _distinct(column: pa.Array, most: int) -> int:
    """The number of different values. A count over `most` is one of the first values, which are enough for it."""
    first = int(pc.count_distinct(column.slice(0, most + most // 4 + 1)).as_py())
    return first if first > most else int(pc.count_distinct(column).as_py())


def _text_ends(column: pa.Array) -> npt.NDArray[np.int32] | None:
    """Where each text begins and the last ends, shape (rows + 1,); None for a column of a fixed width."""
    if pa.types.is_string(column.type) or pa.types.is_binary(column.type):
        return np.frombuffer(column.buffers()[1], np.int32, len(column) + 1, column.offset * 4)
    return None


def _row_sizes(batch: pa.RecordBatch) -> npt.NDArray[np.int64]:
    """Bytes of each row, from the values alone: where a row group ends must not depend on the batches that came."""
    sizes = np.zeros(batch.num_rows, np.int64)
    for column in batch.columns:
        ends = _text_ends(column)
        sizes += _width(column) if ends is None else np.diff(ends)
    return sizes


def _size(batch: pa.RecordBatch) -> int:
    """The sum of the rows' bytes, found faster than them."""
    size = 0
    for column in batch.columns:
        ends = _text_ends(column)
        size += batch.num_rows * _width(column) if ends is None else int(ends[-1] - ends[0])
    return size


def _width(column: pa.Array) -> int:
    return max(1, int(column.type.bit_width) // 8)
