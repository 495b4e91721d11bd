"""What a database says of its tables, in few statements: information_schema, and bounded counts where it says nothing.

ANALYZE is never run, and nothing is written. Statistics can be of yesterday, and on seekdb there are none right after
rows were inserted: so a small number is counted instead of believed.
"""

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from aggregation_pipeline.config.limits import SourceLimits
from aggregation_pipeline.config.sql.tokens import quote
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError, SourceLostError
from aggregation_pipeline.source.catalogue import COUNTED, CatalogueColumn, ColumnKind, RowsKnown, Structure, Table
from aggregation_pipeline.source.mysql.deadline import deadline
from aggregation_pipeline.source.mysql.session import Session, SourceColumn, open_session, rows_by_column
from aggregation_pipeline.source.mysql.storage_engines import find_storage_engines
from aggregation_pipeline.source.options import SourceOptions

# Types whose cells are no text.
BYTES: Final = frozenset(
    {
        *("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "bit", "vector", "geometry", "point"),
        *("linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geomcollection"),
        "geometrycollection",
    }
)
_LONG_TEXTS: Final = frozenset(("text", "mediumtext", "longtext", "json", "tinytext"))
# Letters of a text that are looked at.
_LETTERS: Final = 500
# Days of before are those of a clock that was not set.
_OLDEST: Final = "1990-01-01"
_TABLES: Final = sa.text(
    "SELECT table_name, table_type, table_rows, data_length, table_comment FROM information_schema.tables"
    " WHERE table_schema = DATABASE()"
)
_INDEXES: Final = sa.text(
    "SELECT index_name, non_unique, column_name FROM information_schema.statistics"
    " WHERE table_schema = DATABASE() AND table_name = :table ORDER BY index_name, seq_in_index"
)
_FOREIGN_KEYS: Final = sa.text(
    "SELECT column_name FROM information_schema.key_column_usage WHERE table_schema = DATABASE()"
    " AND table_name = :table AND referenced_table_name IS NOT NULL"
)


_WITH_FRACTION: Final = frozenset((ColumnKind.DECIMAL, ColumnKind.FLOAT, ColumnKind.DOUBLE))
_KINDS: Final[Mapping[str, ColumnKind]] = {
    **dict.fromkeys(("char", "varchar"), ColumnKind.SHORT_TEXT),
    **dict.fromkeys(_LONG_TEXTS, ColumnKind.LONG_TEXT),
    "enum": ColumnKind.ENUM,
    **dict.fromkeys(("inet4", "inet6"), ColumnKind.ADDRESS),
    **dict.fromkeys(("tinyint", "smallint", "mediumint"), ColumnKind.SMALL_INTEGER),
    **dict.fromkeys(("int", "integer"), ColumnKind.INTEGER),
    "bigint": ColumnKind.BIG_INTEGER,
    **dict.fromkeys(("decimal", "numeric"), ColumnKind.DECIMAL),
    "float": ColumnKind.FLOAT,
    **dict.fromkeys(("double", "real"), ColumnKind.DOUBLE),
    "date": ColumnKind.DATE,
    "datetime": ColumnKind.DATETIME,
    "timestamp": ColumnKind.INSTANT,
    "year": ColumnKind.YEAR,
    **dict.fromkeys(BYTES, ColumnKind.BYTES),
}


class MySQLCatalogue:
    """What one session tells of tables."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.can_limit = bool(session.capabilities.statement_limits)

    def tables(self) -> list[Table]:
        """List the tables."""
        return list_tables(self._session)

    def structure(self, table: str) -> Structure:
        """Read columns and keys."""
        return read_structure(self._session, table)

    def count(self, table: Table) -> Table:
        """Count rows."""
        return count_rows(self._session, table)

    def some_rows(self, table: str, structure: Structure, limit: int) -> Mapping[str, Sequence[str | None]]:
        """Read some cells of each column."""
        return some_rows(self._session, table, structure, limit)

    def least(self, table: str, column: str) -> str:
        """Return the least time."""
        return least_time(self._session, table, column)

    def gives_snapshots(self, entry: TableEntry) -> bool:
        """Whether server and storage engines give them."""
        return self._session.snapshot and not find_storage_engines(self._session, entry).without_snapshots

    def deadline(self, seconds: int) -> contextlib.AbstractContextManager[object]:
        """End what takes longer."""
        return deadline(self._session, seconds)


@contextlib.contextmanager
def open_catalogue(
    options: SourceOptions, *, now: datetime, zone: ZoneInfo, limits: SourceLimits
) -> Iterator[MySQLCatalogue]:
    """Open a session that tells of tables.

    Raises:
        SourceError: there is no way to the server.
    """
    with open_session(options, logical_time=now, zone=zone, limits=limits, require_snapshot=False) as session:
        yield MySQLCatalogue(session)


def list_tables(session: Session) -> list[Table]:
    """List the tables and views that this account can see, the largest first.

    Raises:
        SourceError: the server does not even give their names.
    """
    try:
        with session.translate_errors():
            rows = rows_by_column(session.connection.execute(_TABLES))
    except SourceLostError:
        raise
    except SourceError:
        # Sizes of many thousand tables can take longer than a statement may. Names alone open no table.
        _, names = session.rows("SHOW FULL TABLES")
        return [Table(str(name), is_view=str(kind).endswith("VIEW")) for name, kind, *_ in names]
    tables = [_table(row) for row in rows if "SEQUENCE" not in str(row["table_type"]).upper()]
    return sorted(tables, key=lambda table: (-table.weight, table.name))


def count_rows(session: Session, table: Table) -> Table:
    """Return the table with its rows counted, up to a bound, where the statistics say of none or of few."""
    if table.is_view or table.rows >= COUNTED:
        return table
    counted = f"SELECT COUNT(*) FROM (SELECT 1 FROM {quote(table.name)} LIMIT {COUNTED}) AS some_rows"
    with contextlib.suppress(SourceError):
        (rows,) = session.row(counted)
        known: RowsKnown = "at least" if rows >= COUNTED else "counted"
        return Table(table.name, table.is_view, table.comment, int(rows), table.size, known)
    return table


def read_structure(session: Session, table: str) -> Structure:
    """Read a table's columns and keys: three statements."""
    columns = {name: _column(column) for name, column in session.columns(None, table).items()}
    indexes: dict[str, list[str]] = {}
    unique: set[str] = set()
    for row in _rows(session, _INDEXES, table):
        # An index on an expression has no column there.
        indexes.setdefault(str(row["index_name"]), []).append(str(row["column_name"] or ""))
        if not int(str(row["non_unique"])):
            unique.add(str(row["index_name"]))
    return Structure(
        columns,
        primary_key=tuple(indexes.get("PRIMARY", ())),
        unique=frozenset(names[0] for index, names in indexes.items() if index in unique and len(names) == 1),
        leading=frozenset(names[0] for names in indexes.values() if names[0]),
        foreign_keys=frozenset(str(row["column_name"]) for row in _rows(session, _FOREIGN_KEYS, table)),
    )


def some_rows(session: Session, table: str, structure: Structure, limit: int) -> dict[str, Sequence[str | None]]:
    """Read the cells of each column, by its name, from so many rows at most; bytes are left out.

    Half of them are the first by the primary key, half the last: old rows often leave empty what new ones fill.
    Without such a key they are what the server finds first. Nothing is sorted that an index does not sort, and of a
    long text only the beginning is read. With the limit 0 the server only checks that it would give the rows.

    Raises:
        SourceError: the account may not, the table is broken, or the time limit ended the statement.
    """
    read = [column for column in structure.columns.values() if column.type not in BYTES]
    terms = ", ".join(map(_beginning, read)) or "1"
    statement = f"SELECT {terms} FROM {quote(table)}"
    # Of a key on the beginning of a long text no order follows.
    ordered = structure.primary_key and not any(
        structure.columns[key].type.endswith(("text", "blob"))
        for key in structure.primary_key
        if key in structure.columns
    )
    if not ordered or limit < 2:
        _, rows = session.rows(f"{statement} LIMIT {limit}")
    else:
        last, first = limit // 2, limit - limit // 2
        up, down = (", ".join(f"{quote(key)} {way}" for key in structure.primary_key) for way in ("ASC", "DESC"))
        _, rows = session.rows(f"{statement} ORDER BY {up} LIMIT {first}")
        if len(rows) == first:
            _, more = session.rows(f"{statement} ORDER BY {down} LIMIT {last}")
            # Both ends of a small table overlap.
            rows = list(dict.fromkeys((*rows, *more)))
    cells = list(zip(*rows, strict=True)) or [()] * len(read)
    return {column.name: each for column, each in zip(read, cells, strict=False)}


def least_time(session: Session, table: str, column: str) -> str:
    """Return the least value of a column with which an index begins, so one entry of it is read; empty for none.

    Raises:
        SourceError: as for `some_rows`.
    """
    name = quote(column)
    _, rows = session.rows(f"SELECT MIN({name}) FROM {quote(table)} WHERE {name} >= '{_OLDEST}'")
    return str(rows[0][0] or "")


def _column(column: SourceColumn) -> CatalogueColumn:
    kind = _KINDS.get(column.type, ColumnKind.OTHER)
    if column.full_type.startswith("tinyint(1)"):
        kind = ColumnKind.BOOLEAN
    whole = kind is ColumnKind.DECIMAL and re.search(r"\(\d+,0\)|\(\d+\)", column.full_type)
    return CatalogueColumn(
        column.name,
        kind,
        column.type,
        column.comment,
        column.nullable,
        column.max_length,
        has_fraction=kind in _WITH_FRACTION and not whole,
        definition=f"{column.full_type} {column.collation} {column.generated}",
    )


def _beginning(column: CatalogueColumn) -> str:
    long = column.type in _LONG_TEXTS or column.max_length > _LETTERS
    return f"LEFT({quote(column.name)}, {_LETTERS})" if long else quote(column.name)


def _rows(session: Session, query: sa.TextClause, table: str) -> list[dict[str, object]]:
    """The rows of a question that not every server answers; none where it does not."""
    try:
        with session.translate_errors():
            return rows_by_column(session.connection.execute(query, {"table": table}))
    except SourceLostError:
        raise
    except SourceError:
        return []


def _table(row: Mapping[str, object]) -> Table:
    kind, comment = str(row["table_type"]).upper(), str(row["table_comment"] or "")
    is_view = kind.endswith("VIEW")
    rows, size = (max(0, int(str(row[name] or 0))) for name in ("table_rows", "data_length"))
    # What servers say there of a view that they cannot open.
    broken = is_view or comment.startswith(("VIEW", "View '"))
    return Table(
        str(row["table_name"]), is_view, "" if broken else comment, rows, size, "estimated" if rows else "unknown"
    )
