"""What a database says of its tables, in few statements: information_schema, and bounded counts where it says nothing.

ANALYZE is never run, and nothing is written. Statistics can be of yesterday, and on seekdb there are none right after
rows were inserted: so a small number is counted instead of believed.
"""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import sqlalchemy as sa

from aggregation_pipeline.config.sql.tokens import quote
from aggregation_pipeline.errors import SourceError, SourceLostError
from aggregation_pipeline.source.mysql.session import Session, SourceColumn, rows_by_column

# Known by the server's statistics, by a count, by one that stopped at `COUNTED`, or not at all.
RowsKnown = Literal["estimated", "counted", "at least", "unknown"]
COUNTED: Final = 10_000
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
# What a row takes at least, where a server knows of rows and of no bytes.
_ROW_BYTES: Final = 20
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


@dataclass(frozen=True)
class Table:
    """A table or view of the database.

    Attributes:
        rows: how many there are, as far as `rows_known` says.
        size: bytes of its rows by the statistics; 0 where they say none.
    """

    name: str
    is_view: bool
    comment: str = ""
    rows: int = 0
    size: int = 0
    rows_known: RowsKnown = "unknown"


@dataclass(frozen=True)
class Structure:
    """The columns of a table, by name in their order, and its keys.

    Attributes:
        unique: columns that by themselves tell rows apart.
        leading: columns with which an index begins.
    """

    columns: Mapping[str, SourceColumn]
    primary_key: tuple[str, ...] = ()
    unique: frozenset[str] = field(default_factory=frozenset)
    leading: frozenset[str] = field(default_factory=frozenset)
    foreign_keys: frozenset[str] = field(default_factory=frozenset)


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
    return sorted(tables, key=lambda table: (-max(table.size, _ROW_BYTES * table.rows), table.name))


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
    columns = session.columns(None, table)
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


def _beginning(column: SourceColumn) -> str:
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
