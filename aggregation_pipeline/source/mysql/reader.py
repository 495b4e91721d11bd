"""Read one table's window into local Parquet: both datasets from one snapshot, streamed, counted, and nothing left
behind on failure.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from aggregation_pipeline.config.messages.suggestions import did_you_mean
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SnapshotError, SourceError
from aggregation_pipeline.extract import Dataset, Extract
from aggregation_pipeline.source.clock import Clock
from aggregation_pipeline.source.lineage import described
from aggregation_pipeline.source.mysql.columns import ShapedQuery, shape_queries
from aggregation_pipeline.source.mysql.connection import SourceOptions
from aggregation_pipeline.source.mysql.deadline import deadline
from aggregation_pipeline.source.mysql.error_hints import explained
from aggregation_pipeline.source.mysql.explain import check_scan
from aggregation_pipeline.source.mysql.long_keys import fit_long_keys
from aggregation_pipeline.source.mysql.masked_views import require_masked
from aggregation_pipeline.source.mysql.query import DatasetQuery
from aggregation_pipeline.source.mysql.row_count import compare_counts, count_before
from aggregation_pipeline.source.mysql.rows import ArrowRows
from aggregation_pipeline.source.mysql.session import Session, SourceColumn, open_session
from aggregation_pipeline.source.mysql.storage_engines import Engines, engines_of, require_snapshots
from aggregation_pipeline.source.mysql.time_zone import choose_clock
from aggregation_pipeline.source.mysql.warnings import check_warnings
from aggregation_pipeline.source.mysql.zero_dates import ZeroDates, ZeroDatesPolicy
from aggregation_pipeline.source.parquet_sink import ParquetSink
from aggregation_pipeline.source.time_range import TIMES, Window

# SERVER_STATUS_IN_TRANS, in every reply's status flags.
_IN_TRANSACTION: Final = 1

# Called with the dataset's name, the rows read so far, and the rows to come in all (None: not known before the end).
Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class ReadRequest:
    """What to read: one entry, one window, as of one logical time; `partition` cuts the rows, None takes the whole
    table.
    """

    entry: TableEntry
    window: str
    logical_time: datetime
    zone: ZoneInfo
    zero_dates: ZeroDatesPolicy = "null"
    partition: Window | None = None

    def settled(self, session: Session) -> "Settled":
        """Let the session compute in the clock that suits the entry.

        Raises:
            SourceError: the server cannot, the partition's column does not suit, or a view or function may show a
                masked column.
        """
        columns = session.columns(*self.entry.source)
        engines = engines_of(session, self.entry)
        behind = (part for relation in engines.relations for part in (relation.database, relation.name) if part)
        session = replace(session, known=session.known.plus((*columns, *behind)))
        require_masked(session, self.entry, columns, engines)
        within = self.within(columns, session.clock)
        clocked = choose_clock(session, self.entry, self.logical_time, list(columns.values()), within, engines)
        return Settled(clocked, columns, self.within(columns, clocked.clock), engines)

    def within(self, columns: Mapping[str, SourceColumn], clock: Clock) -> str | None:
        """The condition of the partition, for a table with these columns and a session with this clock; None for the
        whole table.

        Raises:
            SourceError: the partition's column is not in the table, holds no time, or holds days where hours are asked
                for.
        """
        # Without columns there is no such table: the server says that itself, when it is asked about the query.
        if self.partition is None or not columns:
            return None
        name = self.partition.column
        found = next((column for column in columns.values() if column.name.casefold() == name.casefold()), None)
        if found is None or found.type not in TIMES:
            what = (
                f"is of the type {found.type.upper()}"
                if found
                else f"is not in it; its columns are {', '.join(columns)}"
            )
            hint = "" if found else did_you_mean(name, columns)
            raise SourceError(
                f"partition.column: a DATE, DATETIME or TIMESTAMP of {self.entry.table} is expected, and {name}"
                f" {what}.{hint} Correct the entry."
            )
        if found.type == "date":
            _refuse_hours_of_days(self.entry)
        return self.partition.predicate(self.entry.source.name, found.type, clock)


@dataclass(frozen=True)
class Settled:
    """A session in the clock of the entry that it reads, and what is known of the entry's tables.

    Attributes:
        columns: of the entry's table.
        within: the condition of its partition.
        engines: of all tables that the entry names.
    """

    session: Session
    columns: Mapping[str, SourceColumn]
    within: str | None
    engines: Engines


def _refuse_hours_of_days(entry: TableEntry) -> None:
    partition = entry.partition
    if partition is not None and partition.every == "hour":
        raise SourceError(
            f"partition.every: {partition.column} is a DATE, and a day has no hours: all its rows would lie in the"
            " first. Write every: day, or name a DATETIME or TIMESTAMP column."
        )
    if partition is not None and partition.column_timezone is not None:
        raise SourceError(
            f"partition.column_timezone: {partition.column} is a DATE, a day of the calendar, which is the same in"
            " every zone. Leave column_timezone out; it is for DATETIME columns."
        )


def read_extract(
    request: ReadRequest,
    options: SourceOptions,
    directory: Path,
    progress: Progress,
    warn: Callable[[str], None] = lambda _: None,
    note: Callable[[str], None] = lambda _: None,
) -> Extract:
    """Read all datasets of one entry and window into `directory`, as `summary.parquet` and `detail.parquet`.

    The snapshot ends with the last row; whatever follows does not hold the source database. `warn` hears of scans that
    ask much of it and of deprecated syntax, `note` of what cannot be known here and is worth saying once.

    Raises:
        SourceLostError: the server went away; the call can be repeated.
        SnapshotError: a table's engine gives no snapshots, or the transaction ended too soon.
        SourceError: the server refused a statement, or warned about one, or more would be asked of it than
            `source_limits` allow.
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
                entry=entry,
            ) as session,
            deadline(session, limits.max_snapshot_seconds) as end,
        ):
            settled = request.settled(session)
            columns, engines = settled.columns, settled.engines
            session = settled.session  # noqa: PLW2901 - the same connection
            comments = {column.name: column.comment for column in columns.values() if column.comment}
            shaped = shape_queries(session, entry, columns, settled.within)
            require_snapshots(entry, engines)
            if session.clock.note:
                note(session.clock.note)
            for each in shaped:
                check_scan(session, entry, each.query, warn, note)
            fit_long_keys(session, entry, shaped, columns)
            reading = _Reading(session, request, engines, comments, options.mask_salt, progress, warn)
            datasets = []
            for each in shaped:
                path = directory / f"{each.query.dataset}.parquet"
                written.append(path)
                # A second more than is left, so that whoever comes too late is told by us why.
                session.limit_statements(min(limits.timeout_seconds, end.left() + 1))
                with explained(session, entry, each.query):
                    datasets.append(reading.dataset(each, path))
            consistency = "snapshot" if session.snapshot and not engines.without else "none"
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise
    notes = tuple(filter(None, [session.clock.note]))
    # Whatever a view or a stored function leads to, it was none of the tables that the file masks then.
    masks = " ".join(
        entry.masks_asked if engines.views or engines.functions or engines.stored else entry.masks_asked[:1]
    )
    return Extract(
        entry.name,
        request.window,
        tuple(datasets),
        consistency,
        comments,
        notes,
        str(engines),
        entry.columns_asked,
        masks,
    )


