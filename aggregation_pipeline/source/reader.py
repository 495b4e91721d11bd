"""Read one table's window into local Parquet: both datasets from one snapshot, streamed, counted, and nothing left behind on failure."""

import os
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import SecretStr

from aggregation_pipeline.config.model import TableEntry
from aggregation_pipeline.errors import RowCountError, SnapshotError, SourceError
from aggregation_pipeline.extract import Dataset, Extract
from aggregation_pipeline.source.clock import Clock
from aggregation_pipeline.source.deadline import deadline
from aggregation_pipeline.source.faults import describe_warning
from aggregation_pipeline.source.query import DatasetQuery
from aggregation_pipeline.source.rows import ArrowRows
from aggregation_pipeline.source.scan import check_scan
from aggregation_pipeline.source.session import Session, SourceColumn, SourceOptions, open_session
from aggregation_pipeline.source.shape import ShapedQuery, shape_queries
from aggregation_pipeline.source.time_zone import settle_clock
from aggregation_pipeline.source.window import TIMES, Window
from aggregation_pipeline.source.zero_dates import ZeroDates, ZeroDatesPolicy

# Arrow's own choice keeps what is freed, for the thread that freed it: with one thread that reads and one that writes that is 40 MB
# more at the peak, another amount each time, and no faster. Whoever has chosen in the environment is left alone.
if "ARROW_DEFAULT_MEMORY_POOL" not in os.environ:
    pa.set_memory_pool(pa.system_memory_pool())

# A row group is what a reader of the extract holds at once.
_GROUP_ROWS: Final = 65_536
_GROUP_BYTES: Final = 8 << 20
_DICTIONARY_BYTES: Final = 32 << 10
# SERVER_STATUS_IN_TRANS, in every reply's status flags.
_IN_TRANSACTION: Final = 1

# Called with the dataset's name, the rows read so far, and the rows to come in all (None: not known before the end).
Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class ReadRequest:
    """What to read: one entry, one window, as of one logical time; `partition` cuts the rows, None takes the whole table."""

    entry: TableEntry
    window: str
    logical_time: datetime
    zone: ZoneInfo
    zero_dates: ZeroDatesPolicy = "null"
    partition: Window | None = None

    def settled(self, session: Session) -> "Settled":
        """Let the session compute in the clock that suits the entry.

        Raises:
            SourceError: the server cannot, or the partition's column does not suit.
        """
        columns = session.columns(*self.entry.source)
        clocked = settle_clock(session, self.entry, self.logical_time, list(columns.values()), self.within(columns, session.clock))
        return Settled(clocked, columns, self.within(columns, clocked.clock))

    def within(self, columns: Mapping[str, SourceColumn], clock: Clock) -> str | None:
        """The condition of the partition, for a table with these columns and a session with this clock; None for the whole table.

        Raises:
            SourceError: the partition's column is not in the table, holds no time, or holds days where hours are asked for.
        """
        if self.partition is None:
            return None
        name = self.partition.column
        found = next((column for column in columns.values() if column.name.casefold() == name.casefold()), None)
        if found is None or found.type not in TIMES:
            what = f"is of the type {found.type.upper()}" if found else f"is not in it; its columns are {', '.join(columns)}"
            raise SourceError(
                f"partition.column: a DATE, DATETIME or TIMESTAMP of {self.entry.table} is expected, and {name} {what}. Correct the entry."
            )
        if found.type == "date":
            _refuse_hours_of_days(self.entry)
        return self.partition.predicate(self.entry.source.name, found.type, clock)


@dataclass(frozen=True)
class Settled:
    """A session in the clock of the entry that it reads, the columns of the entry's table, and the condition of its partition."""

    session: Session
    columns: Mapping[str, SourceColumn]
    within: str | None


def _refuse_hours_of_days(entry: TableEntry) -> None:
    partition = entry.partition
    if partition is not None and partition.every == "hour":
        raise SourceError(
            f"{entry.name}: partition.every: {partition.column} is a DATE, and a day has no hours: all its rows would lie in the first. "
            f"Write every: day, or name a DATETIME or TIMESTAMP column."
        )
    if partition is not None and partition.column_timezone is not None:
        raise SourceError(
            f"{entry.name}: partition.column_timezone: {partition.column} is a DATE, a day of the calendar, which is the same in every "
            f"zone. Leave column_timezone out; it is for DATETIME columns."
        )


