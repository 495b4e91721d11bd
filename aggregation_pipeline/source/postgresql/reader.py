"""Read one window of an entry into local Parquet: both datasets from one snapshot, streamed and counted.

Nothing stays on disk after a failure.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from aggregation_pipeline.errors import RowCountError
from aggregation_pipeline.extract import Dataset, Extract
from aggregation_pipeline.source.lineage import with_column_metadata
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.parquet_sink import ParquetSink
from aggregation_pipeline.source.postgresql.arrow_types import ColumnType
from aggregation_pipeline.source.postgresql.calendar import Calendar
from aggregation_pipeline.source.postgresql.described import DescribedQuery
from aggregation_pipeline.source.postgresql.explain import check_scan
from aggregation_pipeline.source.postgresql.prepared import PreparedEntry, prepare
from aggregation_pipeline.source.postgresql.query import DatasetQuery
from aggregation_pipeline.source.postgresql.ranges import Counted, RangeReader
from aggregation_pipeline.source.postgresql.refresh_keys import read_key
from aggregation_pipeline.source.postgresql.relations import require_unchanged
from aggregation_pipeline.source.postgresql.session import Session, open_session
from aggregation_pipeline.source.reading import refuse_too_many, removed_on_failure
from aggregation_pipeline.source.request import NOBODY, Arrivals, Progress, ReadRequest


def read_extract(
    request: ReadRequest,
    options: SourceOptions,
    directory: Path,
    progress: Progress,
    warn: Callable[[str], None] = lambda _: None,
    note: Callable[[str], None] = lambda _: None,
    arrivals: Arrivals = NOBODY,
) -> Extract:
    """Read all datasets of one entry and window into `directory`; see `SourceKind.read_extract`."""
    entry = request.entry
    with (
        removed_on_failure() as written,
        open_session(
            options, zone=request.zone, limits=entry.source_limits, names=[entry.table, entry.source_table.name]
        ) as session,
    ):
        prepared = prepare(session, request)
        described = prepared.describe()
        require_unchanged(session, entry)
        for each in described:
            check_scan(session, entry, each, warn)
        notes = (*prepared.relations.notes(), *replica_notes(session, request))
        for text in notes:
            note(text)
        extract = Extract(
            table=entry.name,
            window=request.window,
            datasets=(),
            consistency="none" if prepared.relations.foreign else "snapshot",
            comments={column.name: column.comment for column in prepared.columns.values() if column.comment},
            notes=notes,
            engines=str(prepared.relations),
            columns_fingerprint=entry.columns_fingerprint,
            masks_fingerprints=" ".join(_fingerprints(prepared)),
            refresh_key=read_key(prepared, request),
        )
        arrivals.begin(extract)
        ranges = RangeReader(prepared, request, options, note)
        reader = _DatasetReader(prepared, request, extract, options, ranges, progress, arrivals)
        datasets = []
        for each in described:
            written.append(directory / f"{each.query.dataset}.parquet")
            datasets.append(reader.read(each, written[-1]))
        # Parts of a table, and what lies behind views, are locked by the statements that read them.
        require_unchanged(session, entry)
    return replace(extract, datasets=tuple(datasets))


def _fingerprints(prepared: PreparedEntry) -> tuple[str, ...]:
    # A view or a function may read any table, so what the whole file masks is recorded as well.
    reads_others = prepared.relations.functions or any(each.is_behind for each in prepared.relations.all)
    fingerprints = tuple(prepared.entry.masks_fingerprints)
    return fingerprints if reads_others else fingerprints[:1]


def replica_notes(session: Session, request: ReadRequest) -> Iterator[str]:
    """Say that rows may be missing, if the server is a replica that has not come to the window's end yet."""
    replica, partition = session.replica, request.partition
    end = request.logical_time if partition is None else min(partition.end, request.logical_time)
    if replica is None or replica.caught_up or (replica.applied is not None and replica.applied >= end):
        return
    applied = f"what was committed until {replica.applied:%F %T} UTC" if replica.applied else "nothing since its start"
    yield (
        f"{request.entry.table} was read from a replica that had applied {applied}, so rows that were written later are"
        " missing. Read the primary, or let the schedule wait for longer."
    )


@dataclass
class _Arrived:
    """What came of one dataset: its schema is known with the first batch."""

    columns: dict[int, ColumnType]
    schema: pa.Schema
    expected: int | None


