"""Aggregates over several tables, computed from the aggregates of each table.

The sum of sums is the sum, the least of the least is the least. So COUNT, SUM, MIN, MAX and AVG (by sum and count) can
be merged exactly, and so can an expression of such calls and constants. Whatever else aggregates is refused, because
the results of the single tables do not tell its result over all of them.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aggregation_pipeline.config.sql.in_use import dialect_in_use
from aggregation_pipeline.config.sql.tokens import ExpressionError, Token, tokenize, without_hints

if TYPE_CHECKING:
    from sqlglot import exp

MERGED_FUNCTIONS: Final = frozenset(("count", "sum", "min", "max", "avg"))
_ONLY: Final = (
    "of several tables read as one, only COUNT, SUM, MIN, MAX and AVG, and expressions of them, can be computed from"
    " the results of each table"
)
_DOT: Final = Token("symbol", ".")
# Gives a sum that is a DECIMAL more digits behind the point, and leaves 47 before it; a DOUBLE stays as it is.
_ALL_DIGITS: Final = f" + 0.{'0' * 18}"
_REMEDY: Final = "; leave it out, or compute it from the detail rows"
# Aggregate functions that sqlglot takes for any other function.
_OTHER_AGGREGATES: Final = frozenset(
    ("BIT_AND", "BIT_OR", "BIT_XOR", "JSON_ARRAYAGG", "JSON_OBJECTAGG", "ST_COLLECT", "ANY_VALUE", "STD", "GROUPING")
)


@dataclass(frozen=True)
class AggregateCall:
    """One call of a function that can be merged.

    Attributes:
        function: in lower case.
        argument: the text between its parentheses: `price * quantity`, `*`.
    """

    function: str
    argument: str

    @property
    def has_hidden_digits(self) -> bool:
        """Whether the server may compute with more digits than the result shows, as behind a division of DECIMAL."""
        tokens = tokenize(self.argument)[0] if self.function in ("sum", "avg") else ()
        return any(token.text == "/" or token.name == "avg" for token in tokens)

    def parts(self, *, all_digits: bool) -> tuple[str, ...]:
        """What a single table is asked for.

        Args:
            all_digits: with the hidden digits, which a derived table would cut off.
        """
        more = _ALL_DIGITS if all_digits and self.has_hidden_digits else ""
        if self.function == "avg":
            return (f"SUM({self.argument}){more}", f"COUNT({self.argument})")
        return (f"{self.function.upper()}({self.argument}){more}",)

    def merged(self, columns: Sequence[str]) -> str:
        """SQL of the result over all tables.

        Args:
            columns: that hold the results of `parts`, one row a table and group.
        """
        if self.function == "avg":
            return f"(SUM({columns[0]}) / SUM({columns[1]}))"
        if self.function == "count":
            # A sum of integers is a DECIMAL; a count is an integer, also where the entry computes with it.
            return f"CAST(SUM({columns[0]}) AS SIGNED)"
        return f"{self.function.upper()}({columns[0]})"


@dataclass(frozen=True)
class SplitAggregate:
    """An expression taken apart: its calls, and the texts before, between and behind them."""

    texts: tuple[str, ...]
    calls: tuple[AggregateCall, ...]

    @property
    def is_one_call(self) -> bool:
        """Whether it is one call and nothing else but brackets."""
        return len(self.calls) == 1 and not "".join(self.texts).strip("() ")

    def joined(self, replacement: Callable[[AggregateCall], str]) -> str:
        """The expression with each call replaced."""
        parts = [self.texts[0]]
        for call, text in zip(self.calls, self.texts[1:], strict=True):
            parts += [replacement(call), text]
        return "".join(parts)


@functools.lru_cache(maxsize=4096)
def split_aggregate(sql: str) -> SplitAggregate:
    """Take an expression apart that can be merged.

    Args:
        sql: a checked expression that aggregates.

    Raises:
        ExpressionError: it cannot be merged; the message says why.
    """
    split = _split(sql)
    if not split.is_one_call:
        _refuse_rest(split.joined(lambda _: "0"))
    return split


def refuse_unmergeable_calls(condition: str) -> None:
    """Refuse a condition on groups that aggregates in a way which cannot be merged.

    Raises:
        ExpressionError: says why.
    """
    _refuse_aggregates(_split(condition).joined(lambda _: "0"))


def refuse_windows(sql: str) -> None:
    """Refuse a value of detail rows, or an order of them, that comes from the rows around: it would know one table's.

    Raises:
        ExpressionError: says why.
    """
    if any(token.name == "over" for token in tokenize(sql)[0]) and _has_window(sql):
        raise ExpressionError(
            "of several tables read as one, each table is read by itself, so a window function would number or sum"
            " the rows of one; leave it out, or compute it from the detail rows"
        )


def _has_window(sql: str) -> bool:
    """Whether a window function looks at the rows of the entry, and not at those of a sub-select."""
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    try:
        tree = sqlglot.parse_one(f"SELECT 1 ORDER BY {without_hints(sql)}", read=dialect_in_use().sqlglot)
    except (SqlglotError, RecursionError):
        return True
    return any(window.find_ancestor(exp.Query) is tree for window in tree.find_all(exp.Window))


def _split(sql: str) -> SplitAggregate:
    tokens, clean = tokenize(sql)
    places = _places(tokens, clean)
    texts, calls, behind, position = [], list[AggregateCall](), 0, 0
    while position < len(tokens):
        if not _is_call(tokens, position):
            position += 1
            continue
        end = _closing(tokens, position + 1)
        inside = clean[places[position + 1] + 1 : places[end]].strip()
        call = AggregateCall(tokens[position].name, inside)
        if tokens[position + 2].name == "distinct" and call.function not in ("min", "max"):
            raise ExpressionError(f"{call.function.upper()}(DISTINCT ...): {_ONLY}{_REMEDY}")
        if end + 1 < len(tokens) and tokens[end + 1].name == "over":
            raise ExpressionError(f"{call.function.upper()}(...) OVER: {_ONLY}{_REMEDY}")
        texts.append(clean[behind : places[position]])
        calls.append(call)
        behind, position = places[end] + 1, end + 1
    return SplitAggregate((*texts, clean[behind:]), tuple(calls))


def _is_call(tokens: Sequence[Token], position: int) -> bool:
    """Whether a call of a function that can be merged begins here; a name behind a dot is a stored function's."""
    token, following = tokens[position], tokens[position + 1 : position + 2]
    is_name = (
        token.kind == "word" and token.name in MERGED_FUNCTIONS and not (position and tokens[position - 1] == _DOT)
    )
    return is_name and bool(following) and following[0].text == "("


