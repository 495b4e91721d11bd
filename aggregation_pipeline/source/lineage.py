"""From which columns of the source an output column is made, read from the expressions of the entry."""

import functools
from collections.abc import Sequence

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from aggregation_pipeline.config.expressions import is_column, is_plain_word, name_of
from aggregation_pipeline.config.model import ALL_COLUMNS, COUNT_ROWS, Aggregation, TableEntry


def source_columns(entry: TableEntry, dataset: str, outputs: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Columns of the source by output of `dataset` ("summary", "detail"), whose outputs are named `outputs`.

    What only counts rows is made of no column; columns of tables in a sub-select are not followed.
    """
    if dataset == "detail":
        named = {field.name: field.expr for field in entry.select_fields}
        if ALL_COLUMNS in named.values():
            return {name: (name,) for name in outputs}
    else:
        figures = entry.aggregations or (() if entry.group_by else (COUNT_ROWS,))
        named = {key.name: key.expr for key in entry.group_by} | {figure.name: _argument(figure) for figure in figures}
    return {name: columns_of(named[name]) for name in outputs if name in named}


@functools.lru_cache(maxsize=4096)
def columns_of(expression: str) -> tuple[str, ...]:
    """The columns that an expression names, each once, in order."""
    if is_plain_word(expression) or name_of(expression) != expression:
        return (name_of(expression),)
    try:
        tree = sqlglot.parse_one(f"SELECT ({expression})", read="mysql").expressions[0]
    except (SqlglotError, RecursionError):
        return ()
    nodes = tree.walk(bfs=False, prune=lambda node: isinstance(node, exp.Query))
    return tuple(dict.fromkeys(node.name for node in nodes if is_column(node)))


def _argument(figure: Aggregation) -> str:
    if figure.expr is not None:
        return figure.expr
    return "1" if figure.field in (None, ALL_COLUMNS) else str(figure.field)
