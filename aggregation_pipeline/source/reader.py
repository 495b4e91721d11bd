"""Read one table's window into local Parquet: both datasets from one snapshot, streamed, counted, and nothing left behind on failure."""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aggregation_pipeline.config.model import TableEntry
from aggregation_pipeline.errors import RowCountError, SnapshotError, SourceError
from aggregation_pipeline.extract import Dataset, Extract
from aggregation_pipeline.source.faults import describe_warning, translated
from aggregation_pipeline.source.query import DatasetQuery, build_queries
from aggregation_pipeline.source.session import Session, SourceOptions, open_session
from aggregation_pipeline.source.types import ZeroDates, ZeroDatesPolicy, column_type
from aggregation_pipeline.source.wire import RowStream

# A row group is what a reader of the extract holds at once.
_GROUP_ROWS: Final = 131_072
_GROUP_BYTES: Final = 16 << 20
# Batches between the thread that reads and the one that writes: enough to smooth, too few to matter in memory.
_QUEUED_BATCHES: Final = 8
# SERVER_STATUS_IN_TRANS, in every reply's status flags.
_IN_TRANSACTION: Final = 1

# Called with the dataset's name, the rows read so far, and the rows to come in all (None: not known before the end).
Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class ReadRequest:
    """What to read: one entry, one window, as of one logical time."""

    entry: TableEntry
    window: str
    logical_time: datetime
    zone: ZoneInfo
    zero_dates: ZeroDatesPolicy = "null"


def read_extract(request: ReadRequest, options: SourceOptions, directory: Path, progress: Progress) -> Extract:
    """Read all datasets of one entry and window into `directory`, as `summary.parquet` and `detail.parquet`.

    The snapshot ends with the last row; whatever follows does not hold the source database.

    Raises:
        SourceLostError: the server went away; the call can be repeated.
        SourceError: the server refused a statement, or warned about one.
        RowCountError: the rows that came are not as many as the server counted.
    """
    entry = request.entry
    written: list[Path] = []
    try:
        with open_session(
            options, logical_time=request.logical_time, zone=request.zone, require_snapshot=entry.consistency == "snapshot"
        ) as session:
            queries = build_queries(entry, primary_key=session.primary_key(*entry.source))
            datasets = []
            for query in queries:
                path = directory / f"{query.dataset}.parquet"
                written.append(path)
                datasets.append(_read_dataset(session, query, path, request.zero_dates, progress))
            consistency = "snapshot" if session.snapshot else "none"
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise
    return Extract(entry.name, request.window, tuple(datasets), consistency)


def _read_dataset(session: Session, query: DatasetQuery, path: Path, policy: ZeroDatesPolicy, progress: Progress) -> Dataset:
    # Counted before, in the same snapshot: the total for the progress bar and the number that the rows have to match.
    expected = None if query.count_sql is None else int(session.scalar(query.count_sql))
    zero_dates = ZeroDates(policy)
    rows = ArrowRows(session, query.sql, zero_dates, query.columns)
    arrived = kept = 0
    with ParquetSink(path, rows.schema) as sink:
        for received in rows.batches():
            arrived += received.num_rows
            # The statement asks for one row more than the limit, to know whether there is one.
            batch = received if query.limit is None else received.slice(0, max(0, query.limit - kept))
            kept += batch.num_rows
            sink.write(batch)
            progress(query.dataset, kept, expected)
    _refuse_warnings(session, rows.stream.warnings, query)
    if expected is None:
        # The server's own count of the rows that it sent for the statement before, unless SHOW WARNINGS was that statement.
        asked = f"SELECT COUNT(*) FROM ({query.sql}) AS counted" if rows.stream.warnings else "SELECT FOUND_ROWS()"  # noqa: S608
        expected = int(session.scalar(asked))
    if arrived != expected:
        raise RowCountError(
            f"{query.dataset}: {arrived:,} rows arrived, but the server counted {expected:,} in the same snapshot. Nothing was published. "
            f"A proxy that spreads the statements of a transaction over replicas does this: connect to the primary instead."
        )
    if session.snapshot and not rows.stream.status & _IN_TRANSACTION:
        raise SnapshotError(
            f"{query.dataset}: the server had ended the transaction by the time the last row came, so the snapshot did not hold. "
            f"A proxy or a limit on transactions stands between: connect to the database itself, or raise the limit."
        )
    progress(query.dataset, kept, kept)
    return Dataset(query.dataset, path, kept, rows.schema, arrived > kept, query.sql, query.order, zero_dates.counts)


