"""Refuses clauses of SQL inside of an expression, and placeholders that nothing fills in.

A clause belongs under a key of its own; the messages name that key.
"""

from collections.abc import Sequence
from typing import Final

from aggregation_pipeline.config.messages.likely_causes import NOT_FILLED_IN
from aggregation_pipeline.config.sql.dialect import Dialect
from aggregation_pipeline.config.sql.tokens import DEPTHS, ExpressionError, Token

# Servers reserve these words, so outside of parentheses they can be nothing but the clause.
_REMEDIES: Final = {
    "WHERE": "conditions belong under the key where",
    "ORDER BY": "the order of the rows belongs under the key order_by, as in order_by: [created_at DESC]",
    "GROUP BY": "the keys of groups belong under the key group_by",
    "LIMIT": "the number of rows belongs under the key limit",
    "HAVING": "conditions on groups belong under the key having",
    "FROM": "the table is the entry's name, or is named by the key table",
    "JOIN": "an entry reads one table; make the join a view in the database",
    "UNION": "an entry reads one table; make the union a view in the database",
    "DISTINCT": "for distinct rows use group_by without aggregations; values are counted by COUNT DISTINCT",
}
_OWN_CLAUSES: Final = {
    "condition": "WHERE",
    "group condition": "HAVING",
    "order": "ORDER BY",
    "group key": "GROUP BY",
    "field": "SELECT",
}
_TWO_WORDS: Final = ("order", "group")
# A value follows these words, so a % behind one of them is no division.
_BEFORE_A_VALUE: Final = frozenset(
    ("and", "or", "not", "in", "like", "between", "is", "xor", "div", "mod", "then", "else", "when", "interval")
)


def refuse_clauses(tokens: Sequence[Token], role: str, dialect: Dialect) -> None:
    """Refuse an expression that begins another clause of the statement.

    Raises:
        ExpressionError: names the clause, and the key under which it belongs.
    """
    depth = 0
    for index, token in enumerate(tokens):
        depth += DEPTHS.get(token.text, 0)
        following = tokens[index + 1].name if index + 1 < len(tokens) else ""
        clause = _clause(token, following)
        if depth or clause is None or _compares(tokens, index):
            continue
        if index == 0 and clause == _OWN_CLAUSES.get(role):
            raise ExpressionError(
                f"it is written without the word{'s' * (' ' in clause)} {clause}, because the key means it already. "
                f"A reserved word used as a name needs {dialect.marks}: {dialect.quote(token.text)}"
            )
        if clause in _REMEDIES:
            raise ExpressionError(
                f"{clause} does not belong in it: one expression is expected, and {_REMEDIES[clause]}. "
                f"A reserved word used as a name needs {dialect.marks}: {dialect.quote(token.text)}"
            )


def _compares(tokens: Sequence[Token], index: int) -> bool:
    """Whether a word is one of `a IS [NOT] DISTINCT FROM b`, which compares NULL too."""
    if tokens[index].name == "from":
        index -= 1
    before = [token.name for token in tokens[max(0, index - 2) : index]]
    words = [token.name for token in tokens[index : index + 2]]
    return words == ["distinct", "from"] and (before[-1:] == ["is"] or before == ["is", "not"])


def _clause(token: Token, following: str) -> str | None:
    if token.kind != "word":
        return None
    if token.name in _TWO_WORDS:
        return f"{token.name} BY".upper() if following == "by" else None
    return token.name.upper()


def refuse_placeholders(tokens: Sequence[Token]) -> None:
    """Refuse `%` where a value is expected, as in `id > %s`.

    Raises:
        ExpressionError: says that placeholders are not filled in.
    """
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.text != "%" or token.kind != "symbol":
            continue
        if (
            before is None
            or (before.kind == "symbol" and before.text != ")")
            or (before.kind == "word" and before.name in _BEFORE_A_VALUE)
        ):
            raise ExpressionError(f"there is % where a value is expected: {NOT_FILLED_IN}")
