"""Tables and functions in an entry that may show masked columns in ways that cannot be followed.

These are sub-selects over masked tables, stored functions, and system tables. They are refused unless the entry lists
them under `allow`.
"""

from collections.abc import Iterator

from aggregation_pipeline.config.entry_query import EntryQuery, expressions_of
from aggregation_pipeline.config.masked_columns import (
    MaskedColumns,
    is_system_table,
    reachable_tables,
    system_tables_in,
)
from aggregation_pipeline.config.messages.located_issues import LocatedIssue
from aggregation_pipeline.config.sql.dialect import Dialect
from aggregation_pipeline.config.sql.references import references_in
from aggregation_pipeline.config.sql.table_names import TableName


def disallowed_references(query: EntryQuery, masked: MaskedColumns) -> Iterator[LocatedIssue]:
    """Every such reference that the entry does not list under `allow`, with its place in the entry."""
    for shard in query.shards:
        if is_system_table(shard, query.dialect) and not query.allow.table(shard):
            yield LocatedIssue(("table",), _system_table(shard))
    for path, sql in expressions_of(query):
        references = references_in(sql, query.dialect)
        for table in reachable_tables(references, masked):
            if not query.allow.table(table):
                yield LocatedIssue(path, _masked_table(table, masked, query.entry))
        for table in system_tables_in(references, query.dialect):
            if not query.allow.table(table):
                yield LocatedIssue(path, _system_table(table))
        for function in references.stored_functions:
            if not query.allow.function(function):
                yield LocatedIssue(path, _stored_function(function, query.dialect))


def _masked_table(table: TableName, masked: MaskedColumns, entry: str) -> str:
    masker = next(iter(masked[table].values())).entry
    whose = "" if masker == entry else f" (by the entry {masker})"
    return (
        f"a sub-select reads {table}, which has masked columns{whose}. Leave it out, or write"
        f" {_allow('tables', table)}; then an output that shows one of them is masked or kept, as any other"
    )


def _stored_function(function: TableName, dialect: Dialect) -> str:
    blank = " with a blank before the bracket" if function.name.lower() in dialect.functions_without_blank else ""
    return (
        f"{function}(){blank} is no function of {dialect.title}'s own that is known here, and a stored one can show"
        f" masked columns of any table. Leave it out, or, if it shows none, write {_allow('functions', function)}"
    )


def _system_table(table: TableName) -> str:
    return (
        f"{table} can hold values of masked columns, as statistics or in other people's statements. Leave it out, or,"
        f" if it shows none, write {_allow('tables', table)}"
    )


def _allow(key: str, name: TableName) -> str:
    return f"allow: {{{key}: [{name}]}}"
