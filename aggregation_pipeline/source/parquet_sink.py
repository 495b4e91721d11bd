"""Write record batches to a local Parquet file while the next ones are read."""

import os
import queue
import threading
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

# Arrow's default pool keeps freed memory for the thread that freed it. With one thread that reads and one that writes
# the peak is 40 MB higher, differs from run to run, and nothing is faster. A pool chosen in the environment stays.
if "ARROW_DEFAULT_MEMORY_POOL" not in os.environ:
    pa.set_memory_pool(pa.system_memory_pool())

# The size of a row group, which a reader of the extract holds in memory at once.
_GROUP_ROWS: Final = 65_536
_GROUP_BYTES: Final = 8 << 20
_DICTIONARY_BYTES: Final = 32 << 10


class ParquetSink:
    """Writes record batches to a Parquet file in a thread of its own, so that compressing overlaps with reading.

    The file gets its name only when it is complete. The same rows give the same bytes, in whatever batches they came.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path = path
        self._partial = path.with_suffix(".partial")
        self._schema = schema
        self._group: list[pa.RecordBatch] = []
        self._rows = self._size = 0
        # Whole groups are handed over: one is being written, one waits and one is collected, so that no thread is idle.
        self._queue: queue.Queue[list[pa.RecordBatch] | None] = queue.Queue(1)
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
            sizes = np.cumsum(_row_sizes(batch))
            fitting = min(
                _GROUP_ROWS - self._rows, int(np.searchsorted(sizes, _GROUP_BYTES - self._size)) + 1, batch.num_rows
            )
            self._group.append(batch.slice(0, fitting))
            self._rows += fitting
            self._size += int(sizes[fitting - 1])
            if self._rows == _GROUP_ROWS or self._size >= _GROUP_BYTES:
                self._hand_over()
            batch = batch.slice(fitting)

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
        ended = False
        try:
            with pq.ParquetWriter(
                self._partial,
                self._schema,
                # zstd at its fastest: the extract is written once and read a few times, soon, on the same machine.
                compression="zstd",
                compression_level=1,
                # Columns with few values keep their dictionary; for others it is dropped before it costs time and
                # space.
                dictionary_pagesize_limit=_DICTIONARY_BYTES,
            ) as writer:
                while (group := self._queue.get()) is not None:
                    # One batch, because Parquet's pages end where batches end.
                    rows = pa.concat_batches(group)
                    group.clear()
                    writer.write_batch(rows, row_group_size=rows.num_rows)
                    del rows
                ended = True
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
            self._failure = error
            # The producer may be waiting at a full queue. If `ended` is set, the footer failed, and nothing more comes.
            while not ended and self._queue.get() is not None:
                pass


def _row_sizes(batch: pa.RecordBatch) -> npt.NDArray[np.int64]:
    """Bytes of each row, from the values alone: where a row group ends must not depend on the batches that came."""
    sizes = np.zeros(batch.num_rows, np.int64)
    for column in batch.columns:
        if pa.types.is_string(column.type) or pa.types.is_binary(column.type):
            sizes += np.diff(np.frombuffer(column.buffers()[1], np.int32, batch.num_rows + 1, column.offset * 4))
        else:
            sizes += max(1, column.type.bit_width // 8)
    return sizes
