"""What a database says of its tables to `init`: the catalogue, and bounded reads where it says nothing.

ANALYZE is never run, and nothing is written. Statistics can be of yesterday, and of a new table there are none: so a
small number is counted instead of believed.
"""

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final
from zoneinfo import ZoneInfo

from aggregation_pipeline.config.limits import SourceLimits
from aggregation_pipeline.config.sql.mysql import MYSQL
from aggregation_pipeline.config.sql.postgresql import POSTGRESQL
from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.catalogue import COUNTED, CatalogueColumn, ColumnKind, RowsKnown, Structure, Table
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.postgresql.catalogue_columns import read_columns
from aggregation_pipeline.source.postgresql.kind import SCHEMA
from aggregation_pipeline.source.postgresql.link import Row
from aggregation_pipeline.source.postgresql.relations import find_relations
from aggregation_pipeline.source.postgresql.savepoint import savepoint
from aggregation_pipeline.source.postgresql.session import Session, open_session, regclass

# Letters of a text that are looked at.
_LETTERS: Final = 500
# Days of before are those of a clock that was not set.
_OLDEST: Final = "1990-01-01"
# Partitions and what inherits belong to the table above them; those of extensions are no data of anybody's. Numbers
# are of the last ANALYZE, else of what was written since the server counts. A partitioned table has those of its parts.
_TABLES: Final = """
    WITH RECURSIVE listed AS (
        SELECT c.oid, n.nspname, c.relname, c.relkind
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND has_schema_privilege(n.oid, 'USAGE')
        AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
        AND NOT EXISTS (SELECT 1 FROM pg_inherits AS i WHERE i.inhrelid = c.oid)
        AND NOT EXISTS (SELECT 1 FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                        AND d.deptype = 'e')
        AND has_any_column_privilege(c.oid, 'SELECT')
    ), part(root, oid) AS (
        SELECT oid, oid FROM listed
        UNION ALL SELECT part.root, i.inhrelid FROM part JOIN pg_inherits AS i ON i.inhparent = part.oid
    ), known AS (
        SELECT part.root,
               sum(CASE WHEN c.reltuples >= 0 THEN c.reltuples::bigint ELSE pg_stat_get_live_tuples(c.oid) END) AS rows,
               sum(c.relpages::bigint) * current_setting('block_size')::int AS bytes
        FROM part JOIN pg_class AS c ON c.oid = part.oid WHERE c.relkind IN ('r', 'm', 'f') GROUP BY part.root
    )
    SELECT l.nspname::text, l.relname::text, l.relkind = 'v', l.relkind = 'm', obj_description(l.oid, 'pg_class'),
           coalesce(known.rows, 0)::bigint, coalesce(known.bytes, 0)::bigint
    FROM listed AS l LEFT JOIN known ON known.root = l.oid
"""
# Of indexes that any condition can use: whole ones, on columns. Only a tree has an order.
_INDEXES: Final = """
    SELECT i.indisunique AND i.indnkeyatts = 1, a.attname::text
    FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_am AS m ON m.oid = c.relam
    JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indrelid = {table} AND i.indisvalid AND i.indpred IS NULL AND m.amname = 'btree'
"""
_FOREIGN_KEYS: Final = """
    SELECT DISTINCT a.attname::text FROM pg_constraint AS k
    JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = ANY(k.conkey)
    WHERE k.conrelid = {table} AND k.contype = 'f'
"""


