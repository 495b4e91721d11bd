"""What stands between the database and the files: the datasets of one table and window, on local disk as Parquet."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

# Rows in one batch when they are small; batches of wide rows hold fewer, so that one batch stays within the bytes
# below.
_BATCH_ROWS = 16_384
_BATCH_BYTES = 8 * 1024 * 1024
# The media type of an extract, and of what is published as Parquet.
PARQUET_MEDIA_TYPE = "application/vnd.apache.parquet"
# Ends the words for an order that has no key at its end.
TIES = ", equal rows as the server gives them"


@dataclass(frozen=True)
class Dataset:
    """The rows of one query, in a Parquet file.

    Attributes:
        rows: how many there are; the reader has compared it with the server's own count.
        truncated: the entry's `limit` cut off further rows.
        sql: the statement as it ran.
        order: by what the rows are ordered, in words.
        zero_dates: by column, how many dates that no calendar has were made NULL.
        masks: by output, how its values are hidden: partial, hash, or drop for one that is not there.
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

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows in order, in batches whose memory does not grow with the table."""
        # Read, not mapped: pages of a mapped file count as this process's memory until all of it is in.
        with pq.ParquetFile(self.path, memory_map=False, pre_buffer=False) as file:
            metadata = file.metadata
            for group in range(metadata.num_row_groups):
                rows, size = metadata.row_group(group).num_rows, metadata.row_group(group).total_byte_size
                fitting = max(1, min(_BATCH_ROWS, rows * _BATCH_BYTES // max(size, 1)))
                yield from file.iter_batches(batch_size=fitting, row_groups=[group], use_threads=False)


@dataclass(frozen=True)
class Extract:
    """All datasets of one table and window, read in one snapshot.

    Attributes:
        consistency: "snapshot", or "none" where rows may be of different moments.
        comments: those of the source's columns, by their names.
        notes: what a consumer should know of how they were read, in words.
        engines: of the tables that were read, in words; empty where nobody has asked.
        columns_asked: the fingerprint of the columns that the entry asks for; empty where it is not known.
        masks_asked: likewise of the masks under which it was read, one or two with a blank between.
    """

    table: str
    window: str
    datasets: tuple[Dataset, ...]
    consistency: str
    comments: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    engines: str = ""
    columns_asked: str = ""
    masks_asked: str = ""
