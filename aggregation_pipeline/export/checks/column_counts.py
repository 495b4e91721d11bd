"""Counts over the columns of a dataset, batch by batch, so that memory does not grow with its rows."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Self
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aggregation_pipeline.extract import Dataset
from aggregation_pipeline.formats.common.column_text import plain_text

AllowedValue = str | int | bool | None
# Values that are counted in memory at once; more than that are divided into files, which are open at the same time.
_PART_BYTES: Final = 16 << 20
_PARTS: Final = 256
_SCHEMA: Final = pa.schema([("key", pa.binary())])


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

    As in a UNIQUE index, a row with a NULL in one of the columns equals no other row. Texts compare by their bytes.
    The count is exact, and memory does not grow with the rows: beyond 16 MiB the values go to files beside the dataset,
    divided by a checksum, so that equal values meet in one file, and one file after the other is counted.
    """
    rows = size = 0
    kept: list[pa.Array] = []
    with _Parts(dataset.path.parent) as parts:
        for batch in dataset.batches():
            keys = _keys(batch, columns)
            rows += len(keys)
            # Each value once: the most frequent one would fill a part by itself.
            kept.append(pc.unique(keys))
            size += kept[-1].nbytes
            if size > _PART_BYTES:
                parts.add(kept)
                kept, size = [], 0
        if not parts.in_use:
            return rows - _count_distinct(pa.chunked_array(kept, pa.binary()))
        parts.add(kept)
        return rows - sum(_count_distinct(part) for part in parts.read())


def _count_distinct(keys: pa.ChunkedArray) -> int:
    return int(pc.count_distinct(keys).as_py())


class _Parts:
    """Keys in files below `directory`. Equal keys are in one file."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files = ExitStack()
        self._paths: list[Path] = []
        self._writers: list[pa.RecordBatchStreamWriter] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    @property
    def in_use(self) -> bool:
        """Whether keys were added."""
        return bool(self._paths)

    def add(self, keys: Sequence[pa.Array]) -> None:
        """Write the keys into their files."""
        if not self.in_use:
            self._open()
        for batch in keys:
            numbers = np.fromiter((crc32(key) % _PARTS for key in batch.to_pylist()), np.int64, len(batch))
            ordered = batch.take(pa.array(np.argsort(numbers)))
            ends = np.cumsum(np.bincount(numbers, minlength=_PARTS)).tolist()
            for writer, start, end in zip(self._writers, [0, *ends], ends, strict=False):
                if end > start:
                    writer.write_batch(pa.RecordBatch.from_arrays([ordered[start:end]], schema=_SCHEMA))

    def read(self) -> Iterator[pa.ChunkedArray]:
        """Yield the keys of one file after the other. None can be added any more."""
        for writer in self._writers:
            writer.close()
        for path in self._paths:
            with pa.ipc.open_stream(path) as reader:
                yield reader.read_all().column(0)

    def _open(self) -> None:
        folder = Path(self._files.enter_context(TemporaryDirectory(dir=self._directory)))
        self._paths = [folder / str(number) for number in range(_PARTS)]
        self._writers = [self._files.enter_context(pa.ipc.new_stream(path, _SCHEMA)) for path in self._paths]


def _keys(batch: pa.RecordBatch, columns: Sequence[str]) -> pa.Array:
    """The rows without a NULL, each as bytes; equal bytes are equal rows."""
    cells = [_cells(column) for column in batch.select(columns).drop_null().columns]
    if len(cells) == 1:
        return cells[0]
    # The length before each text tells ("a", "bc") from ("ab", "c").
    texts = [part for cell in cells for part in (pc.binary_length(cell).cast(pa.string()).cast(pa.binary()), cell)]
    return pc.binary_join_element_wise(*texts, b":")


def _cells(column: pa.Array) -> pa.Array:
    """Each value as bytes: Python has no object for some values of the columns."""
    if pa.types.is_timestamp(column.type):
        # As text, two moments of the hour that occurs twice in autumn would look alike.
        column = column.cast(pa.int64())
    if pa.types.is_floating(column.type):
        # To the database -0 and 0 are equal.
        column = pc.add(column, pa.scalar(0, column.type))
    return column.cast(pa.string()).cast(pa.binary()) if not pa.types.is_binary(column.type) else column
