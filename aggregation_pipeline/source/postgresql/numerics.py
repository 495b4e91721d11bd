"""How many digits a numeric has: as it was declared, or as follows from the declared columns that it is computed from.

PostgreSQL forgets the digits of a column in whatever it computes from it: SUM(price) is a numeric of any size. For
sums, products and the like they follow from those of the operands, as in MySQL; for a quotient or an average they do
not. Values arrive as text, and one that had more digits than this says would be refused, not rounded.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from aggregation_pipeline.source.postgresql.names import folded
from aggregation_pipeline.source.postgresql.session import SourceColumn

# The most digits of an Arrow decimal.
_MOST: Final = 76
# Digits that a sum may have more than its summands, as in MySQL: there are fewer rows than 10^22.
_OF_A_SUM: Final = 22
_HEADER: Final = 4
_INTEGERS: Final[Mapping[str, int]] = {"int2": 5, "int4": 10, "int8": 19}


Rule = Callable[[exp.Expression, Mapping[str, SourceColumn]], "Digits | None"]


class Digits(NamedTuple):
    """Digits before and after the point."""

    whole: int
    scale: int

    @property
    def precision(self) -> int:
        """All of them; one at least."""
        return max(1, self.whole + self.scale)

    def __or__(self, other: "Digits") -> "Digits":
        return Digits(max(self.whole, other.whole), max(self.scale, other.scale))


def declared_digits(typmod: int) -> Digits | None:
    """Return what numeric(p, s) was declared with; None without a declaration, and if it is too wide.

    The scale of PostgreSQL 15 and newer may be negative, numeric(3, -2), or over the precision, numeric(3, 5).
    """
    if typmod < _HEADER:
        return None
    precision, scale = (typmod - _HEADER) >> 16, (((typmod - _HEADER) & 0x7FF) ^ 1024) - 1024
    return _fitting(Digits(max(0, precision - scale), max(0, scale)))


def computed_digits(sql: str, columns: Mapping[str, SourceColumn]) -> Digits | None:
    """Return the digits that all values of an expression fit into; None if they do not follow from its columns.

    Args:
        sql: the expression.
        columns: of the entry's table.
    """
    try:
        tree = sqlglot.parse_one(f"SELECT {sql}", read="postgres").expressions[0]
        found = _of(tree, columns)
    except (SqlglotError, RecursionError):
        return None
    return found and _fitting(found)


def _fitting(digits: Digits) -> Digits | None:
    return digits if digits.precision <= _MOST else None


def _of(node: exp.Expression, columns: Mapping[str, SourceColumn]) -> Digits | None:
    for kinds, digits in _RULES:
        if isinstance(node, kinds):
            return digits(node, columns)
    return None


def _of_operand(node: exp.Expression, columns: Mapping[str, SourceColumn]) -> Digits | None:
    return _widest(node.expressions if isinstance(node, exp.Distinct) else [node.this], columns)


def _of_choice(node: exp.Expression, columns: Mapping[str, SourceColumn]) -> Digits | None:
    return _widest([node.this, *node.expressions], columns)


def _of_case(node: exp.Expression, columns: Mapping[str, SourceColumn]) -> Digits | None:
    default = node.args.get("default")
    return _widest([*(each.args["true"] for each in node.args["ifs"]), *([default] if default else [])], columns)


def _of_sum(node: exp.Expression, columns: Mapping[str, SourceColumn]) -> Digits | None:
    digits = _of(node.this, columns)
    return digits and Digits(digits.whole + _OF_A_SUM, digits.scale)


def _widest(nodes: Iterable[exp.Expression], columns: Mapping[str, SourceColumn]) -> Digits | None:
    found: Digits | None = None
    for node in nodes:
        if isinstance(node, exp.Null):
            continue
        digits = _of(node, columns)
        if digits is None:
            return None
        found = digits if found is None else found | digits
    return found


def _of_column(node: exp.Expression, columns: Mapping[str, SourceColumn]) -> Digits | None:
    quoted = bool(node.this.args.get("quoted")) if isinstance(node.this, exp.Identifier) else False
    names = (node.name,) if quoted else folded(node.name)
    column = next((columns[name] for name in names if name in columns), None)
    if column is None:
        return None
    if column.type in _INTEGERS:
        return Digits(_INTEGERS[column.type], 0)
    return declared_digits(column.typmod) if column.type == "numeric" else None


def _of_literal(node: exp.Expression, _columns: Mapping[str, SourceColumn]) -> Digits | None:
    whole, _, fraction = node.name.partition(".")
    if node.is_string or not (whole + fraction).isdigit():
        return None
    return Digits(len(whole), len(fraction))


def _of_cast(node: exp.Expression, _columns: Mapping[str, SourceColumn]) -> Digits | None:
    kind = node.args["to"]
    by_type = {"SMALLINT": 5, "INT": 10, "BIGINT": 19}
    name = kind.this.name
    if name in by_type:
        return Digits(by_type[name], 0)
    numbers = [each.name for each in kind.expressions]
    if name != "DECIMAL" or not numbers or not all(number.isdigit() for number in numbers):
        return None
    precision, scale = int(numbers[0]), int(numbers[1]) if len(numbers) > 1 else 0
    return Digits(max(0, precision - scale), scale)


def _of_operation(node: exp.Expression, columns: Mapping[str, SourceColumn]) -> Digits | None:
    left, right = _of(node.this, columns), _of(node.expression, columns)
    if left is None or right is None:
        return None
    if isinstance(node, exp.Mul):
        return Digits(left.whole + right.whole, left.scale + right.scale)
    both = left | right
    return Digits(both.whole + 1, both.scale)


def _of_round(node: exp.Expression, columns: Mapping[str, SourceColumn]) -> Digits | None:
    inner, decimals = _of(node.this, columns), node.args.get("decimals")
    number = decimals.name if isinstance(decimals, exp.Literal) else "0" if decimals is None else ""
    if inner is None or not number.isdigit():
        return None
    return Digits(inner.whole + 1, int(number))


_RULES: Final[Sequence[tuple[Any, Rule]]] = (
    (exp.Column, _of_column),
    (exp.Literal, _of_literal),
    (exp.Cast, _of_cast),
    ((exp.Paren, exp.Neg, exp.Abs, exp.Max, exp.Min, exp.Filter, exp.Distinct), _of_operand),
    (exp.Sum, _of_sum),
    ((exp.Add, exp.Sub, exp.Mul), _of_operation),
    ((exp.Coalesce, exp.Greatest, exp.Least), _of_choice),
    (exp.Case, _of_case),
    (exp.Round, _of_round),
)
