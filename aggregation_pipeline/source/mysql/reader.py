"""Read one window of an entry into local Parquet: both datasets from one snapshot, streamed and counted.

Nothing stays on disk after a failure.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import SecretStr

from aggregation_pipeline.config.sql.hints import read_hints
from aggregation_pipeline.errors import SnapshotError
from aggregation_pipeline.extract import Dataset, Extract
from aggregation_pipeline.source.lineage import with_column_metadata
from aggregation_pipeline.source.mysql.arrow_rows import ArrowRows
from aggregation_pipeline.source.mysql.as_of import state_is_kept
from aggregation_pipeline.source.mysql.deadline import Deadline, deadline
from aggregation_pipeline.source.mysql.described_queries import DescribedQuery
from aggregation_pipeline.source.mysql.error_hints import add_hints
from aggregation_pipeline.source.mysql.explain import check_scan
from aggregation_pipeline.source.mysql.long_keys import fit_long_keys
from aggregation_pipeline.source.mysql.merged_queries import describe_entry
from aggregation_pipeline.source.mysql.prepared_session import PreparedSession, prepare_session
from aggregation_pipeline.source.mysql.query import DatasetQuery
from aggregation_pipeline.source.mysql.refresh_keys import read_key
from aggregation_pipeline.source.mysql.row_count import compare_counts, count_before
from aggregation_pipeline.source.mysql.session import open_session
from aggregation_pipeline.source.mysql.shard import Shard, unread_shards
from aggregation_pipeline.source.mysql.snapshot import IN_TRANSACTION
from aggregation_pipeline.source.mysql.storage_engines import require_snapshots
from aggregation_pipeline.source.mysql.warnings import check_warnings
from aggregation_pipeline.source.mysql.zero_dates import ZeroDates
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.parquet_sink import ParquetSink
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
    part: Callable[[str], None] = lambda _: None,
) -> Extract:
    """Read all datasets of one entry and window into `directory`, as `summary.parquet` and `detail.parquet`.

    The snapshot ends with the last row, so that rendering and publishing do not hold the source database.

    Args:
        request: what to read.
        options: the server.
        directory: where the files go.
        progress: hears how many rows have come.
        warn: hears of scans that ask much of the server, and of deprecated syntax.
        note: hears what cannot be known here and is worth saying once.
        arrivals: is handed the rows while they are read.
        part: hears which shard the rows are of that come from now on.

    Raises:
        SourceLostError: the server went away; the call can be repeated.
        SnapshotError: a table's engine gives no snapshots, or the transaction ended too soon.
        SourceError: the server refused a statement, or warned about one, or reading would exceed
            `source_limits`.
        RowCountError: the rows that came are not as many as the server counted.
    """
    entry, limits = request.entry, request.entry.source_limits
    with (
        removed_on_failure() as written,
        open_session(
            options,
            logical_time=request.logical_time,
            zone=request.zone,
            limits=limits,
            require_snapshot=entry.consistency == "snapshot",
            entry=entry,
        ) as session,
        deadline(session, limits.max_snapshot_seconds) as end,
    ):
        prepared = prepare_session(session, request)
        queries = _checked_queries(prepared, request, warn, note)
        # Before the rows: where there is no snapshot, a row that comes in between moves the next key.
        extract = replace(_extract_of(prepared, request), refresh_key=read_key(prepared, request))
        arrivals.begin(extract)
        reader = _DatasetReader(prepared, request, options.mask_salt, end, progress, warn, arrivals, part)
        datasets = []
        for each in queries:
            written.append(directory / f"{each.query.dataset}.parquet")
            datasets.append(reader.read(each, written[-1]))
    return replace(extract, datasets=tuple(datasets))


def _checked_queries(
    prepared: PreparedSession,
    request: ReadRequest,
    warn: Callable[[str], None],
    note: Callable[[str], None],
) -> Sequence[DescribedQuery]:
    """Return the entry's queries after everything that can be checked before a row is read."""
    entry, session = request.entry, prepared.session
    queries = describe_entry(session, entry, prepared.shards)
    require_snapshots(entry, prepared.engines)
    if session.clock.note:
        note(session.clock.note)
    if unread := unread_shards(session, entry):
        warn(f"table: {unread}")
    for each in queries:
        check_scan(session, entry, each.reads, warn, note)
    fit_long_keys(session, prepared.shards, queries)
    return queries


def _extract_of(prepared: PreparedSession, request: ReadRequest) -> Extract:
    """Return the extract before a row is read: it has no datasets."""
    entry, engines, clock = request.entry, prepared.engines, prepared.session.clock
    # A view or a stored function may read any table, so what the whole file masks is recorded as well. Without one, the
    # masks of the entry's own tables are enough.
    reads_other_tables = engines.views or engines.stored_functions or engines.called_by_views
    is_snapshot = prepared.session.snapshot and not engines.without_snapshots and not read_hints(entry.hints).stale
    masks = entry.masks_fingerprints if reads_other_tables else entry.masks_fingerprints[:1]
    return Extract(
        table=entry.name,
        window=request.window,
        datasets=(),
        consistency="snapshot" if is_snapshot else "none",
        comments=_comments(prepared),
        notes=(clock.note,) if clock.note else (),
        engines=str(engines),
        columns_fingerprint=entry.columns_fingerprint,
        masks_fingerprints=" ".join(masks),
        source=entry.source or "",
    )


def _comments(prepared: PreparedSession) -> Mapping[str, str]:
    return {column.name: column.comment for column in prepared.columns.values() if column.comment}


