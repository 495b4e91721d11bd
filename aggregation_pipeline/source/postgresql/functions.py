"""The functions that an entry calls, as the server knows them: what they may do, and whose they are."""

from collections.abc import Collection, Iterator
from typing import Final

import sqlglot
from sqlglot import exp

from aggregation_pipeline.config.entry_query import expressions_of
from aggregation_pipeline.config.messages.located_issues import format_key_path
from aggregation_pipeline.config.sql.dialect import unquote
from aggregation_pipeline.config.sql.postgresql import POSTGRESQL
from aggregation_pipeline.config.sql.references import comparable_name, references_in
from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.config.sql.tokens import tokenize
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.postgresql.names import folded
from aggregation_pipeline.source.postgresql.relations import possible_tables
from aggregation_pipeline.source.postgresql.session import Session

_NAMES: Final = ("word", "quoted")
_SAME_NAME: Final = "SELECT DISTINCT proname::text FROM pg_proc WHERE proname IN ({})"
_STORED: Final = (
    "SELECT DISTINCT p.proname::text FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace"
    " WHERE p.proname IN ({}) AND n.nspname <> 'pg_catalog' AND pg_function_is_visible(p.oid)"
    " AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid"
    " AND d.deptype = 'e')"
)


def refuse_side_effects(session: Session, entry: TableEntry) -> None:
    """Refuse functions of which the server says that they may do more than read (VOLATILE).

    A name that has several functions is refused if one of them is so: which one is called depends on the arguments.

    Raises:
        SourceError: names the function and the key.
    """
    called: dict[TableName, str] = {}
    for place, sql in expressions_of(entry.query):
        for name in _calls(sql):
            called.setdefault(name, format_key_path(place))
    if not called:
        return
    for name in _volatile(session, called):
        raise SourceError(
            f"{called[name]}: {name}() is VOLATILE on the server: it may change something, or give another result each"
            " time. Leave it out. A function of your own that only reads is declared by ALTER FUNCTION ... STABLE."
        )


def _volatile(session: Session, called: Collection[TableName]) -> list[TableName]:
    conditions = []
    for name in called:
        own = POSTGRESQL.literal("text", name.name)
        schema = (
            "pg_function_is_visible(p.oid)"
            if name.database is None
            else f"n.nspname = {POSTGRESQL.literal('text', name.database)}"
        )
        conditions.append(f"(p.proname = {own} AND {schema})")
    rows = session.link.rows(
        "SELECT DISTINCT n.nspname::text, p.proname::text FROM pg_proc AS p JOIN pg_namespace AS n"
        f" ON n.oid = p.pronamespace WHERE p.provolatile = 'v' AND ({' OR '.join(conditions)})"
    )
    found = {(schema, name) for schema, name in rows}
    return [
        name
        for name in called
        if any(other == name.name and name.database in (None, schema) for schema, other in found)
    ]


def refuse_functions_of_rows(session: Session, entry: TableEntry) -> None:
    """Refuse `orders.to_jsonb`: where a table has no such column, the server calls the function with the whole row.

    Nothing else sees that it is a call, neither what looks for functions nor what looks for masked columns.

    Raises:
        SourceError: names the function and the key.
    """
    for place, sql in expressions_of(entry.query):
        no_columns = list(_no_columns(session, entry, sql))
        names = {name for _, name in no_columns}
        found = {row[0] for row in session.link.rows(_SAME_NAME.format(_listed(names)))} if names else set()
        for qualifier, name in no_columns:
            if name in found:
                raise SourceError(
                    f"{format_key_path(place)}: {qualifier} has no column {name}, and {qualifier}.{name} would call the"
                    f" function {name}() with the whole row. Name a column, or write {name}(...)."
                )


def _no_columns(session: Session, entry: TableEntry, sql: str) -> Iterator[tuple[str, str]]:
    """Names of columns, with the table's name or alias before them, that none of the tables of that name has."""
    aliases = references_in(sql, POSTGRESQL).relations
    own = comparable_name(entry.source_table.name)
    for node in sqlglot.parse_one(f"SELECT ({sql})", read=POSTGRESQL.sqlglot).find_all(exp.Column):
        if not node.table or not isinstance(node.this, exp.Identifier):
            continue
        names = (node.name,) if node.this.quoted else folded(node.name)
        qualifier = comparable_name(node.table)
        tables = possible_tables(aliases.get(qualifier, ())) | ({entry.source_table} if qualifier == own else set())
        known = [session.columns(table) for table in tables]
        if any(known) and not any(name in columns for columns in known for name in names):
            yield from ((node.table, name) for name in names)


def overloads(session: Session, entry: TableEntry) -> set[TableName]:
    """Functions stored in the database under the name of one of PostgreSQL's own that an entry calls.

    Which of them is called depends on the arguments. Those of extensions do what their namesakes do, for other types.
    """
    names = {name.name for _, sql in expressions_of(entry.query) for name in _calls(sql) if name.database is None}
    return {TableName(None, row[0]) for row in session.link.rows(_STORED.format(_listed(names)))} if names else set()


def _listed(names: Collection[str]) -> str:
    return ", ".join(POSTGRESQL.literal("text", name) for name in sorted(names))


def _calls(sql: str) -> Iterator[TableName]:
    """The functions that an expression calls, as the server reads their names."""
    tokens = tokenize(sql, POSTGRESQL)[0]
    for place, token in enumerate(tokens[:-1]):
        if token.kind in _NAMES and tokens[place + 1].text == "(":
            qualified = place >= 2 and tokens[place - 1].text == "." and tokens[place - 2].kind in _NAMES
            for schema in _read(tokens[place - 2].text) if qualified else (None,):
                yield from (TableName(schema, name) for name in _read(token.text))


def _read(text: str) -> tuple[str, ...]:
    """What a name may mean to the server."""
    return (unquote(text),) if text.startswith('"') else folded(text)
