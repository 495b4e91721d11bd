"""What an entry reads beyond its words: tables behind views and partitions, as the catalogue knows them.

PostgreSQL keeps for each view which tables, columns and functions it uses, so nothing has to be parsed.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from aggregation_pipeline.config.entry_query import expressions_of
from aggregation_pipeline.config.sql.postgresql import POSTGRESQL
from aggregation_pipeline.config.sql.references import references_in
from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SnapshotError, SourceError, SourceLostError
from aggregation_pipeline.source.postgresql.names import folded
from aggregation_pipeline.source.postgresql.session import Session, regclass

_KINDS: Final[Mapping[str, str]] = {
    "r": "table",
    "p": "partitioned table",
    "v": "view",
    "m": "materialized view",
    "f": "foreign table",
    "S": "sequence",
}


@dataclass(frozen=True)
class Relation:
    """A table or view that an entry reads.

    Attributes:
        kind: what it is: table, view, foreign table.
        storage: the server's storage engine; empty where it stores nothing.
        is_named: whether the entry names it.
        is_behind: whether a view or a table that holds others leads to it, be it named as well or not.
        is_filtered: whether row level security decides which of its rows the account sees.
    """

    name: TableName
    kind: str
    storage: str
    is_named: bool
    is_behind: bool
    is_filtered: bool


@dataclass(frozen=True)
class Relations:
    """All that an entry reads.

    Attributes:
        functions: those stored in the database that a view calls.
    """

    all: tuple[Relation, ...]
    functions: frozenset[TableName] = frozenset()

    @property
    def foreign(self) -> list[str]:
        """Tables of other servers, whose rows are of other moments."""
        return [str(each.name) for each in self.all if each.kind == "foreign table"]

    def notes(self) -> Iterator[str]:
        """Say that rows may be left out; the server itself leaves them out without a word."""
        for each in self.all:
            if each.is_filtered:
                yield (
                    f"row level security is in force on {each.name}: only rows that its policies show to this account"
                    " are read. To read all of them: ALTER ROLE ... BYPASSRLS, or a policy USING (true)."
                )

    def __str__(self) -> str:
        """How the rows are stored, for the manifest: `heap`."""
        return ", ".join(
            sorted({each.storage or each.kind for each in self.all if each.storage or each.kind[0] == "f"})
        )


def tables_of(entry: TableEntry) -> set[TableName]:
    """Return the tables that an entry names: its own, and those of sub-selects."""
    named = {entry.source_table}
    for _, sql in expressions_of(entry.query):
        for tables in references_in(sql, POSTGRESQL).relations.values():
            named |= possible_tables(tables)
    return named


def possible_tables(tables: Iterable[TableName | None]) -> set[TableName]:
    """Return the tables that names in a sub-select may mean, without those of derived tables.

    Whether a name stood in quotation marks is not known any more, so what the server reads without them, the name in
    lower case, counts as well.
    """
    found = {table for table in tables if table is not None}
    return found | {
        TableName(schema, name)
        for table in found
        for schema in (folded(table.database) if table.database else (None,))
        for name in folded(table.name)
    }


def _reached(entry: TableEntry) -> str:
    """SQL of the relations that an entry reads, with whether it names them, as the snapshot has them."""
    numbers = ", ".join(regclass(table) for table in sorted(tables_of(entry), key=str))
    return (
        f"WITH RECURSIVE reached(oid, is_named) AS (SELECT unnest(ARRAY[{numbers}])::oid, true"
        " UNION SELECT more.oid, false FROM reached CROSS JOIN LATERAL ("
        "SELECT d.refobjid FROM pg_rewrite AS r JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid ="
        " r.oid AND d.refclassid = 'pg_class'::regclass WHERE r.ev_class = reached.oid AND d.refobjid <> reached.oid"
        " UNION ALL SELECT inhrelid FROM pg_inherits WHERE inhparent = reached.oid) AS more(oid))"
    )


def find_relations(session: Session, entry: TableEntry) -> Relations:
    """Look up what an entry reads, through views, partitions and tables that inherit."""
    reached = _reached(entry)
    rows = session.link.rows(
        f"{reached} SELECT n.nspname::text, c.relname::text, c.relkind::text, coalesce(a.amname::text, ''),"
        " bool_or(reached.is_named), bool_or(NOT reached.is_named),"
        # A view is read with its owner's rights, and a part with those to the table that holds it.
        " bool_or(reached.is_named AND row_security_active(c.oid))"
        " FROM reached JOIN pg_class AS c ON c.oid = reached.oid JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        " LEFT JOIN pg_am AS a ON a.oid = c.relam GROUP BY 1, 2, 3, 4 ORDER BY 1, 2"
    )
    functions = session.link.rows(
        f"{reached} SELECT DISTINCT n.nspname::text, p.proname::text FROM reached"
        " JOIN pg_rewrite AS r ON r.ev_class = reached.oid JOIN pg_depend AS d"
        " ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_proc'::regclass"
        " JOIN pg_proc AS p ON p.oid = d.refobjid"
        " JOIN pg_namespace AS n ON n.oid = p.pronamespace"
    )
    return Relations(
        tuple(
            Relation(TableName(row[0], row[1]), _KINDS.get(row[2], "object"), row[3] or "", *row[4:]) for row in rows
        ),
        frozenset(TableName(*row) for row in functions),
    )


def refuse_hidden_table(entry: TableEntry, relations: Relations) -> None:
    """Refuse a name without a schema that one of the server's own tables has: it goes before those of `public`.

    Raises:
        SourceError: says how both are named.
    """
    name = entry.source_table.name
    if entry.source_table.database is None and any(
        each.is_named and each.name == TableName("pg_catalog", name) for each in relations.all
    ):
        raise SourceError(
            f"{name} without a schema is a table of the server's own. Write pg_catalog.{name} for it, or public.{name}"
            " for one of yours."
        )


def require_one_moment(entry: TableEntry, relations: Relations) -> None:
    """Refuse tables of other servers, unless the entry says `consistency: none`.

    Raises:
        SnapshotError: names them.
    """
    if relations.foreign and entry.consistency == "snapshot":
        raise SnapshotError(
            f"{entry.table}: {', '.join(relations.foreign)} is a foreign table, whose rows another server gives as of"
            " another moment. Read that server itself as a source, or write `consistency: none` in the table's entry;"
            " its manifest will then say so."
        )


def require_unchanged(session: Session, entry: TableEntry) -> None:
    """Refuse rows of tables that were emptied, rewritten or replaced after the snapshot, before they were locked.

    TRUNCATE, DROP and an ALTER TABLE that rewrites do not keep the rows of older snapshots, which then see a table
    without them. A session waits behind such a statement while it has its snapshot already. The catalogue's tables are
    as the snapshot has them, and functions such as pg_relation_filenode() as they are now.

    Raises:
        SourceLostError: the rows are not of one moment.
    """
    (changed,) = session.link.row(
        f"{_reached(entry)} SELECT coalesce(bool_or(c.oid IS NULL"
        # Views and tables with parts have no file, and neither have the first tables of the catalogue.
        " OR c.relfilenode <> 0 AND pg_relation_filenode(c.oid) IS DISTINCT FROM c.relfilenode"
        " OR c.relkind = 'p' AND EXISTS ("
        "SELECT FROM (SELECT relid::oid FROM pg_partition_tree(c.oid) WHERE parentrelid = c.oid) AS current(oid)"
        " FULL JOIN (SELECT inhrelid FROM pg_inherits WHERE inhparent = c.oid) AS before(oid) USING (oid)"
        " JOIN pg_class AS part USING (oid) WHERE current.oid IS NULL OR before.oid IS NULL"
        ")), false) FROM reached LEFT JOIN pg_class AS c ON c.oid = reached.oid WHERE reached.oid IS NOT NULL"
    )
    if changed:
        raise SourceLostError(
            f"{entry.table}: a table that the entry reads was emptied, rewritten or replaced (TRUNCATE, DROP, ALTER"
            " TABLE) when the snapshot had been taken, so its rows are not those of one moment. The run can be"
            " repeated; nothing was published."
        )
