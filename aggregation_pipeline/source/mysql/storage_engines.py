"""Which storage engines an entry reads, and whether those give snapshots. MyISAM, for one, has no transactions.

An entry that reads a table without snapshots is refused, unless it says `consistency: none`. That holds for an entry of
one statement too. One statement over one MyISAM table does see one moment, because it locks the table. But the count
that its rows are compared with is another statement.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from aggregation_pipeline.config.sql.server_functions import SERVER_FUNCTIONS
from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SnapshotError, SourceError, SourceLostError
from aggregation_pipeline.source.mysql.merge_tables import MERGE_ENGINES, tables_merged
from aggregation_pipeline.source.mysql.referenced_tables import References, references_of_entry, references_of_view
from aggregation_pipeline.source.mysql.session import Session

# Engines whose consistent reads are known to see one moment. SEQUENCE computes its rows, the same ones each time.
_WITH_SNAPSHOTS: Final = {
    "innodb",
    "xtradb",
    "percona-xtradb",
    "oceanbase",
    "seekdb",
    "tokudb",
    "rocksdb",
    "xengine",
    "sequence",
}
# Engines that report transactions, but read from other servers, or read rows as they are committed.
_WITHOUT_SNAPSHOTS: Final = {"federated", "ndb", "ndbcluster", "spider", "connect"}
# The most layers of views over views. Nobody builds so many, and it ends a circle of views.
_MAX_LAYERS: Final = 20
# Tables that one statement asks information_schema about.
_ASKED_AT_ONCE: Final = 64
# Tables that a message names.
_SHOWN: Final = 8


class Relation(NamedTuple):
    """A table or view as information_schema describes it."""

    database: str
    name: str
    kind: str
    engine: str | None
    transactions: str | None
    definition: str | None

    @property
    def is_view(self) -> bool:
        """Whether a user has defined it as a view."""
        return self.kind == "VIEW"

    @property
    def is_system_view(self) -> bool:
        """Whether the server computes it: information_schema, and views of the server's own."""
        return self.kind == "SYSTEM VIEW"

    @property
    def engine_word(self) -> str:
        """Its storage engine, or what it has instead, for people."""
        if self.kind in ("SYSTEM VIEW", "SEQUENCE"):
            return self.kind.lower()
        return self.engine or "no engine"

    @property
    def snapshots(self) -> bool | None:
        """Whether reads see the moment of the transaction; None for an engine that is not known here."""
        engine = (self.engine or "").casefold()
        if self.kind in ("SYSTEM VIEW", "SEQUENCE") or engine in _WITHOUT_SNAPSHOTS:
            return False
        if engine in _WITH_SNAPSHOTS:
            return True
        return None if self.transactions == "YES" else False


@dataclass
class StorageEngines:
    """The storage engines that an entry reads, and the views and stored functions on the way to them.

    Attributes:
        with_snapshots: names of engines that give snapshots.
        without_snapshots: tables whose engine gives none, as in `MyISAM (hits)`.
        unknown: what this account cannot see, as in `view v`.
        views: which of the tables found are views.
        versioned: which of them are MariaDB's system-versioned tables.
        stored_functions: stored functions that the entry calls, in lower case.
        relations: every table and view that was found.
        behind_views: tables that views and MERGE tables lead to.
        merged: those of them that MERGE tables show.
        called_by_views: stored functions that views call.
        unreadable_views: views whose definition, or whose tables, this account cannot see.
    """

    with_snapshots: set[str] = field(default_factory=set)
    without_snapshots: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    views: set[TableName] = field(default_factory=set)
    versioned: set[TableName] = field(default_factory=set)
    stored_functions: frozenset[str] = frozenset()
    relations: set[TableName] = field(default_factory=set)
    behind_views: set[TableName] = field(default_factory=set)
    merged: set[TableName] = field(default_factory=set)
    called_by_views: set[TableName] = field(default_factory=set)
    unreadable_views: set[TableName] = field(default_factory=set)

    def __str__(self) -> str:
        """Describe them for the manifest: `InnoDB`, `InnoDB, MyISAM (hits)`, `unknown (view v)`."""
        unknown = [f"unknown ({', '.join(_some(self.unknown))})"] if self.unknown else []
        return ", ".join([*sorted(self.with_snapshots), *_some(self.without_snapshots), *unknown])


def _some(names: Iterable[str]) -> list[str]:
    """The names in order; of thousands of shards, the first few and how many more there are."""
    found = sorted(names)
    more = len(found) - _SHOWN
    return [*found[:_SHOWN], f"{more:,} more"] if more > 1 else found