class PostgreSQLCatalogue:
    """What one session tells of tables."""

    can_limit = True

    def __init__(self, session: Session) -> None:
        self._session = session

    def tables(self) -> list[Table]:
        """List the tables and views that the account can read, the largest first."""
        tables = [_table(row) for row in self._session.link.rows(_TABLES)]
        return sorted(tables, key=lambda table: (-table.weight, table.name))

    def structure(self, table: str) -> Structure:
        """Read the columns that the account can read, and the keys."""
        name = self._named(table)
        indexes, link = _INDEXES.format(table=regclass(name)), self._session.link
        leading = [(bool(unique), column) for unique, column in link.rows(indexes)]
        key = self._session.key(name)
        return Structure(
            read_columns(self._session, name),
            primary_key=key.columns if key.is_primary else (),
            unique=frozenset(column for unique, column in leading if unique),
            leading=frozenset(column for _, column in leading),
            foreign_keys=frozenset(column for (column,) in link.rows(_FOREIGN_KEYS.format(table=regclass(name)))),
        )

    def count(self, table: Table) -> Table:
        """Return the table with its rows counted, up to a bound, where the statistics say of none or of few."""
        if table.is_view or table.rows >= COUNTED:
            return table
        counted = f"SELECT count(*) FROM (SELECT 1 FROM {self._sql(table.name)} LIMIT {COUNTED}) AS some_rows"
        try:
            with savepoint(self._session):
                (rows,) = self._session.link.row(counted)
        except SourceError:
            return table
        known: RowsKnown = "at least" if rows >= COUNTED else "counted"
        return replace(table, rows=int(rows), rows_known=known)

    def some_rows(self, table: str, structure: Structure, limit: int) -> Mapping[str, Sequence[str | None]]:
        """Read the cells of each column, by its name, from so many rows at most; bytes are left out.

        Half of them are the first by the primary key, half the last: old rows often leave empty what new ones fill.
        Without such a key they are what the server finds first. Of a long text only the beginning is read.

        Raises:
            SourceError: the account may not, the table is broken, or the time limit ended the statement.
        """
        read = [column for column in structure.columns.values() if column.kind is not ColumnKind.BYTES]
        statement = f"SELECT {', '.join(map(_beginning, read)) or '1'} FROM {self._sql(table)}"
        own = POSTGRESQL.quote(self._named(table).name)
        keys = [f"{own}.{POSTGRESQL.quote(key)}" for key in structure.primary_key]
        if not keys or limit < 2:
            rows = self._rows(f"{statement} LIMIT {limit}")
        else:
            last, first = limit // 2, limit - limit // 2
            rows = self._rows(f"{statement} ORDER BY {', '.join(keys)} LIMIT {first}")
            if len(rows) == first:
                more = self._rows(f"{statement} ORDER BY {', '.join(f'{key} DESC' for key in keys)} LIMIT {last}")
                # Both ends of a small table overlap.
                rows = list(dict.fromkeys((*rows, *more)))
        cells = list(zip(*rows, strict=True)) or [()] * len(read)
        return {column.name: each for column, each in zip(read, cells, strict=False)}

    def least(self, table: str, column: str) -> str:
        """Return the least value of a column with which an index begins, so one entry of it is read; empty for none."""
        name = POSTGRESQL.quote(column)
        (least,) = self._session.link.row(
            f"SELECT min({name})::text FROM {self._sql(table)} WHERE {name} >= '{_OLDEST}'"
        )
        return least or ""

    def gives_snapshots(self, entry: TableEntry) -> bool:
        """Whether all rows are this server's own."""
        return not find_relations(self._session, entry).foreign

    @contextlib.contextmanager
    def deadline(self, seconds: int) -> Iterator[None]:
        """End what is asked in the body after so many seconds."""
        link = self._session.link
        left = link.left()
        link.end_after(math.ceil(min(seconds, left)))
        try:
            yield
        finally:
            link.end_after(math.ceil(left))

    def _named(self, table: str) -> TableName:
        """What is meant by the name of a table, in which there may be dots before and behind the schema's end."""
        if "." not in table:
            return TableName(None, table)
        text, usual = POSTGRESQL.literal("text", table), POSTGRESQL.literal("text", SCHEMA)
        found = self._session.link.rows(
            "SELECT n.nspname::text, c.relname::text FROM pg_class AS c"
            " JOIN pg_namespace AS n ON n.oid = c.relnamespace"
            f" WHERE c.relname = {text} AND n.nspname = {usual} OR concat(n.nspname, '.', c.relname) = {text}"
            f" ORDER BY c.relname = {text} DESC LIMIT 1"
        )
        return TableName(*found[0]) if found else TableName(None, table)

    def _sql(self, table: str) -> str:
        return POSTGRESQL.quoted(*self._named(table))

    def _rows(self, sql: str) -> list[tuple[str | None, ...]]:
        try:
            return self._session.link.rows(sql)
        except UnicodeDecodeError:
            # Of a database that checks no text (SQL_ASCII).
            raise SourceError("texts of the table are not in UTF-8") from None


@contextlib.contextmanager
def open_catalogue(options: SourceOptions, *, zone: ZoneInfo, limits: SourceLimits) -> Iterator[PostgreSQLCatalogue]:
    """Open a session that tells of tables.

    Raises:
        SourceError: there is no way to the server.
    """
    with open_session(options, zone=zone, limits=limits) as session:
        yield PostgreSQLCatalogue(session)


def _table(row: Row) -> Table:
    schema, name, is_view, is_stored, comment, rows, size = row
    known: RowsKnown = "estimated" if rows else "unknown"
    if schema == SCHEMA:
        return Table(name, is_view, comment or "", rows, size, known, is_stored_view=is_stored)
    parts = [MYSQL.quote(part) if set(part) & {".", "`"} else part for part in (schema, name)]
    return Table(f"{schema}.{name}", is_view, comment or "", rows, size, known, ".".join(parts), is_stored)


def _beginning(column: CatalogueColumn) -> str:
    return f"left({POSTGRESQL.quote(column.name)}::text, {_LETTERS})"
