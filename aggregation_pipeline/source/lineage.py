"""Which columns of the source each output is made of, according to the entry's expressions."""

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Final

import pyarrow as pa
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from aggregation_pipeline.config.columns import ALL_COLUMNS, COUNT_ROWS, Aggregation, Column
from aggregation_pipeline.config.sql.dialect import Dialect
from aggregation_pipeline.config.sql.expressions import is_plain_word, output_name
from aggregation_pipeline.config.sql.mysql import MYSQL
from aggregation_pipeline.config.sql.tokens import without_hints
from aggregation_pipeline.config.sql.trees import is_column
from aggregation_pipeline.config.table_entry import TableEntry

# orders.id, shop.orders.id
_QUALIFIED: Final = r"(?:{name}\s*\.\s*){{1,2}}({name})"


def source_columns(entry: TableEntry, dataset: str, outputs: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the columns of the source that each output of a dataset is made of.

    An output that only counts rows is made of no column. Columns of tables in a sub-select are not followed.

    Args:
        entry: as the config gives it.
        dataset: "summary" or "detail".
        outputs: the names of the dataset's outputs.
    """
    if dataset == "detail":
        named = {field.name: field.expr for field in entry.select_fields}
        if ALL_COLUMNS in named.values():
            return {name: _columns_of_table(entry.dialect.quote(name), entry) for name in outputs}
    else:
        figures = entry.aggregations or (() if entry.group_by else (COUNT_ROWS,))
        named = {key.name: key.expr for key in entry.group_by} | {figure.name: _argument(figure) for figure in figures}
    return {name: _columns_of_table(named[name], entry) for name in outputs if name in named}


def _columns_of_table(expression: str, entry: TableEntry) -> tuple[str, ...]:
    """The columns that an expression names, without the one that names the shard."""
    own = (entry.shard_column or "").casefold()
    return tuple(name for name in columns_of(expression, entry.dialect) if not own or name.casefold() != own)


def with_column_metadata(schema: pa.Schema, entry: TableEntry, dataset: str, comments: Mapping[str, str]) -> pa.Schema:
    """Return the schema with metadata about each output, which stays in the stored extract.

    `comment` is the comment of the column that an output shows unchanged. `alias` marks such outputs that the entry
    gives another name. `adds_up` marks sums and counts.

    Args:
        schema: of the dataset.
        entry: as the config gives it.
        dataset: "summary" or "detail".
        comments: of the source's columns, by name.
    """
    known = {name.casefold(): text for name, text in comments.items()}
    plain = {field.name: _column_in(field.expr, entry.dialect) for field in _outputs(entry, dataset)}
    named = {field.name for field in _outputs(entry, dataset) if field.alias}
    sums = {figure.name for figure in entry.aggregations if _adds_up(figure)} if dataset == "summary" else set()
    if dataset == "summary" and not entry.aggregations and not entry.group_by:
        sums = {COUNT_ROWS.name}
    is_star = dataset == "detail" and ALL_COLUMNS in (field.expr for field in entry.select_fields)
    fields = []
    for field in schema:
        shown = field.name if is_star else plain.get(field.name, "")
        more = {
            "comment": known.get(shown.casefold(), ""),
            "alias": "yes" if field.name in named and shown.casefold() in known else "",
            "adds_up": "yes" if field.name in sums else "",
        }
        more = {key: value for key, value in more.items() if value}
        fields.append(field.with_metadata({**(field.metadata or {}), **more}) if more else field)
    return pa.schema(fields)


def _outputs(entry: TableEntry, dataset: str) -> Sequence[Column]:
    return entry.group_by if dataset == "summary" else entry.select_fields


def _column_in(expression: str, dialect: Dialect) -> str:
    """The column's name if an expression is just a column, with or without its table's name; empty otherwise."""
    if _is_column(expression, dialect):
        return output_name(expression, dialect)
    found = _qualified(dialect.quote_mark).fullmatch(expression)
    return output_name(found[1], dialect) if found else ""


@functools.cache
def _qualified(mark: str) -> re.Pattern[str]:
    name = rf"(?:(?!\d)\w+|{mark}(?:[^{mark}]|{mark}{mark})+{mark})"
    return re.compile(_QUALIFIED.format(name=name))


def _is_column(expression: str, dialect: Dialect) -> bool:
    return is_plain_word(expression, dialect) or dialect.is_quoted(expression)


def _adds_up(figure: Aggregation) -> bool:
    """Whether values of several groups may be added: not a number of distinct values, and not an average."""
    if figure.expr is None:
        return figure.function in ("SUM", "COUNT")
    try:
        tree = sqlglot.parse_one(
            f"SELECT {without_hints(figure.expr, figure.dialect)}", read=figure.dialect.sqlglot
        ).expressions[0]
    except (SqlglotError, RecursionError):
        return False
    return isinstance(tree, exp.Sum | exp.Count) and not isinstance(tree.this, exp.Distinct)


@functools.lru_cache(maxsize=4096)
def columns_of(expression: str, dialect: Dialect = MYSQL) -> tuple[str, ...]:
    """Return the columns that an expression names, each once, in order."""
    if _is_column(expression, dialect):
        return (output_name(expression, dialect),)
    try:
        tree = sqlglot.parse_one(f"SELECT ({without_hints(expression, dialect)})", read=dialect.sqlglot).expressions[0]
    except (SqlglotError, RecursionError):
        return ()
    nodes = tree.walk(bfs=False, prune=lambda node: isinstance(node, exp.Query))
    return tuple(dict.fromkeys(node.name for node in nodes if is_column(node, dialect)))


def _argument(figure: Aggregation) -> str:
    if figure.expr is not None:
        return figure.expr
    return "1" if figure.field in (None, ALL_COLUMNS) else str(figure.field)