@dataclass(frozen=True)
class _DatasetReader:
    """Reads datasets of one entry and window, one after the other."""

    prepared: PreparedEntry
    request: ReadRequest
    extract: Extract
    options: SourceOptions
    ranges: RangeReader
    progress: Progress
    arrivals: Arrivals

    def read(self, described: DescribedQuery, path: Path) -> Dataset:
        """Read one dataset into a Parquet file."""
        query, session = described.query, self.prepared.session
        calendar = Calendar(self.request.zero_dates)
        with self.prepared.hints():
            self._limit_statements()
            counted = self._count(described)
            self._limit_statements()
            columns = self._columns(described, calendar)
            sql = described.statement(columns)
            batches = self.ranges.batches(described, columns, counted) or session.link.batches(sql)
            first = next(batches, None)
            if not query.counts_first and first is not None and first.num_rows:
                counted = self._told(described, first)
        with contextlib.closing(batches):
            self._refuse_too_many(query, counted.rows)
            columns = self._columns(described, calendar, counted.with_nan)
            schema = with_column_metadata(
                pa.schema([each.field for each in columns.values()]),
                self.request.entry,
                query.dataset,
                self.extract.comments,
            )
            begun = Dataset(
                name=query.dataset,
                path=path,
                rows=0,
                schema=schema,
                truncated=False,
                sql=sql,
                order=query.order,
                masks=described.masks,
            )
            self.arrivals.begin_dataset(begun)
            with ParquetSink(path, schema, self.arrivals.add_group) as sink:
                came = _chained(first, batches)
                arrived = self._write(query, _Arrived(columns, schema, counted.rows), came, sink)
        kept = arrived if query.limit is None else min(arrived, query.limit)
        self.progress(query.dataset, kept, kept)
        dataset = replace(begun, rows=kept, truncated=arrived > kept, zero_dates=calendar.counts)
        self.arrivals.end_dataset(dataset)
        return dataset

    def _columns(
        self, described: DescribedQuery, calendar: Calendar, with_nan: frozenset[int] = frozenset()
    ) -> dict[int, ColumnType]:
        return described.column_types(self.prepared.session.zone, calendar, self.options.mask_salt, with_nan)

    def _limit_statements(self) -> None:
        # One second more than is left: the deadline breaks off first, and its message names max_snapshot_seconds.
        session = self.prepared.session
        session.limit_statements(min(self.request.entry.source_limits.timeout_seconds, session.link.left() + 1))

    def _count(self, described: DescribedQuery) -> Counted:
        """Count the rows to come; and find the places of the outputs that hold a NaN."""
        if not described.query.counts_first:
            return Counted()
        spanned = self.ranges.spanned(described)
        count, *flags = self.prepared.session.link.row(described.count_sql(spanned))
        span = (flags.pop(-2), flags.pop()) if spanned else None
        return Counted(count, _places(described, flags), span if count else None)

    def _told(self, described: DescribedQuery, first: pa.RecordBatch) -> Counted:
        """The same, from the columns behind the outputs, which say it in each row."""
        told = [column[0].as_py() for column in first.columns[len(first.columns) - 1 - len(described.nan_places) :]]
        return Counted(told[0], _places(described, told[1:]))

    def _write(
        self, query: DatasetQuery, arriving: _Arrived, batches: Iterator[pa.RecordBatch], sink: ParquetSink
    ) -> int:
        """Write the rows, without the one over the limit; return how many arrived."""
        arrived = 0
        for batch in batches:
            # The statement asks for one row more than the limit, to know whether there is one.
            kept = batch if query.limit is None else batch.slice(0, max(0, query.limit - arrived))
            arrived += batch.num_rows
            self._refuse_too_many(query, arrived)
            pairs = zip(arriving.columns.values(), kept.columns, strict=False)
            sink.write(pa.RecordBatch.from_arrays([each.build(cells) for each, cells in pairs], schema=arriving.schema))
            self.progress(query.dataset, min(arrived, query.limit or arrived), _capped(query, arriving.expected))
        if arriving.expected is not None and arrived != arriving.expected:
            raise RowCountError(
                f"{query.dataset}: {arrived:,} rows arrived, but the server counted {arriving.expected:,} in the same"
                " transaction. Nothing was published. A proxy that spreads the statements of a transaction over"
                " replicas does this: connect to the database itself."
            )
        return arrived

    def _refuse_too_many(self, query: DatasetQuery, rows: int | None) -> None:
        max_rows = self.request.entry.source_limits.max_rows
        refuse_too_many(query.dataset, rows, limit=query.limit, max_rows=max_rows)


def _places(described: DescribedQuery, flags: Sequence[object]) -> frozenset[int]:
    return frozenset(place for place, has_nan in zip(described.nan_places, flags, strict=True) if has_nan)


def _capped(query: DatasetQuery, rows: int | None) -> int | None:
    return rows if rows is None or query.limit is None else min(rows, query.limit)


def _chained(first: pa.RecordBatch | None, rest: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    if first is not None:
        yield first
        yield from rest