@dataclass(frozen=True)
class _DatasetReader:
    """Reads datasets of one entry and window, one after the other."""

    prepared: PreparedSession
    request: ReadRequest
    salt: SecretStr
    end: Deadline
    progress: Progress
    warn: Callable[[str], None]
    arrivals: Arrivals
    part: Callable[[str], None]

    def read(self, described: DescribedQuery, path: Path) -> Dataset:
        """Read one dataset into a Parquet file; errors tell of the entry what is known."""
        query = described.query
        self.part("")
        self._limit_statements()
        # Counted in the same snapshot: the total of the progress bar, and what the rows have to match.
        counts = [self._count(shard, read) for shard, read in zip(self.prepared.shards, described.reads, strict=True)]
        self._refuse_too_many(query, _total(query, counts))
        with self._hints(described):
            zero_dates = ZeroDates(self.request.zero_dates)
            rows = ArrowRows(self.prepared.session, described.statements[0], zero_dates, self.salt)
        schema = with_column_metadata(rows.schema, self.request.entry, query.dataset, _comments(self.prepared))
        begun = Dataset(
            name=query.dataset,
            path=path,
            rows=0,
            schema=schema,
            truncated=False,
            sql=described.sql,
            order=query.order,
            masks=described.masks,
        )
        self.arrivals.begin_dataset(begun)
        with ParquetSink(path, schema, self.arrivals.add_group) as sink:
            kept, truncated = self._write(rows, described, counts, sink)
        self.progress(query.dataset, kept, kept)
        dataset = replace(begun, rows=kept, truncated=truncated, zero_dates=zero_dates.counts)
        self.arrivals.end_dataset(dataset)
        return dataset

    def _count(self, shard: Shard, query: DatasetQuery) -> int | None:
        session = self.prepared.session
        with add_hints(session, shard.entry, query), state_is_kept(session.capabilities):
            return count_before(session, query)

    @contextlib.contextmanager
    def _hints(self, described: DescribedQuery, place: int = 0) -> Iterator[None]:
        """Add to the errors of a statement what is known."""
        session, shards = self.prepared.session, self.prepared.shards
        read = shards[place].entry if described.one_by_one else self.request.entry
        with (
            add_hints(session, read, described.statements[place].query),
            state_is_kept(session.capabilities),
        ):
            yield

    def _limit_statements(self) -> None:
        # One second more than is left: the deadline breaks off first, and its message names max_snapshot_seconds.
        seconds = min(self.request.entry.source_limits.timeout_seconds, self.end.left() + 1)
        self.prepared.session.limit_statements(seconds)

    def _write(
        self, rows: ArrowRows, described: DescribedQuery, counts: Sequence[int | None], sink: ParquetSink
    ) -> tuple[int, bool]:
        """Write the rows of all statements, the first of which runs; return how many, and whether the limit cut."""
        kept, limit, total = 0, described.query.limit, _total(described.query, counts)
        for place, part in enumerate(described.statements):
            if described.one_by_one:
                self.part(f"{part.query.shard}, {place + 1:,} of {len(described.statements):,} shards")
            with self._hints(described, place):
                statement = part if limit is None else part.with_limit(limit - kept)
                if place > 0:
                    self._limit_statements()
                    rows = ArrowRows(self.prepared.session, statement, rows.zero_dates, self.salt)
                arrived, more = self._write_one(rows, statement.query, sink, kept, total)
                self._check(
                    rows, statement.query, arrived, counts[place : place + 1] if described.one_by_one else counts
                )
            kept += more
            if arrived > more:
                return kept, True
        return kept, False

    def _write_one(
        self, rows: ArrowRows, query: DatasetQuery, sink: ParquetSink, before: int, total: int | None
    ) -> tuple[int, int]:
        """Write the rows of one statement, and return how many arrived and how many were kept."""
        arrived = kept = 0
        for received in rows.batches():
            arrived += received.num_rows
            # The statement asks for one row more than the limit, to know whether there is one.
            batch = received if query.limit is None else received.slice(0, max(0, query.limit - kept))
            kept += batch.num_rows
            self._refuse_too_many(query, before + kept)
            sink.write(batch)
            self.progress(query.dataset, before + kept, total)
        return arrived, kept

    def _refuse_too_many(self, query: DatasetQuery, rows: int | None) -> None:
        max_rows = self.request.entry.source_limits.max_rows
        refuse_too_many(query.dataset, rows, limit=query.limit, max_rows=max_rows)

    def _check(self, rows: ArrowRows, query: DatasetQuery, arrived: int, counts: Sequence[int | None]) -> None:
        """Raise if the server warned, if not all rows came, or if the snapshot did not hold."""
        session = self.prepared.session
        # Before any other statement, which would replace these warnings by its own.
        check_warnings(session, rows.stream.warnings, query.title, self.warn)
        compare_counts(session, query, arrived, _total(query, counts), self.prepared.engines)
        if session.capabilities.snapshot == "transaction" and not rows.stream.status & IN_TRANSACTION:
            raise SnapshotError(
                f"{query.title}: the server had ended the transaction by the time the last row came, so the snapshot"
                " did not hold. A proxy or a limit on transactions ended it: connect to the database itself, or"
                " raise the limit."
            )


def _total(query: DatasetQuery, counts: Sequence[int | None]) -> int | None:
    """The rows that a statement returns, given the counts of what it reads; None if one is not known."""
    known = [count for count in counts if count is not None]
    if len(known) < len(counts):
        return None
    return sum(known) if query.limit is None else min(sum(known), query.limit + 1)
