"""Which columns of the database a file hides, and what an expression shows of them.

A mask names an output; what stays hidden is the column behind it, for all entries of the file. Which output shows one
is decided by names (`config.references`): SQL that may reach a masked column counts as showing it. COUNT of a column tells
what NULL tells, which masks leave.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

import sqlglot
from sqlglot import exp

from aggregation_pipeline.config.sql.expressions import is_column
from aggregation_pipeline.config.sql.references import Reference, References, comparable_name, references_in, same_table
from aggregation_pipeline.config.sql.table_names import TableName

# What servers know of their tables: statistics hold values of columns, and lists of statements hold those of others.
_OF_THE_SERVER: Final = frozenset(("information_schema", "mysql", "performance_schema", "sys", "oceanbase"))


class MaskedColumn(NamedTuple):
    """A masked column as it is spelled in the entry that masks it."""

    column: str
    entry: str


# By table, then by the column's name as `comparable_name` makes it.
MaskedColumns = Mapping[TableName, Mapping[str, MaskedColumn]]
NOTHING_MASKED: Final[MaskedColumns] = {}


def merge_masked(parts: Iterable[MaskedColumns]) -> MaskedColumns:
    """What several entries mask together."""
    found: dict[TableName, dict[str, MaskedColumn]] = {}
    for part in parts:
        for table, columns in part.items():
            found[table] = dict(columns) | found.get(table, {})
    return {table: columns for table, columns in found.items() if columns}


def masked_columns_of(table: TableName, masked: MaskedColumns) -> dict[str, MaskedColumn]:
    """The masked columns of a table, whose database may be that of the connection."""
    return {
        name: hidden
        for other, columns in masked.items()
        if same_table(table, other)
        for name, hidden in columns.items()
    }


def source_columns(sql: str, own: TableName, entry: str) -> MaskedColumns:
    """The columns whose values a masked output is made of; what a sub-select only chooses its rows by is none of
    them.
    """
    found: dict[TableName, dict[str, MaskedColumn]] = {}
    references = references_in(sql)
    for column in sqlglot.parse_one(f"SELECT ({sql})", read="mysql").find_all(exp.Column):
        if is_column(column) and not _is_counted(column) and not _chooses_rows(column):
            for table in _tables_of(column, own, references):
                found.setdefault(table, {})[comparable_name(column.name)] = MaskedColumn(column.name, entry)
    return found


def exposed_columns(
    sql: str, own: TableName, masked: MaskedColumns, aliases: Mapping[str, MaskedColumn], *, in_order: bool = False
) -> list[MaskedColumn]:
    """The masked columns that an expression over a table shows, or may show.

    Args:
        sql: the expression, its columns in backticks.
        own: the entry's table.
        masked: of the whole file.
        aliases: other outputs that show some, which a sub-select can name as well.
        in_order: whether it stands in ORDER BY, where aliases go before columns.
    """
    references = references_in(sql)
    reached = reachable_tables(references, masked)
    found = []
    for name in references.names:
        if name.comparable in aliases and (references.has_subquery or references.has_window or in_order):
            found.append(aliases[name.comparable])
        elif not name.counted:
            found += [
                hidden
                for table in _tables(name, own, references, reached)
                if (hidden := masked_columns_of(table, masked).get(name.comparable))
            ]
    if references.selects_all:
        found += [hidden for table in reached for hidden in masked_columns_of(table, masked).values()]
    return list({comparable_name(hidden.column): hidden for hidden in found}.values())


def reachable_tables(references: References, masked: MaskedColumns) -> list[TableName]:
    """The tables with masked columns that a sub-select may read."""
    return [
        table for table in masked if references.has_subquery and any(_may_be(name, table) for name in references.names)
    ]


def system_tables_in(references: References) -> Iterator[TableName]:
    """The tables in a sub-select that the server fills with what it knows of others."""
    for name in references.names:
        if references.has_subquery and name.before in _OF_THE_SERVER:
            yield TableName(name.parts[-2], name.parts[-1])


def is_system_table(table: TableName) -> bool:
    """Whether the server fills the table with what it knows of others."""
    return table.database is not None and comparable_name(table.database) in _OF_THE_SERVER


def _may_be(name: Reference, table: TableName) -> bool:
    return name.comparable == comparable_name(table.name) and (
        not name.before or table.database is None or name.before == comparable_name(table.database)
    )


def _tables(
    name: Reference, own: TableName, references: References, reached: Iterable[TableName]
) -> Iterable[TableName]:
    """The tables whose column a name may be."""
    behind = set(references.relations.get(name.before, ())) if name.before else set()
    if name.before == comparable_name(own.name):
        behind.add(own)
    known = [table for table in behind if table is not None]
    return known if known and None not in behind else (own, *reached)


def _tables_of(column: exp.Column, own: TableName, references: References) -> Iterable[TableName]:
    outside = column.find_ancestor(exp.Query) is column.root()
    every = [table for tables in references.relations.values() for table in tables if table is not None]
    name = Reference(tuple(part for part in (column.table, column.name) if part))
    return _tables(name, own, references, () if outside else every)


def _is_counted(column: exp.Column) -> bool:
    inner = column.parent.parent if isinstance(column.parent, exp.Distinct) else column.parent
    return isinstance(inner, exp.Count)


def _chooses_rows(column: exp.Column) -> bool:
    node: exp.Expr | None = column
    while node is not None:
        if isinstance(node, exp.Where | exp.Having | exp.Group) or (
            isinstance(node.parent, exp.Join) and node.arg_key == "on"
        ):
            return True
        node = node.parent
    return False