def read_extract(
    request: ReadRequest, options: SourceOptions, directory: Path, progress: Progress, warn: Callable[[str], None] = lambda _: None
) -> Extract:
    """Read all datasets of one entry and window into `directory`, as `summary.parquet` and `detail.parquet`.

    The snapshot ends with the last row; whatever follows does not hold the source database. `warn` hears of scans that ask much of it.

    Raises:
        SourceLostError: the server went away; the call can be repeated.
        SourceError: the server refused a statement, or warned about one, or more would be asked of it than `source_limits` allow.
        RowCountError: the rows that came are not as many as the server counted.
    """
    entry, limits = request.entry, request.entry.source_limits
    written: list[Path] = []
    try:
        with (
            open_session(
                options,
                logical_time=request.logical_time,
                zone=request.zone,
                limits=limits,
                require_snapshot=entry.consistency == "snapshot",
            ) as session,
            deadline(session, limits.max_snapshot_seconds) as end,
        ):
            settled = request.settled(session)
            session, columns = settled.session, settled.columns  # noqa: PLW2901 - the same connection, its clock known
            shaped = shape_queries(session, entry, columns, settled.within)
            for each in shaped:
                check_scan(session, entry, each.query, warn)
            datasets = []
            for each in shaped:
                path = directory / f"{each.query.dataset}.parquet"
                written.append(path)
                # A second more than is left, so that whoever comes too late is told by us why.
                session.limit_statements(min(limits.timeout_seconds, end.left() + 1))
                datasets.append(_read_dataset(session, each, path, request, options.mask_salt, progress))
            consistency = "snapshot" if session.snapshot else "none"
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise
    comments = {column.name: column.comment for column in columns.values() if column.comment}
    notes = tuple(filter(None, [session.clock.note]))
    return Extract(entry.name, request.window, tuple(datasets), consistency, comments, notes)


def _read_dataset(session: Session, shaped: ShapedQuery, path: Path, request: ReadRequest, salt: SecretStr, progress: Progress) -> Dataset:
    query, max_rows = shaped.query, request.entry.source_limits.max_rows
    # Counted before, in the same snapshot: the total for the progress bar and the number that the rows have to match.
    expected = None if query.count_sql is None else int(session.scalar(query.count_sql))
    _refuse_too_many(query, expected, max_rows)
    rows = ArrowRows(session, shaped, ZeroDates(request.zero_dates), salt)
    arrived = kept = 0
    with ParquetSink(path, rows.schema) as sink:
        for received in rows.batches():
            arrived += received.num_rows
            # The statement asks for one row more than the limit, to know whether there is one.
            batch = received if query.limit is None else received.slice(0, max(0, query.limit - kept))
            kept += batch.num_rows
            _refuse_too_many(query, kept, max_rows)
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
    return Dataset(
        name=query.dataset,
        path=path,
        rows=kept,
        schema=rows.schema,
        truncated=arrived > kept,
        sql=query.sql,
        order=query.order,
        zero_dates=rows.zero_dates.counts,
        masks=shaped.masks,
    )


def _refuse_too_many(query: DatasetQuery, rows: int | None, max_rows: int | None) -> None:
    if rows is None or max_rows is None or rows <= max_rows:
        return
    # A limit asks for one row more than it keeps.
    if query.limit is not None and query.limit <= max_rows:
        return
    raise SourceError(
        f"{query.dataset}: there are {rows:,} rows or more, over max_rows = {max_rows:,}, so the table was not read to its end and nothing "
        f"was published. Narrow its `where`, set a `limit` (which cuts, and says so), or raise source_limits.max_rows."
    )


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


class ParquetSink:
    """Write record batches to a Parquet file in a thread of its own, so that compressing overlaps with reading.

    The file stands under its name only when it is whole. The same rows make the same bytes, however they came off the socket.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path = path
        self._partial = path.with_suffix(".partial")
        self._schema = schema
        self._group: list[pa.RecordBatch] = []
        self._rows = self._size = 0
        # Whole groups are handed over: with one being written, one waiting and one gathered, neither thread stands still.
        self._queue: queue.Queue[list[pa.RecordBatch] | None] = queue.Queue(1)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"write {path.name}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def write(self, batch: pa.RecordBatch) -> None:
        """Add a batch; raises what the writing thread met."""
        if self._failure is not None:
            raise self._failure
        while batch.num_rows:
            sizes = np.cumsum(_row_sizes(batch))
            fitting = min(_GROUP_ROWS - self._rows, int(np.searchsorted(sizes, _GROUP_BYTES - self._size)) + 1, batch.num_rows)
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

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
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
            with pq.ParquetWriter(
                self._partial,
                self._schema,
                # zstd at its fastest: the extract is written once and read a few times, soon, on the same machine.
                compression="zstd",
                compression_level=1,
                # Columns of few values keep their dictionary; for the others it is given up before it costs time and space.
                dictionary_pagesize_limit=_DICTIONARY_BYTES,
            ) as writer:
                while (group := self._queue.get()) is not None:
                    # Made one first: Parquet's pages end where batches end.
                    rows = pa.concat_batches(group)
                    group.clear()
                    writer.write_batch(rows, row_group_size=rows.num_rows)
                    del rows
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
            self._failure = error
            # The producer may stand in front of a full queue.
            while self._queue.get() is not None:
                pass


def _row_sizes(batch: pa.RecordBatch) -> npt.NDArray[np.int64]:
    """Bytes of each row, counted from the values alone: where a group of rows ends must not depend on how they came off the socket."""
    sizes = np.zeros(batch.num_rows, np.int64)
    for column in batch.columns:
        if pa.types.is_string(column.type) or pa.types.is_binary(column.type):
            sizes += np.diff(np.frombuffer(column.buffers()[1], np.int32, batch.num_rows + 1, column.offset * 4))
        else:
            sizes += max(1, column.type.bit_width // 8)
    return sizes