@dataclass(frozen=True)
class _Reading:
    """One entry and window on the way from the server to the disk."""

    session: Session
    request: ReadRequest
    engines: Engines
    comments: Mapping[str, str]
    salt: SecretStr
    progress: Progress
    warn: Callable[[str], None]

    def dataset(self, shaped: ShapedQuery, path: Path) -> Dataset:
        query, max_rows = shaped.query, self.request.entry.source_limits.max_rows
        # Counted before, in the same snapshot: the total for the progress bar and the number that the rows have to
        # match.
        expected = count_before(self.session, query)
        _refuse_too_many(query, expected, max_rows)
        rows = ArrowRows(self.session, shaped, ZeroDates(self.request.zero_dates), self.salt)
        schema = described(rows.schema, self.request.entry, query.dataset, self.comments)
        arrived = kept = 0
        with ParquetSink(path, schema) as sink:
            for received in rows.batches():
                arrived += received.num_rows
                # The statement asks for one row more than the limit, to know whether there is one.
                batch = received if query.limit is None else received.slice(0, max(0, query.limit - kept))
                kept += batch.num_rows
                _refuse_too_many(query, kept, max_rows)
                sink.write(batch)
                self.progress(query.dataset, kept, expected)
        # Before any other statement, which would put its own in their place.
        check_warnings(self.session, rows.stream.warnings, query.dataset, self.warn)
        compare_counts(self.session, query, arrived, expected, self.engines)
        if self.session.snapshot and not rows.stream.status & _IN_TRANSACTION:
            raise SnapshotError(
                f"{query.dataset}: the server had ended the transaction by the time the last row came, so the snapshot"
                " did not hold. A proxy or a limit on transactions stands between: connect to the database itself, or"
                " raise the limit."
            )
        self.progress(query.dataset, kept, kept)
        return Dataset(
            name=query.dataset,
            path=path,
            rows=kept,
            schema=schema,
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
        f"{query.dataset}: there are {rows:,} rows or more, over max_rows = {max_rows:,}, so the table was not read to"
        " its end and nothing was published. Narrow its `where`, set a `limit` (which cuts, and says so), or raise"
        " source_limits.max_rows."
    )
