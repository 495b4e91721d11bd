"""Refuse entries that could show a masked column in a way that only the database knows.

Those are views over its table, generated columns that are computed from it, and stored functions.
"""

from collections.abc import Iterator, Mapping

from aggregation_pipeline.config.mask_rules import exposures
from aggregation_pipeline.config.masked_columns import (
    MaskedColumn,
    MaskedColumns,
    is_system_table,
    masked_columns_of,
    merge_masked,
    reachable_tables,
)
from aggregation_pipeline.config.sql.mysql import MYSQL
from aggregation_pipeline.config.sql.references import (
    comparable_name,
    is_one_of,
    names_column,
    references_in,
    same_table,
)
from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.mysql.entry_expressions import expressions_of
from aggregation_pipeline.source.mysql.referenced_tables import references_of_entry
from aggregation_pipeline.source.mysql.session import Session, SourceColumn
from aggregation_pipeline.source.mysql.storage_engines import StorageEngines


def refuse_unmasked_paths(
    session: Session, entry: TableEntry, columns: Mapping[str, SourceColumn], engines: StorageEngines
) -> None:
    """Refuse an entry that may show a masked column through a view, a generated column or a stored function.

    Args:
        session: on the entry's server.
        entry: as the config gives it.
        columns: of the entry's table, by name.
        engines: which knows the views and functions.

    Raises:
        SourceError: the message names the view, function or column, and what to write if it may be shown.
    """
    masked = entry.all_masked
    if not masked:
        return
    for problem in (
        *_paths_through_views(entry, masked, engines),
        *_unreadable_views(entry, masked, engines),
        *_generated_columns(session, entry, columns, masked),
    ):
        raise SourceError(f"mask: {problem}")


def _paths_through_views(entry: TableEntry, masked: MaskedColumns, engines: StorageEngines) -> Iterator[str]:
    for table in sorted(engines.behind_views, key=str):
        if (masked_columns_of(table, masked) or is_system_table(table, MYSQL)) and not entry.allow.table(table):
            kind = "MERGE table" if table in engines.merged else "view"
            yield (
                f"a {kind} leads to {table}, which has masked columns, and which of them the {kind} shows is not known."
                f" Read the table itself, or, if the {kind} shows none, write allow: {{tables: [{table}]}} in the"
                " entry."
            )
    called = {TableName(None, name) for name in engines.stored_functions} | engines.called_by_views
    for function in sorted(called, key=str):
        if not entry.allow.function(function):
            yield (
                f"{function}() is a stored function, which can show masked columns of any table. Leave it out, or, if"
                f" it shows none, write allow: {{functions: [{function}]}} in the entry."
            )


def _unreadable_views(entry: TableEntry, masked: MaskedColumns, engines: StorageEngines) -> Iterator[str]:
    # The entry's own view leads to nothing that is masked where all masks are its own. Another view may lead to it.
    others = references_of_entry(entry).tables.difference(entry.shards)
    if not others and all(is_one_of(table, entry.shards) for table in masked):
        return
    for view in sorted(engines.unreadable_views, key=str):
        if not entry.allow.table(view):
            yield (
                f"what the view {view} reads cannot be seen by this account, and it could be a table with masked"
                f" columns. Grant SHOW VIEW on it, or, if it shows none of them, write allow: {{tables: [{view}]}} in"
                " the entry."
            )


def _generated_columns(
    session: Session, entry: TableEntry, columns: Mapping[str, SourceColumn], masked: MaskedColumns
) -> Iterator[str]:
    own = entry.source_table
    in_sub_selects = {
        table
        for _, sql in expressions_of(entry)
        for table in reachable_tables(references_in(sql), masked)
        if not same_table(table, own)
    }
    known = {own: columns} | {table: session.columns(*table) for table in in_sub_selects}
    computed = {
        table: dict(columns_computed_from(masked_columns_of(table, masked), found)) for table, found in known.items()
    }
    for exposure in exposures(entry.query, merge_masked([masked, computed])) if any(computed.values()) else ():
        named = ", ".join(sorted(hidden.column for found in computed.values() for hidden in found.values()))
        yield f"the server computes {named} from masked columns. {exposure.message}."


def columns_computed_from(
    hidden: Mapping[str, MaskedColumn], columns: Mapping[str, SourceColumn]
) -> Iterator[tuple[str, MaskedColumn]]:
    """Yield the columns that the server computes from masked ones, directly or through other computed columns.

    Those are generated columns, and those whose default is an expression: DEFAULT(a) computes it for any row.

    Args:
        hidden: the masked columns, by comparable name.
        columns: of the table, by name.

    Yields:
        (comparable name, column) of each.
    """
    sources = dict(hidden)
    generated = {
        name: comparable_name(f"{column.generated} {column.default}")
        for name, column in columns.items()
        if (column.generated or column.default) and comparable_name(name) not in hidden
    }
    while True:
        found = {
            name: source
            for name, text in generated.items()
            if (source := _source_in(text, sources)) and comparable_name(name) not in sources
        }
        if not found:
            return
        for name, source in found.items():
            sources[comparable_name(name)] = MaskedColumn(name, source.entry)
            yield comparable_name(name), sources[comparable_name(name)]


def _source_in(text: str, hidden: Mapping[str, MaskedColumn]) -> MaskedColumn | None:
    """The first masked column that a text names as a whole word."""
    return next((column for name, column in hidden.items() if names_column(text, name, MYSQL)), None)
