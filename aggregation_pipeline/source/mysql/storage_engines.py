"""Which storage engines the rows come from, and whether those give snapshots: no transaction makes MyISAM hold still.

An isolation level is a promise of the server, and each engine keeps it or does not. So both are judged alike: an entry
that reads a table without snapshots is refused, unless it says `consistency: none`. That goes for an entry of one
statement too, although one statement over one MyISAM table sees one moment by its lock: the count that its rows are
compared with is another statement.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from aggregation_pipeline.config.sql.server_functions import SERVER_FUNCTIONS
from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SnapshotError, SourceError, SourceLostError
from aggregation_pipeline.source.mysql.referenced_tables import References, references_of_entry, references_of_view
from aggregation_pipeline.source.mysql.session import Session

# Engines whose consistent reads are known to be of one moment. SEQUENCE makes up its rows, the same ones each time.
_SNAPSHOTS: Final = {
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
# These call themselves transactional, and what they read lies on other servers, or is read as it is committed.
_NO_SNAPSHOTS: Final = {"federated", "ndb", "ndbcluster", "spider", "connect"}
# Views of views of views: deeper than anybody builds them, and an end for those that go in circles.
_DEPTH: Final = 20


class Relation(NamedTuple):
    """A table or view as information_schema has it."""

    database: str
    name: str
    kind: str
    engine: str | None
    transactions: str | None
    definition: str | None

    @property
    def is_view(self) -> bool:
        return self.kind == "VIEW"

    @property
    def is_system_view(self) -> bool:
        """Whether the server makes it up: information_schema, and mysql's own."""
        return self.kind == "SYSTEM VIEW"

    @property
    def engine_word(self) -> str:
        """What the rows come from, for people."""
        if self.kind in ("SYSTEM VIEW", "SEQUENCE"):
            return self.kind.lower()
        return self.engine or "no engine"

    @property
    def snapshots(self) -> bool | None:
        """Whether reads of it are of the transaction's moment; None where nobody here knows the engine."""
        engine = (self.engine or "").casefold()
        if self.kind in ("SYSTEM VIEW", "SEQUENCE") or engine in _NO_SNAPSHOTS:
            return False
        if engine in _SNAPSHOTS:
            return True
        return None if self.transactions == "YES" else False


@dataclass
class StorageEngines:
    """The engines behind an entry.

    Attributes:
        with_snapshots: names of those that give snapshots.
        without_snapshots: tables whose engine gives none, as `MyISAM (hits)`.
        unknown: what cannot be seen by this account, as `view v`.
        views: which of the names in the entry are views.
        versioned: which of them are system-versioned tables, of MariaDB.
        stored_functions: stored functions that the entry calls, in lower case.
        relations: all tables and views that there are behind the entry.
        behind_views: tables that only views lead to.
        called_by_views: stored functions that views call.
        unreadable_views: views whose definition cannot be read, or whose tables cannot.
    """

    with_snapshots: set[str] = field(default_factory=set)
    without_snapshots: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    views: set[TableName] = field(default_factory=set)
    versioned: set[TableName] = field(default_factory=set)
    stored_functions: frozenset[str] = frozenset()
    relations: set[TableName] = field(default_factory=set)
    behind_views: set[TableName] = field(default_factory=set)
    called_by_views: set[TableName] = field(default_factory=set)
    unreadable_views: set[TableName] = field(default_factory=set)

    def __str__(self) -> str:
        """For the manifest: `InnoDB`, `InnoDB, MyISAM (hits)`, `unknown (view v)`."""
        unknown = [f"unknown ({', '.join(sorted(self.unknown))})"] if self.unknown else []
        return ", ".join([*sorted(self.with_snapshots), *sorted(self.without_snapshots), *unknown])


