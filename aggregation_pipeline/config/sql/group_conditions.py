"""The names in a condition on groups, replaced by the SQL that they mean.

Servers disagree about a name in HAVING that is an alias and a column too, and about keys that are no plain column; some
take any row's value silently. So no name of an output is left to them. Inside of an aggregate function a name is a
column, as MySQL has it; elsewhere it is an output. What stands in a sub-select is left as it is.

This module imports sqlglot, so it is imported when the first condition is read.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from aggregation_pipeline.config.messages.suggestions import did_you_mean
from aggregation_pipeline.config.sql.tokens import ExpressionError, quote, unquote
from aggregation_pipeline.config.sql.trees import is_column

_BEFORE: Final = "SELECT ("
# Aggregate functions that sqlglot takes for any other function.
_OTHER_AGGREGATES: Final = frozenset(("JSON_ARRAYAGG", "ST_COLLECT"))


def refuse_unknown_names(condition: str, outputs: Iterable[str]) -> None:
    """Refuse names outside of aggregate functions that are no outputs.

    Raises:
        ExpressionError: names the first of them.
    """
    known = list(outputs)
    with_outputs(condition, {name.casefold(): name for name in known}, known)


def with_outputs(condition: str, meanings: Mapping[str, str], known: Iterable[str] = ()) -> str:
    """A checked condition on groups, each name of an output replaced.

    Args:
        condition: as the user wrote it, without comments.
        meanings: the SQL of each output, by its name, case-folded.
        known: the names as messages spell them.

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

    return _replaced(condition, meaning)


def with_qualified_columns(sql: str, table: str, outputs: Iterable[str]) -> str:
    """SQL in which a column that has the name of an output is written with its table, so that it stays the column.

    Args:
        table: the prefix of the columns, in backticks.
        outputs: names of outputs, case-folded.
    """
    names = frozenset(outputs)

    def qualified(column: exp.Column) -> str | None:
        is_output = not column.table and str(column.name).casefold() in names
        return f"{table}.{quote(column.name)}" if is_output else None

    return _replaced(sql, qualified)


def _replaced(sql: str, replacement: Callable[[exp.Column], str | None]) -> str:
    """SQL with some of its columns replaced; None leaves a column as it is."""
    text = f"{_BEFORE}{sql})"
    spans = sorted((*_span(column, text), new) for column in _columns(text) if (new := replacement(column)) is not None)
    for start, end, new in reversed(spans):
        text = f"{text[:start]}{new}{text[end:]}"
    return text[len(_BEFORE) : -1]


def _columns(text: str) -> Iterator[exp.Column]:
    """The columns of a statement, without those in its sub-selects."""
    try:
        tree = sqlglot.parse_one(text, read="mysql")
    except (SqlglotError, RecursionError):
        raise ExpressionError("it does not parse as an expression of MySQL") from None
    for node in tree.walk(prune=lambda node: isinstance(node, exp.Query) and node is not tree):
        if isinstance(node, exp.Column) and is_column(node):
            yield node


def _span(column: exp.Column, text: str) -> tuple[int, int]:
    """Where the name of a column stands in a text."""
    place = column.this.meta
    start, end = place["start"], place["end"] + 1
    found = text[start:end]
    if (unquote(found) if found.startswith("`") else found) != column.name:
        raise ExpressionError(f"{column.name} is not found where it was read; write it in backticks")
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
