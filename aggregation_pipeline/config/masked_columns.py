"""Which columns of the database a file hides, and what an expression shows of them.

A mask names an output; what stays hidden is the column behind it, for all entries of the file. Which output shows one
is decided by names (`config.named`): SQL that may reach a masked column counts as showing it. COUNT of a column tells
what NULL tells, which masks leave.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

import sqlglot
from sqlglot import exp

from aggregation_pipeline.config.sql.expressions import is_column
from aggregation_pipeline.config.sql.references import Name, Named, fold, named_by, same_table
from aggregation_pipeline.config.sql.table_names import TableName

# What servers know of their tables: statistics hold values of columns, and lists of statements hold those of others.
_OF_THE_SERVER: Final = frozenset(("information_schema", "mysql", "performance_schema", "sys", "oceanbase"))


class Hidden(NamedTuple):
    """A masked column as it is spelled in the entry that masks it."""

    column: str
    entry: str


# By table, then by the column's name as `fold` makes it.
Masked = Mapping[TableName, Mapping[str, Hidden]]
NOTHING_MASKED: Final[Masked] = {}


def joined(parts: Iterable[Masked]) -> Masked:
    """What several entries mask together."""
    found: dict[TableName, dict[str, Hidden]] = {}
    for part in parts:
        for table, columns in part.items():
            found[table] = dict(columns) | found.get(table, {})
    return {table: columns for table, columns in found.items() if columns}


def hidden_in(table: TableName, masked: Masked) -> dict[str, Hidden]:
    """The masked columns of a table, whose database may be that of the connection."""
    return {
        name: hidden
        for other, columns in masked.items()
        if same_table(table, other)
        for name, hidden in columns.items()
    }


def columns_behind(sql: str, own: TableName, entry: str) -> Masked:
    """The columns whose values a masked output is made of; what a sub-select only chooses its rows by is none of
    them.
    """
    found: dict[TableName, dict[str, Hidden]] = {}
    named = named_by(sql)
    for column in sqlglot.parse_one(f"SELECT ({sql})", read="mysql").find_all(exp.Column):
        if is_column(column) and not _is_counted(column) and not _chooses_rows(column):
            for table in _tables_of(column, own, named):
                found.setdefault(table, {})[fold(column.name)] = Hidden(column.name, entry)
    return found


def shown(
    sql: str, own: TableName, masked: Masked, aliases: Mapping[str, Hidden], *, in_order: bool = False
) -> list[Hidden]:
    """The masked columns that an expression over a table shows, or may show.

    Args:
        sql: the expression, its columns in backticks.
        own: the entry's table.
        masked: of the whole file.
        aliases: other outputs that show some, which a sub-select can name as well.
        in_order: whether it stands in ORDER BY, where aliases go before columns.
    """
    named = named_by(sql)
    reached = reached_by(named, masked)
    found = []
    for name in named.names:
        if name.folded in aliases and (named.queries or named.windows or in_order):
            found.append(aliases[name.folded])
        elif not name.counted:
            found += [
                hidden
                for table in _tables(name, own, named, reached)
                if (hidden := hidden_in(table, masked).get(name.folded))
            ]
    if named.whole:
        found += [hidden for table in reached for hidden in hidden_in(table, masked).values()]
    return list({fold(hidden.column): hidden for hidden in found}.values())


def reached_by(named: Named, masked: Masked) -> list[TableName]:
    """The tables with masked columns that a sub-select may read."""
    return [table for table in masked if named.queries and any(_may_be(name, table) for name in named.names)]


def of_the_server(named: Named) -> Iterator[TableName]:
    """The tables in a sub-select that the server fills with what it knows of others."""
    for name in named.names:
        if named.queries and name.before in _OF_THE_SERVER:
            yield TableName(name.parts[-2], name.parts[-1])


def is_of_the_server(table: TableName) -> bool:
    """Whether the server fills the table with what it knows of others."""
    return table.database is not None and fold(table.database) in _OF_THE_SERVER


def _may_be(name: Name, table: TableName) -> bool:
    return name.folded == fold(table.name) and (
        not name.before or table.database is None or name.before == fold(table.database)
    )


def _tables(name: Name, own: TableName, named: Named, reached: Iterable[TableName]) -> Iterable[TableName]:
    """The tables whose column a name may be."""
    behind = set(named.relations.get(name.before, ())) if name.before else set()
    if name.before == fold(own.name):
        behind.add(own)
    known = [table for table in behind if table is not None]
    return known if known and None not in behind else (own, *reached)


def _tables_of(column: exp.Column, own: TableName, named: Named) -> Iterable[TableName]:
    outside = column.find_ancestor(exp.Query) is column.root()
    every = [table for tables in named.relations.values() for table in tables if table is not None]
    name = Name(tuple(part for part in (column.table, column.name) if part))
    return _tables(name, own, named, () if outside else every)


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
