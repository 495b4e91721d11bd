"""Read the detail rows of a large table in ranges, through several connections that share one snapshot.

Ranges are cut by the key that the rows are ordered by; where rows come in no order, by the table's blocks. Each is a
statement of its own, and as many run at once as there are connections. Their rows are taken range by range, so they
come in the order in which one statement would send them. A connection that is ahead holds a few batches and waits, so
memory does not grow with the rows, however uneven the ranges are.
"""

import contextlib
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import pyarrow as pa

from aggregation_pipeline.config.sql.postgresql import POSTGRESQL
from aggregation_pipeline.errors import SnapshotError, SourceError
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.postgresql.arrow_types import ColumnType
from aggregation_pipeline.source.postgresql.described import DescribedQuery
from aggregation_pipeline.source.postgresql.errors import REPEATABLE
from aggregation_pipeline.source.postgresql.explain import plan_of
from aggregation_pipeline.source.postgresql.link import Link
from aggregation_pipeline.source.postgresql.prepared import PreparedEntry
from aggregation_pipeline.source.postgresql.session import Session, open_session, regclass
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline.source.scans import BIG_TABLE

# A range of average rows is as large as what waits to be taken of it, so that a connection seldom has to wait.
_RANGE_BYTES: Final = 12 << 20
_BATCHES_AHEAD: Final = 3
_RANGE_ROWS: Final = range(1_000, 50_000)
# A lock that an ALTER waits for is not had before the end of the first session, which has it.
_LOCK_TIMEOUT: Final = "1s"
# So many times its share of the work of one statement the server may have with a range, by its own estimate.
_MOST_WORK: Final = 2


@dataclass(frozen=True)
class Counted:
    """What is known of the rows before they are read.

    Attributes:
        rows: how many there are; None if that is not known yet.
        with_nan: the places of the outputs that hold a NaN.
        span: the least and the greatest value of the leading column of the key, if ranges may be cut by it.
    """

    rows: int | None = None
    with_nan: frozenset[int] = frozenset()
    span: tuple[int, int] | None = None


@dataclass(frozen=True)
class _Scale:
    """What ranges are cut by.

    Attributes:
        described: the rows, with the column in their derived table.
        column: of the derived table.
        span: its least and its greatest value, as numbers.
        histogram: values with equally many rows between them, as far as they are known.
        literal: how a number is written as a value of the column.
    """

    described: DescribedQuery
    column: str
    span: tuple[int, int]
    histogram: Sequence[int] = ()
    literal: str = "{}"

    def conditions(self, parts: int) -> Iterator[str]:
        """Yield the condition of each range. The first and the last are open, so that no row can be left out."""
        cuts = [self.literal.format(cut) for cut in cuts_between(*self.span, self.histogram, parts)]
        for start, end in zip([None, *cuts], [*cuts, None], strict=True):
            bounds = [f"q.{self.column} >= {start}"] if start is not None else []
            bounds += [f"q.{self.column} < {end}"] if end is not None else []
            yield " AND ".join(bounds)


