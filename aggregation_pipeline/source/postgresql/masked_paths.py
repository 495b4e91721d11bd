"""Refuse entries that could show a masked column in a way that only the database knows.

Those are views and partitions over its table, generated columns that are computed from it, functions stored in the
database, and a table's own name used as a value, which means whole rows.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import sqlglot
from sqlglot import exp

from aggregation_pipeline.config.entry_query import expressions_of
from aggregation_pipeline.config.mask_rules import exposures
from aggregation_pipeline.config.masked_columns import (
    MaskedColumn,
    MaskedColumns,
    masked_columns_of,
    merge_masked,
)
from aggregation_pipeline.config.sql.postgresql import POSTGRESQL
from aggregation_pipeline.config.sql.references import comparable_name, names_column, references_in, same_table
from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.postgresql.functions import overloads
from aggregation_pipeline.source.postgresql.relations import Relations, tables_of
from aggregation_pipeline.source.postgresql.session import Session, SourceColumn, regclass

# Among their tables are statistics with the most common values of columns, and the statements of other sessions.
_SYSTEM_SCHEMAS: Final = ("pg_catalog", "information_schema")


def refuse_unmasked_paths(session: Session, entry: TableEntry, relations: Relations) -> None:
    """Refuse an entry that may show a masked column through something that its words do not name.

    Raises:
        SourceError: names the view, function or column, and what to write if it may be shown.
    """
    masked = entry.all_masked
    if not masked:
        return
    for problem in (
        *_hidden_names(session, entry),
        *_holders(session, entry, masked),
        *_paths_through_views(session, entry, masked, relations),
        *_generated_columns(session, entry, masked),
    ):
        raise SourceError(f"mask: {problem}")


def _hidden_names(session: Session, entry: TableEntry) -> Iterator[str]:
    own = comparable_name(entry.source_table.name)
    # A column of that name goes before the table.
    is_column = any(comparable_name(name) == own for name in session.columns(entry.source_table))
    for _, sql in expressions_of(entry.query):
        aliases = references_in(sql, POSTGRESQL).relations
        relations = set(aliases) if is_column and own not in aliases else {*aliases, own}
        tree = sqlglot.parse_one(f"SELECT ({sql})", read=POSTGRESQL.sqlglot)
        for alias in tree.find_all(exp.TableAlias):
            if alias.args.get("columns") and isinstance(alias.parent, exp.Table):
                yield (
                    f"{alias.name}(...) gives other names to the columns of a table, so which of them are masked cannot"
                    " be seen. Leave out the names in the brackets."
                )
        for node in tree.find_all(exp.Column):
            name = node.table if isinstance(node.this, exp.Star) else "" if node.table else node.name
            if name and comparable_name(name) in relations:
                yield (
                    f"{name} is the name of a table, which as a value means its whole rows, masked columns included."
                    " Name the columns that are wanted."
                )


def _holders(session: Session, entry: TableEntry, masked: MaskedColumns) -> Iterator[str]:
    """Tables that the entry's own table is a part of, and whose masks it does not have."""
    numbers = ", ".join(regclass(table) for table in sorted(tables_of(entry), key=str))
    rows = session.link.rows(
        "WITH RECURSIVE holder(oid) AS ("
        f"SELECT inhparent FROM pg_inherits WHERE inhrelid = ANY(ARRAY[{numbers}]::oid[])"
        " UNION SELECT i.inhparent FROM pg_inherits AS i JOIN holder ON i.inhrelid = holder.oid)"
        " SELECT n.nspname::text, c.relname::text FROM holder JOIN pg_class AS c ON c.oid = holder.oid"
        " JOIN pg_namespace AS n ON n.oid = c.relnamespace"
    )
    for table in (TableName(*row) for row in rows):
        if masked_columns_of(table, masked) and not entry.allow.table(table):
            yield (
                f"{entry.table} is a part of {table}, which has masked columns. Read {table} itself, with a condition,"
                f" or write allow: {{tables: [{table}]}} in the entry."
            )


def _paths_through_views(
    session: Session, entry: TableEntry, masked: MaskedColumns, relations: Relations
) -> Iterator[str]:
    for relation in relations.all:
        table = relation.name
        if table.database in _SYSTEM_SCHEMAS and not entry.allow.table(table):
            yield (
                f"{table} is a table of the server's own, and some of those hold values of columns, as statistics do."
                f" Leave it out, or, if it shows none, write allow: {{tables: [{table}]}} in the entry."
            )
        if relation.is_behind and masked_columns_of(table, masked) and not entry.allow.table(table):
            yield (
                f"a view, or a table that holds others, leads to {table}, which has masked columns, and which of them"
                " it shows is not known. Read the table itself, or, if none is shown, write allow: {tables:"
                f" [{table}]}} in the entry."
            )
    stored = {
        name for _, sql in expressions_of(entry.query) for name in references_in(sql, POSTGRESQL).stored_functions
    }
    for function in sorted(stored | overloads(session, entry) | relations.functions, key=str):
        if not entry.allow.function(function):
            yield (
                f"{function}() is a stored function, which can show masked columns of any table. Leave it out, or, if"
                f" it shows none, write allow: {{functions: [{function}]}} in the entry."
            )


def _generated_columns(session: Session, entry: TableEntry, masked: MaskedColumns) -> Iterator[str]:
    tables = {
        table for table in tables_of(entry) if same_table(table, entry.source_table) or masked_columns_of(table, masked)
    }
    computed: dict[TableName, dict[str, MaskedColumn]] = {
        table: dict(_computed(masked_columns_of(table, masked), session.columns(table))) for table in tables
    }
    for exposure in exposures(entry.query, merge_masked([masked, computed])) if any(computed.values()) else ():
        named = ", ".join(sorted(hidden.column for found in computed.values() for hidden in found.values()))
        yield f"the server computes {named} from masked columns. {exposure.message}."


def _computed(
    hidden: Mapping[str, MaskedColumn], columns: Mapping[str, SourceColumn]
) -> Iterator[tuple[str, MaskedColumn]]:
    """Yield (comparable name, column) of what the server computes from masked columns; none is made of another."""
    for name, column in columns.items():
        text = comparable_name(column.generated)
        named = (source for each, source in hidden.items() if names_column(text, each, POSTGRESQL))
        if text and comparable_name(name) not in hidden and (source := next(named, None)) is not None:
            yield comparable_name(name), MaskedColumn(name, source.entry)