def _closing(tokens: Sequence[Token], opening: int) -> int:
    depth = 0
    for position in range(opening, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[position].text, 0)
        if depth == 0:
            return position
    raise ExpressionError("a bracket is not closed")


def _places(tokens: Sequence[Token], clean: str) -> list[int]:
    """Where each token begins in the text; between tokens are blanks only."""
    places, position = [], 0
    for token in tokens:
        position = clean.index(token.text, position)
        places.append(position)
        position += len(token.text)
    return places


def _refuse_rest(rest: str) -> None:
    """Refuse an expression that needs more of the rows than its calls tell."""
    from sqlglot import exp

    from aggregation_pipeline.config.sql.trees import is_column

    for node in _refuse_aggregates(rest).find_all(exp.Column, exp.Query):
        if isinstance(node, exp.Query) and node.parent is not None:
            raise ExpressionError(f"a sub-select beside an aggregate: {_ONLY}{_REMEDY}")
        if isinstance(node, exp.Column) and is_column(node):
            raise ExpressionError(f"{node.name} stands outside of an aggregate function: {_ONLY}{_REMEDY}")


def _refuse_aggregates(rest: str) -> "exp.Expr":
    """Refuse an expression with further aggregates; return it as a tree."""
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    try:
        tree = sqlglot.parse_one(f"SELECT ({without_hints(rest)})", read=dialect_in_use().sqlglot)
    except (SqlglotError, RecursionError):
        raise ExpressionError(f"it cannot be taken apart: {_ONLY}{_REMEDY}") from None
    for node in tree.find_all(exp.AggFunc, exp.AnonymousAggFunc, exp.Anonymous, exp.Window):
        name = node.name.upper() if isinstance(node, exp.Anonymous) else type(node).__name__
        if not isinstance(node, exp.Anonymous) or name in _OTHER_AGGREGATES:
            shown = node.sql(dialect_in_use().sqlglot).partition("(")[0].upper() or name
            raise ExpressionError(f"{shown}(...): {_ONLY}{_REMEDY}")
    return tree
