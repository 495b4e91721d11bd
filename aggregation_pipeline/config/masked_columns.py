"""Which columns of the database are masked, and which of them an expression shows.

A mask names an output; it hides the column relations that output, for all entries of the file. Names decide whether an
expression shows such a column (see `sql/references.py`): SQL that may read it counts as showing it. COUNT of a column
is allowed, because it shows only where values are NULL, and masks keep NULL.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from aggregation_pipeline.config.sql.dialect import Dialect
from aggregation_pipeline.config.sql.references import (
    Reference,
    References,
    comparable_name,
    is_one_of,
    references_in,
    same_table,
)
from aggregation_pipeline.config.sql.table_names import TableName

if TYPE_CHECKING:
    from aggregation_pipeline.config.sql.trees import ColumnOfValue


class MaskedColumn(NamedTuple):
    """A masked column, in the spelling of the entry that masks it."""

    column: str
    entry: str


# By table, then by the comparable name of the column.
MaskedColumns = Mapping[TableName, Mapping[str, MaskedColumn]]
NOTHING_MASKED: Final[MaskedColumns] = {}


def merge_masked(parts: Iterable[MaskedColumns]) -> MaskedColumns:
    """The masked columns of several entries together; the first entry to mask a column is named for it."""
    found: dict[TableName, dict[str, MaskedColumn]] = {}
    for part in parts:
        for table, columns in part.items():
            found[table] = dict(columns) | found.get(table, {})
    return {table: columns for table, columns in found.items() if columns}


def masked_columns_of(table: TableName, masked: MaskedColumns) -> dict[str, MaskedColumn]:
    """The masked columns of a table, by comparable name."""
    return {
        name: hidden
        for other, columns in masked.items()
        if same_table(table, other)
        for name, hidden in columns.items()
    }


def masked_alike(masked: MaskedColumns, shards: Sequence[TableName]) -> MaskedColumns:
    """The masked columns, where each shard of a table has those of all its shards."""
    if len(shards) == 1:
        return masked
    together = merge_masked({shards[0]: columns} for table, columns in masked.items() if is_one_of(table, shards)).get(
        shards[0], {}
    )
    return {**masked, **dict.fromkeys(shards, together)} if together else masked


def source_columns(sql: str, own: TableName, entry: str, dialect: Dialect) -> MaskedColumns:
    """The columns whose values a masked output is made of, without those by which a sub-select only filters rows."""
    from aggregation_pipeline.config.sql.trees import columns_of_value

    found: dict[TableName, dict[str, MaskedColumn]] = {}
    references = references_in(sql, dialect)
    for column in columns_of_value(sql, dialect):
        for table in _tables_of_column(column, own, references):
            found.setdefault(table, {})[comparable_name(column.name)] = MaskedColumn(column.name, entry)
    return found


def exposed_columns(
    sql: str,
    own: TableName,
    masked: MaskedColumns,
    aliases: Mapping[str, MaskedColumn],
    dialect: Dialect,
    *,
    in_order: bool = False,
) -> list[MaskedColumn]:
    """The masked columns that an expression over a table shows, or may show.

    Args:
        sql: the expression, its columns in quotation marks.
        own: the entry's table.
        masked: of the whole file.
        aliases: the names of outputs that show a masked column; sub-selects and windows may use them.
        dialect: of the expression.
        in_order: whether the expression stands in ORDER BY, where an alias hides a column of the same name.
    """
    references = references_in(sql, dialect)
    reachable = reachable_tables(references, masked)
    found = []
    for name in references.names:
        if name.comparable in aliases and (references.has_subquery or references.has_window or in_order):
            found.append(aliases[name.comparable])
        elif not name.counted:
            found += [
                hidden
                for table in _possible_tables(name, own, references, reachable)
                if (hidden := masked_columns_of(table, masked).get(name.comparable))
            ]
    if references.selects_all:
        found += [hidden for table in reachable for hidden in masked_columns_of(table, masked).values()]
    return list({comparable_name(hidden.column): hidden for hidden in found}.values())


def reachable_tables(references: References, masked: MaskedColumns) -> list[TableName]:
    """The tables with masked columns that a sub-select may read."""
    return [
        table
        for table in masked
        if references.has_subquery and any(_may_name(name, table) for name in references.names)
    ]


def system_tables_in(references: References, dialect: Dialect) -> Iterator[TableName]:
    """The system tables in a sub-select, which can hold values of other tables."""
    for name in references.names:
        if references.has_subquery and dialect.is_system_table(name.qualifier, name.comparable):
            yield TableName(name.parts[-2] if name.qualifier else None, name.parts[-1])


def is_system_table(table: TableName, dialect: Dialect) -> bool:
    """Whether a table is one of the server's own, which can hold values of other tables."""
    return dialect.is_system_table(comparable_name(table.database or ""), comparable_name(table.name))


def _may_name(name: Reference, table: TableName) -> bool:
    return name.comparable == comparable_name(table.name) and (
        not name.qualifier or table.database is None or name.qualifier == comparable_name(table.database)
    )


def _possible_tables(
    name: Reference, own: TableName, references: References, reachable: Iterable[TableName]
) -> Iterable[TableName]:
    """The tables of which a name may be a column."""
    relations = set(references.relations.get(name.qualifier, ())) if name.qualifier else set()
    if name.qualifier == comparable_name(own.name):
        relations.add(own)
    known = [table for table in relations if table is not None]
    return known if known and None not in relations else (own, *reachable)


def _tables_of_column(column: "ColumnOfValue", own: TableName, references: References) -> Iterable[TableName]:
    all_tables = [table for tables in references.relations.values() for table in tables if table is not None]
    name = Reference(tuple(part for part in (column.table, column.name) if part))
    return _possible_tables(name, own, references, all_tables if column.in_subquery else ())