@dataclass(frozen=True)
class RangeReader:
    """Reads detail rows in ranges, where `readers` allows it and the server has no more work with it.

    Attributes:
        note: takes what is worth knowing of how the rows are read.
    """

    prepared: PreparedEntry
    request: ReadRequest
    options: SourceOptions
    note: Callable[[str], None]

    def spanned(self, described: DescribedQuery) -> str | None:
        """Return the column of the derived table whose span is to be counted, because ranges may be cut by it."""
        return described.leading_key if self._allowed(described) else None

    def _allowed(self, described: DescribedQuery) -> bool:
        allowed = self.request.entry.source_limits.readers > 1 and described.query.counts_first
        # A foreign table shares no snapshot.
        return allowed and not self.prepared.relations.foreign

    def batches(
        self, described: DescribedQuery, columns: dict[int, ColumnType], counted: Counted
    ) -> Generator[pa.RecordBatch, None, None] | None:
        """Yield the rows as one statement would; None if one should read them.

        Args:
            described: the detail rows.
            columns: in whose forms the rows are asked for.
            counted: the same rows.

        Raises:
            SourceLostError, SourceError: as `Link.batches` does, of any connection.
        """
        if not self._allowed(described) or counted.rows is None or counted.rows < BIG_TABLE:
            return None
        scale = self._key(described, counted) if described.query.terms else self._blocks(described)
        if scale is None:
            return None
        session = self.prepared.session
        whole = plan_of(session, described.statement(columns))
        most = min(max(_RANGE_BYTES // max(1, int(whole["Plan Width"])), _RANGE_ROWS.start), _RANGE_ROWS.stop)
        statements = [scale.described.statement(columns, each) for each in scale.conditions(-(-counted.rows // most))]
        middle = plan_of(session, statements[len(statements) // 2])
        share = max(1 / len(statements), middle["Plan Rows"] / max(1, whole["Plan Rows"]))
        table = self.request.entry.table
        if middle["Total Cost"] > _MOST_WORK * share * whole["Total Cost"]:
            self.note(
                f"{table}: one connection reads the detail rows, because ranges would be more work for the server: no"
                " index leads to the rows in this order."
            )
            return None
        self.note(f"{table}: the detail rows are read in {len(statements):,} ranges.")
        return self._taken(scale.described, iter(statements))

    def _key(self, described: DescribedQuery, counted: Counted) -> _Scale | None:
        column = described.leading_key
        return _Scale(described, column, counted.span, self._histogram()) if column and counted.span else None

    def _blocks(self, described: DescribedQuery) -> _Scale | None:
        """The table's blocks, if it is one heap, of which the account may see where rows lie."""
        table = self.request.entry.source_table
        found = self.prepared.session.link.rows(
            "SELECT pg_relation_size(c.oid) / current_setting('block_size')::int8 FROM pg_class AS c"
            " JOIN pg_am AS a ON a.oid = c.relam"
            f" WHERE c.oid = {regclass(table)} AND c.relkind IN ('r', 'm') AND NOT c.relhassubclass"
            " AND a.amname = 'heap' AND has_table_privilege(c.oid, 'SELECT')"
        )
        if not found:
            return None
        place = replace(described.query, extras=(f"{POSTGRESQL.quote(table.name)}.ctid",))
        return _Scale(replace(described, query=place), "k1", (0, found[0][0] - 1), literal="'({},0)'::tid")

    def _histogram(self) -> list[int]:
        """Values of the key's leading column with equally many rows between them, as of the last ANALYZE."""
        table = self.request.entry.source_table
        column = self.prepared.session.key(table).columns[0]
        rows = self.prepared.session.link.rows(
            "SELECT unnest(s.histogram_bounds::text::int8[]) FROM pg_class AS c"
            " JOIN pg_namespace AS n ON n.oid = c.relnamespace"
            " JOIN pg_stats AS s ON s.schemaname = n.nspname AND s.tablename = c.relname"
            f" WHERE c.oid = {regclass(table)} AND s.attname = {POSTGRESQL.literal('text', column)}"
        )
        return [bound for (bound,) in rows]

    def _taken(self, described: DescribedQuery, statements: Iterator[str]) -> Generator[pa.RecordBatch, None, None]:
        with contextlib.ExitStack() as stack:
            links = [self.prepared.session.link, *self._others(described, stack)]
            running = deque((link, _begun(link, sql)) for link, sql in zip(links, statements, strict=False))
            while running:
                link, batches = running.popleft()
                yield from batches
                if (sql := next(statements, None)) is not None:
                    running.append((link, _begun(link, sql)))

    def _others(self, described: DescribedQuery, stack: contextlib.ExitStack) -> Iterator[Link]:
        """Open the connections beside the first, as many as the server gives."""
        entry = self.request.entry
        for number in range(2, entry.source_limits.readers + 1):
            try:
                yield stack.enter_context(self._joined(described))
            except SourceError as error:
                why = str(error).removesuffix(REPEATABLE)
                self.note(f"{entry.table}: fewer than {number} connections read the detail rows. {why}")
                return

    @contextlib.contextmanager
    def _joined(self, described: DescribedQuery) -> Iterator[Link]:
        entry, first = self.request.entry, self.prepared.session
        names = [entry.table, entry.source_table.name]
        with open_session(
            self.options, zone=self.request.zone, limits=entry.source_limits, names=names, joins=first
        ) as session:
            if _server(session) != _server(first):
                raise SnapshotError("the connections lead to different servers.")
            session.link.quotable = first.link.quotable
            session.link.run(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
            # Locks all that is read, up to the end.
            plan_of(session, described.query.inner)
            session.limit_statements(min(entry.source_limits.timeout_seconds, first.link.left() + 1))
            yield session.link


def _server(session: Session) -> str:
    """What tells a server from all others: two may have given the same name to different snapshots."""
    return str(session.link.row("SELECT pg_postmaster_start_time()::text")[0])


def _begun(link: Link, sql: str) -> Iterator[pa.RecordBatch]:
    return link.batches(sql, ahead=_BATCHES_AHEAD)


def cuts_between(least: int, greatest: int, histogram: Sequence[int], parts: int) -> list[int]:
    """Return the values at which ranges begin, all but the first, in ascending order and over `least`.

    Args:
        least: of the values.
        greatest: of the values.
        histogram: values with equally many rows between them; of other rows as well, or none.
        parts: how many ranges are wanted. There are fewer if there are not enough values.
    """
    known = sorted({least, *(bound for bound in histogram if least < bound < greatest), greatest + 1})
    cuts = set[int]()
    for part in range(1, parts):
        place, rest = divmod(part * (len(known) - 1), parts)
        cuts.add(known[place] + (known[place + 1] - known[place]) * rest // parts)
    return sorted(cuts - {least})