def find_storage_engines(session: Session, entry: TableEntry) -> StorageEngines:
    """Find the engines of all tables that an entry reads: one query, and one more for each layer of views.

    What the account may not see is `unknown`, not an error.

    Raises:
        SourceLostError: the server went away.
    """
    references = references_of_entry(entry)
    # For an entry with masks no function counts as built in: a server may lack a built-in function of its kind, and
    # have a stored one of that name.
    called = references.called if entry.all_masked else references.called - SERVER_FUNCTIONS
    engines = StorageEngines(stored_functions=session.stored_functions(called))
    engines.unknown |= {f"function {name}" for name in engines.stored_functions}
    seen = set[TableName]()
    for _ in range(_MAX_LAYERS):
        engines.unknown |= {f"function {name}" for name in references.stored}
        tables = references.tables - seen
        seen |= tables
        if not tables:
            return engines
        try:
            relations = find_relations(session, tables)
        except SourceLostError:
            raise
        except SourceError:
            engines.unknown |= {f"table {name}" for name in tables}
            engines.unreadable_views |= tables
            return engines
        engines.unreadable_views |= {name for name in tables & engines.behind_views if not relations[name]}
        references = References()
        for name in tables:
            references |= _add_relations(engines, name, relations[name])
            references |= _add_merged(session, engines, name, relations[name])
        engines.behind_views |= references.tables
        engines.called_by_views |= references.stored
    engines.unknown |= {f"view {name}" for name in references.tables}
    engines.unreadable_views |= references.tables
    return engines


def require_snapshots(entry: TableEntry, engines: StorageEngines) -> None:
    """Refuse an entry whose rows could be of different moments.

    Raises:
        SnapshotError: unless the entry says `consistency: none`.
    """
    if entry.consistency == "none" or not engines.without_snapshots:
        return
    mixed = f" beside {', '.join(sorted(engines.with_snapshots))}" if engines.with_snapshots else ""
    raise SnapshotError(
        f"{entry.table}: {', '.join(_some(engines.without_snapshots))} gives no snapshots{mixed}, so rows could be of"
        " different moments. Make it one that does (ALTER TABLE ... ENGINE=InnoDB), or write `consistency: none` in the"
        " table's entry; its manifest will then say so."
    )


def find_relations(session: Session, tables: Iterable[TableName]) -> dict[TableName, list[Relation]]:
    """Return what information_schema says of tables and views; nothing for those that this account may not see.

    Statements have constant names: otherwise servers open all tables of the database to find one.
    """
    names = sorted(set(tables), key=str)
    found = dict[TableName, list[Relation]]()
    for start in range(0, len(names), _ASKED_AT_ONCE):
        found |= _find_some(session, names[start : start + _ASKED_AT_ONCE])
    return found


def _find_some(session: Session, names: Sequence[TableName]) -> dict[TableName, list[Relation]]:
    values = dict[str, Any]()
    parts = []
    for position, name in enumerate(names):
        values |= {f"t{position}": name.name} | ({f"d{position}": name.database} if name.database else {})
        database = f":d{position}" if name.database else "DATABASE()"
        parts.append(_RELATION.format(position=position, name=f":t{position}", database=database))
    with session.translate_errors():
        rows = session.connection.execute(sa.text(" UNION ALL ".join(parts)), values).all()
    found = [[Relation(*row[1:]) for row in rows if row[0] == position] for position in range(len(names))]
    return {name: list(_of_that_case(name, relations)) for name, relations in zip(names, found, strict=True)}


def _add_relations(engines: StorageEngines, name: TableName, found: list[Relation]) -> References:
    """Add one table or view to the engines; return what a view leads to."""
    if not found:
        engines.unknown.add(f"table {name}")
        return References()
    engines.relations.add(name)
    if any(relation.is_view or relation.is_system_view for relation in found):
        engines.views.add(name)
    if any(relation.kind == "SYSTEM VERSIONED" for relation in found):
        engines.versioned.add(name)
    references = References()
    for relation in found:
        if relation.is_view:
            references |= _references_of_view(engines, name, relation)
        elif relation.snapshots is None:
            engines.unknown.add(f"{relation.engine_word} of {name}")
        elif relation.snapshots:
            engines.with_snapshots.add(relation.engine_word)
        else:
            engines.without_snapshots.add(f"{relation.engine_word} ({name})")
    return references


def _add_merged(session: Session, engines: StorageEngines, name: TableName, found: list[Relation]) -> References:
    """Add the tables that a MERGE table shows; return them."""
    merged = frozenset[TableName]()
    for relation in found:
        if (relation.engine or "").casefold() in MERGE_ENGINES:
            tables = tables_merged(session, name, relation.database)
            if tables is None:
                engines.unreadable_views.add(name)
            merged |= tables or frozenset()
    engines.merged |= merged
    return References(merged)


def _references_of_view(engines: StorageEngines, name: TableName, view: Relation) -> References:
    references = references_of_view(view.definition) if view.definition else None
    if references is None:
        engines.unknown.add(f"view {name}")
        engines.unreadable_views.add(name)
        return References()
    # Names without a database are in the view's own.
    tables = frozenset(TableName(table.database or view.database, table.name) for table in references.tables)
    return References(tables, references.stored)


_RELATION: Final = (
    "SELECT {position}, t.table_schema, t.table_name, t.table_type, t.engine,"
    " (SELECT e.transactions FROM information_schema.engines e WHERE e.engine = t.engine),"
    " (SELECT v.view_definition FROM information_schema.views v"
    " WHERE v.table_schema = {database} AND v.table_name = {name})"
    " FROM information_schema.tables t WHERE t.table_schema = {database} AND t.table_name = {name}"
)


def _of_that_case(name: TableName, relations: list[Relation]) -> Iterator[Relation]:
    """If the server has several tables whose names differ in case, keep the one that is meant."""
    same = [relation for relation in relations if relation.name == name.name]
    yield from same or relations