def _refuse_warnings(session: Session, count: int, query: DatasetQuery) -> None:
    """Raise when the server had doubts about a result, such as a GROUP_CONCAT that it cut or text that it took for a number."""
    if count == 0:
        return
    serious = [describe_warning(code, message) for level, code, message in session.warnings() if level.upper() != "NOTE"]
    if serious:
        raise SourceError(
            f"{query.dataset}: the server warned about the result, so it may not say what the table says: {'; '.join(serious[:3])}"
            f"{f' and {len(serious) - 3} more' if len(serious) > 3 else ''}. Mend the expression (or the rows) that brings it about."
        )


class ArrowRows:
    """The rows of one statement as Arrow record batches.

    Attributes:
        schema: one field a column, in the statement's order.
        stream: the packets below; its `warnings` are known at the end.
    """

    def __init__(self, session: Session, sql: str, zero_dates: ZeroDates, names: Sequence[str] = ()) -> None:
        with translated():
            self.stream = RowStream(session.driver_connection, sql)
        # Servers cut or refuse some names (MariaDB: emoji in an alias); where the entry gives names, they are the true ones.
        fields = [replace(field, name=name) for field, name in zip(self.stream.fields, names, strict=True)] if names else self.stream.fields
        self._columns = [column_type(field, session.offset_seconds, zero_dates) for field in fields]
        self.schema = pa.schema([column.field for column in self._columns])

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows in order. To be taken to the end before the session is used for anything else."""
        blocks = self.stream.blocks()
        while True:
            with translated():
                block = next(blocks, None)
            if block is None:
                return
            arrays = [column.build(block, cells) for column, cells in zip(self._columns, block.columns, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, schema=self.schema)


class ParquetSink:
    """Write record batches to a Parquet file in a thread of its own, so that compressing overlaps with reading.

    The file stands under its name only when it is whole.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path = path
        self._partial = path.with_suffix(".partial")
        self._schema = schema
        self._queue: queue.Queue[pa.RecordBatch | None] = queue.Queue(_QUEUED_BATCHES)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"write {path.name}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def write(self, batch: pa.RecordBatch) -> None:
        """Queue a batch; raises what the writing thread met."""
        if self._failure is not None:
            raise self._failure
        self._queue.put(batch)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
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
            # zstd at its fastest: the extract is written once and read a few times, soon, on the same machine.
            with pq.ParquetWriter(self._partial, self._schema, compression="zstd", compression_level=1) as writer:
                self._write_all(writer)
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
            self._failure = error
            # The producer may stand in front of a full queue.
            while self._queue.get() is not None:
                pass

    def _write_all(self, writer: pq.ParquetWriter) -> None:
        pending: list[pa.RecordBatch] = []
        rows = size = 0
        while (batch := self._queue.get()) is not None:
            rest = batch
            while rest.num_rows:
                sizes = np.cumsum(_row_sizes(rest))
                fitting = min(_GROUP_ROWS - rows, int(np.searchsorted(sizes, _GROUP_BYTES - size)) + 1, rest.num_rows)
                pending.append(rest.slice(0, fitting))
                rows, size, rest = rows + fitting, size + int(sizes[fitting - 1]), rest.slice(fitting)
                if rows == _GROUP_ROWS or size >= _GROUP_BYTES:
                    _write_group(writer, pending)
                    rows = size = 0
        if pending:
            _write_group(writer, pending)


def _row_sizes(batch: pa.RecordBatch) -> npt.NDArray[np.int64]:
    """Bytes of each row, counted from the values alone: where a group of rows ends must not depend on how they came off the socket."""
    sizes = np.zeros(batch.num_rows, np.int64)
    for column in batch.columns:
        if pa.types.is_string(column.type) or pa.types.is_binary(column.type):
            sizes += pc.fill_null(pc.binary_length(column), 0).to_numpy(zero_copy_only=False)
        else:
            sizes += max(1, column.type.bit_width // 8)
    return sizes


def _write_group(writer: pq.ParquetWriter, pending: list[pa.RecordBatch]) -> None:
    # Made one first: Parquet's pages end where batches end, and the same data shall be the same bytes.
    group = pa.concat_batches(pending)
    pending.clear()
    writer.write_batch(group, row_group_size=group.num_rows)
