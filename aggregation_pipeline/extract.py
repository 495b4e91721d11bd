"""The extract: the datasets of one table and window as local Parquet files, between the database and any format."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

# The most rows in one batch. Batches of wide rows have fewer, so that a batch stays below _BATCH_BYTES.
_BATCH_ROWS = 16_384
_BATCH_BYTES = 8 * 1024 * 1024
# The end of `Dataset.order` if no key decides the order of equal rows.
TIES = ", equal rows as the server gives them"


@dataclass(frozen=True)
class Dataset:
    """The rows of one query, in a Parquet file.

    Attributes:
        rows: how many there are; the reader has compared the number with the server's own count.
        truncated: whether the entry's `limit` cut more rows off.
        sql: the statement as it ran.
        order: what the rows are ordered by, in words.
        zero_dates: how many dates that no calendar has became NULL, by column.
        masks: how each masked output is hidden: partial, hash, or drop for one that was left out.
    """

    name: Literal["summary", "detail"]
    path: Path
    rows: int
    schema: pa.Schema
    truncated: bool
    sql: str
    order: str
    zero_dates: Mapping[str, int] = field(default_factory=dict)
    masks: Mapping[str, str] = field(default_factory=dict)

    def batches(self, first_group: int = 0, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the rows in order, in batches whose memory does not grow with the table.

        Args:
            first_group: the first row group to read; those before it are left out.
            columns: only these are read; all of them if it is None.
        """
        with self._open() as file:
            metadata = file.metadata
            for group in range(first_group, metadata.num_row_groups):
                rows, size = metadata.row_group(group).num_rows, metadata.row_group(group).total_byte_size
                fitting = max(1, min(_BATCH_ROWS, rows * _BATCH_BYTES // max(size, 1)))
                yield from file.iter_batches(batch_size=fitting, row_groups=[group], columns=columns, use_threads=False)

    def head(self, rows: int) -> pa.RecordBatch | None:
        """Return the first `rows` rows, or all of the first row group if it has fewer; None if there are none."""
        with self._open() as file:
            if not file.metadata.num_rows:
                return None
            return next(file.iter_batches(batch_size=rows, row_groups=[0], use_threads=False))

    def columns_where(self, tests: Mapping[str, Callable[[pa.Array], bool]]) -> frozenset[str]:
        """Return the columns whose test holds for any part of them; only columns with a test are read."""
        found: set[str] = set()
        for batch in self.batches(columns=list(tests)) if tests else ():
            found.update(name for name, test in tests.items() if name not in found and test(batch.column(name)))
        return frozenset(found)

    def _open(self) -> pq.ParquetFile:
        # Read, not mapped: the pages of a mapped file would count as memory of this process.
        return pq.ParquetFile(self.path, memory_map=False, pre_buffer=False)


@dataclass(frozen=True)
class Extract:
    """All datasets of one table and window, read in one snapshot.

    Attributes:
        consistency: "snapshot", or "none" if rows may be of different moments.
        comments: of the source's columns, by name.
        notes: what a consumer should know about how the rows were read.
        engines: the storage engines of the tables that were read, in words; empty if they are not known.
        columns_fingerprint: fingerprint of the columns that the entry asks for; empty if it is not known.
        masks_fingerprints: fingerprints of the masks under which it was read, one or two with a blank between them.
        refresh_key: fingerprints of what tells that the partition has changed, and of its value; empty without one.
        source: the name of the database that was read; empty for the one without a name.
    """

    table: str
    window: str
    datasets: tuple[Dataset, ...]
    consistency: str
    comments: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    engines: str = ""
    columns_fingerprint: str = ""
    masks_fingerprints: str = ""
    refresh_key: str = ""
    source: str = ""