def find_storage_engines(session: Session, entry: TableEntry) -> StorageEngines:
    """Find the engines of all tables that an entry reads: one question, and one more for each layer of views.

    Raises:
        SourceLostError: the server went away. A refusal is no error: what cannot be seen is `unknown`.
    """
    engines, seen = StorageEngines(), set[TableName]()
    touched = references_of_entry(entry)
    # Where nothing may be missed no list is trusted: a server may lack one of its kind's functions, and have a stored
    # one of that name.
    engines.stored_functions = session.stored_functions(
        touched.called if entry.all_masked else touched.called - SERVER_FUNCTIONS
    )
    engines.unknown |= {f"function {name}" for name in engines.stored_functions}
    for _ in range(_DEPTH):
        engines.unknown |= {f"function {name}" for name in touched.stored}
        wanted = touched.tables - seen
        seen |= wanted
        if not wanted:
            return engines
        try:
            relations = relations_of(session, wanted)
        except SourceLostError:
            raise
        except SourceError:
            engines.unknown |= {f"table {name}" for name in wanted}
            engines.unreadable_views |= wanted
            return engines
        engines.relations |= {name for name, found in relations.items() if found}
        engines.unreadable_views |= {name for name in wanted & engines.behind_views if not relations[name]}
        engines.views |= {
            name for name, found in relations.items() if any(each.is_view or each.is_system_view for each in found)
        }
        engines.versioned |= {
            name for name, found in relations.items() if any(each.kind == "SYSTEM VERSIONED" for each in found)
        }
        touched = References()
        for name in wanted:
            touched |= _judge(engines, name, relations[name])
        engines.behind_views |= touched.tables
        engines.called_by_views |= touched.stored
    engines.unknown |= {f"view {name}" for name in touched.tables}
    engines.unreadable_views |= touched.tables
    return engines


def require_snapshots(entry: TableEntry, engines: StorageEngines) -> None:
    """Refuse an entry whose rows could be of several moments, as a low isolation level is refused.

    Raises:
        SnapshotError: unless the entry says `consistency: none`.
    """
    if entry.consistency == "none" or not engines.without_snapshots:
        return
    mixed = f" beside {', '.join(sorted(engines.with_snapshots))}" if engines.with_snapshots else ""
    raise SnapshotError(
        f"{entry.table}: {', '.join(sorted(engines.without_snapshots))} gives no snapshots{mixed}, so rows could be of different "
        f"moments. Make it one that does (ALTER TABLE ... ENGINE=InnoDB), or write `consistency: none` in the table's "
        f"entry; its manifest will then say so."
    )


def relations_of(session: Session, wanted: Iterable[TableName]) -> dict[TableName, list[Relation]]:
    """What information_schema has of some tables and views: nothing of those that this account may not see.

    One statement for all of them, each by constants: else servers open all tables of the database to find one.
    """
    names, values = sorted(set(wanted), key=str), dict[str, Any]()
    parts = []
    for place, name in enumerate(names):
        values |= {f"t{place}": name.name} | ({f"d{place}": name.database} if name.database else {})
        database = f":d{place}" if name.database else "DATABASE()"
        parts.append(_RELATION.format(place=place, name=f":t{place}", database=database))
    with session.translate_errors():
        rows = session.connection.execute(sa.text(" UNION ALL ".join(parts)), values).all()
    found = [[Relation(*row[1:]) for row in rows if row[0] == place] for place in range(len(names))]
    return {name: list(_exact(name, relations)) for name, relations in zip(names, found, strict=True)}


def _judge(engines: StorageEngines, name: TableName, found: list[Relation]) -> References:
    """Note the engine of one table; return what a view leads to."""
    if not found:
        engines.unknown.add(f"table {name}")
    further = References()
    for relation in found:
        if relation.is_view:
            behind = references_of_view(relation.definition) if relation.definition else None
            if behind is None:
                engines.unknown.add(f"view {name}")
                engines.unreadable_views.add(name)
            else:
                further |= _within(relation.database, behind)
        elif relation.snapshots is None:
            engines.unknown.add(f"{relation.engine_word} of {name}")
        elif relation.snapshots:
            engines.with_snapshots.add(relation.engine_word)
        else:
            engines.without_snapshots.add(f"{relation.engine_word} ({name})")
    return further


def _within(database: str, touched: References) -> References:
    """Names in a view are those of its database."""
    tables = frozenset(TableName(name.database or database, name.name) for name in touched.tables)
    return References(tables, touched.stored)


_RELATION: Final = (
    "SELECT {place}, t.table_schema, t.table_name, t.table_type, t.engine,"
    " (SELECT e.transactions FROM information_schema.engines e WHERE e.engine = t.engine),"
    " (SELECT v.view_definition FROM information_schema.views v"
    " WHERE v.table_schema = {database} AND v.table_name = {name})"
    " FROM information_schema.tables t WHERE t.table_schema = {database} AND t.table_name = {name}"
)


def _exact(name: TableName, relations: list[Relation]) -> Iterator[Relation]:
    """Where letters of both cases make different tables, the one that is meant."""
    same = [relation for relation in relations if relation.name == name.name]
    yield from same or relations
