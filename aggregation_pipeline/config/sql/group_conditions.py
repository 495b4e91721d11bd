"""The names in a condition on groups, replaced by the SQL that they mean.

Servers disagree about a name in HAVING that is an alias and a column too, and about keys that are no plain column; some
take any row's value silently. So no name of an output is left to them. Inside of an aggregate function a name is a
column, as servers have it; elsewhere it is an output. What stands in a sub-select is left as it is.

This module imports sqlglot, so it is imported when the first condition is read.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from aggregation_pipeline.config.messages.suggestions import did_you_mean
from aggregation_pipeline.config.sql.dialect import Dialect, unquote
from aggregation_pipeline.config.sql.in_use import dialect_in_use
from aggregation_pipeline.config.sql.tokens import ExpressionError, without_hints
from aggregation_pipeline.config.sql.trees import is_column

_BEFORE: Final = "SELECT ("
# Aggregate functions that sqlglot takes for any other function.
_OTHER_AGGREGATES: Final = frozenset(("JSON_ARRAYAGG", "ST_COLLECT"))


def refuse_unknown_names(condition: str, outputs: Iterable[str], dialect: Dialect | None = None) -> None:
    """Refuse names outside of aggregate functions that are no outputs.

    Raises:
        ExpressionError: names the first of them.
    """
    known = list(outputs)
    with_outputs(condition, {name.casefold(): name for name in known}, known, dialect)


def with_outputs(
    condition: str, meanings: Mapping[str, str], known: Iterable[str] = (), dialect: Dialect | None = None
) -> str:
    """A checked condition on groups, each name of an output replaced.

    Args:
        condition: as the user wrote it, without comments.
        meanings: the SQL of each output, by its name, case-folded.
        known: the names as messages spell them.
        dialect: that of the condition; None: the one in use.

    Raises:
        ExpressionError: a name is neither an output nor in an aggregate function.
    """

    def meaning(column: exp.Column) -> str | None:
        if _is_aggregated(column):
            return None
        name = ".".join(part.name for part in column.parts)
        if column.table or name.casefold() not in meanings:
            raise ExpressionError(
                f"{name} is no output of the summary and stands in no aggregate function, so a group has no single"
                f" value of it.{did_you_mean(name, known)} Outputs are {', '.join(known)}; a text needs quotes"
            )
        return meanings[name.casefold()]

    return _replaced(condition, meaning, dialect or dialect_in_use())


def with_qualified_columns(sql: str, table: str, outputs: Iterable[str], dialect: Dialect | None = None) -> str:
    """SQL in which a column that has the name of an output is written with its table, so that it stays the column.

    Args:
        table: the prefix of the columns, in quotation marks.
        outputs: names of outputs, case-folded.
        dialect: that of the SQL; None: the one in use.
    """
    names, dialect = frozenset(outputs), dialect or dialect_in_use()

    def qualified(column: exp.Column) -> str | None:
        is_output = not column.table and str(column.name).casefold() in names
        return f"{table}.{dialect.quote(column.name)}" if is_output else None

    return _replaced(sql, qualified, dialect)


def _replaced(sql: str, replacement: Callable[[exp.Column], str | None], dialect: Dialect) -> str:
    """SQL with some of its columns replaced; None leaves a column as it is."""
    text = f"{_BEFORE}{sql})"
    named = ((column, new) for column in _columns(text, dialect) if (new := replacement(column)) is not None)
    spans = sorted((*_span(column, text, dialect), new) for column, new in named)
    for start, end, new in reversed(spans):
        text = f"{text[:start]}{new}{text[end:]}"
    return text[len(_BEFORE) : -1]


def _columns(text: str, dialect: Dialect) -> Iterator[exp.Column]:
    """The columns of a statement, without those in its sub-selects."""
    try:
        tree = sqlglot.parse_one(without_hints(text, dialect), read=dialect.sqlglot)
    except (SqlglotError, RecursionError):
        raise ExpressionError(f"it does not parse as an expression of {dialect.title}") from None
    for node in tree.walk(prune=lambda node: isinstance(node, exp.Query) and node is not tree):
        if isinstance(node, exp.Column) and is_column(node, dialect):
            yield node


def _span(column: exp.Column, text: str, dialect: Dialect) -> tuple[int, int]:
    """Where the name of a column stands in a text."""
    place = column.this.meta
    start, end = place["start"], place["end"] + 1
    found = text[start:end]
    if (unquote(found) if dialect.is_quoted(found) else found) != column.name:
        raise ExpressionError(f"{column.name} is not found where it was read; write it in {dialect.marks}")
    return start, end


def _is_aggregated(column: exp.Column) -> bool:
    node = column.parent
    while node is not None:
        if isinstance(node, exp.AggFunc | exp.AnonymousAggFunc) or (
            isinstance(node, exp.Anonymous) and node.name.upper() in _OTHER_AGGREGATES
        ):
            return True
        node = node.parent
    return False
