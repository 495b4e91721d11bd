"""What only the tree of a checked expression tells, apart from the check itself in `expression_tree.py`.

sqlglot takes a quarter of a second to import, so these two modules are imported when the first expression is read.
"""

import functools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from aggregation_pipeline.config.sql.dialect import Dialect
from aggregation_pipeline.config.sql.in_use import dialect_in_use
from aggregation_pipeline.config.sql.mysql import MYSQL
from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.config.sql.tokens import without_hints


class ColumnOfValue(NamedTuple):
    """A column that an expression's value is made of; `table` is its qualifier, empty without one."""

    table: str
    name: str
    in_subquery: bool


def is_column(node: exp.Expression, dialect: Dialect | None = None) -> bool:
    """Whether a node is a named column; to sqlglot `*` and some of the constants are columns too."""
    if not isinstance(node, exp.Column) or isinstance(node.this, exp.Star):
        return False
    return (
        bool(node.table)
        or bool(node.this.args.get("quoted"))
        or node.name.lower() not in (dialect or dialect_in_use()).constants
    )


def columns_of_value(sql: str, dialect: Dialect | None = None) -> Iterator[ColumnOfValue]:
    """The columns that a value is made of, without those that are only counted or by which a sub-select filters."""
    dialect = dialect or dialect_in_use()
    for column in sqlglot.parse_one(f"SELECT ({without_hints(sql, dialect)})", read=dialect.sqlglot).find_all(
        exp.Column
    ):
        if is_column(column, dialect) and not _is_counted(column) and not _filters_rows(column):
            in_subquery = column.find_ancestor(exp.Query) is not column.root()
            yield ColumnOfValue(column.table, column.name, in_subquery)


# A run over many windows asks the same of the same columns for each.
@functools.lru_cache(maxsize=1_000)
def returns_cell_values(sql: str, dialect: Dialect = MYSQL) -> bool:
    """Whether an expression returns cells of a column as they are, apart from case and blanks around them."""
    if not (trees := list(_parsed(sql, dialect))):
        return False
    node = trees[0].expressions[0]
    while (
        isinstance(node, exp.Paren | exp.Lower | exp.Upper | exp.Min | exp.Max | exp.Trim)
        and len([*node.iter_expressions()]) == 1
    ):
        node = node.this
    return isinstance(node, exp.Column) and not isinstance(node.this, exp.Star)


def relations_in(expression: str, dialect: Dialect) -> Iterator[tuple[str, TableName | None]]:
    """The names and aliases of relations with the table behind each; None for a derived table.

    Nothing if the expression does not parse, so that nothing is known of them.
    """
    for tree in _parsed(expression, dialect):
        for node in tree.find_all(exp.Table, exp.TableAlias):
            named = node.parent if isinstance(node, exp.TableAlias) else node
            if isinstance(named, exp.Table) and isinstance(named.this, exp.Identifier):
                yield named.alias_or_name, TableName(named.db or None, named.name)
            elif isinstance(node, exp.TableAlias):
                yield node.name, None


def column_lists_in(expression: str, dialect: Dialect) -> Iterator[TableName]:
    """Aliases with a list of columns, which look like calls of functions: `z(a, b)`."""
    for tree in _parsed(expression, dialect):
        yield from (TableName(None, node.name) for node in tree.find_all(exp.TableAlias) if node.args.get("columns"))


def _parsed(expression: str, dialect: Dialect) -> Iterable[exp.Expr]:
    try:
        return [sqlglot.parse_one(f"SELECT ({without_hints(expression, dialect)})", read=dialect.sqlglot)]
    except (SqlglotError, RecursionError):
        return []


def _is_counted(column: exp.Column) -> bool:
    inner = column.parent.parent if isinstance(column.parent, exp.Distinct) else column.parent
    return isinstance(inner, exp.Count)


def _filters_rows(column: exp.Column) -> bool:
    node: exp.Expr | None = column
    while node is not None:
        if isinstance(node, exp.Where | exp.Having | exp.Group) or (
            isinstance(node.parent, exp.Join) and node.arg_key == "on"
        ):
            return True
        node = node.parent
    return False
