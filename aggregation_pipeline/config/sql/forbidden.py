"""SQL that no expression may hold: what acts on the server, waits, or gives another result each time.

Tokens are checked, because they are what the server sees. Stored functions are allowed: they run in a transaction that
the server holds READ ONLY.
"""

from collections.abc import Sequence
from typing import Final

from aggregation_pipeline.config.sql.clauses import refuse_clauses, refuse_placeholders
from aggregation_pipeline.config.sql.dialect import Dialect
from aggregation_pipeline.config.sql.hints import refuse_wide_hints
from aggregation_pipeline.config.sql.tokens import DEPTHS, ExpressionError, Token

# Deeper than what people write, and within what the parser's recursion takes under any limit of other libraries.
_MAX_DEPTH: Final = 50
# Statements by their first word, and functions where a bracket follows.
_STATEMENTS_OR_FUNCTIONS: Final = frozenset(("insert", "replace"))


def refuse_forbidden(tokens: Sequence[Token], role: str, dialect: Dialect) -> None:
    """Refuse tokens that leave the parentheses around the expression, or that do more than read.

    Raises:
        ExpressionError: names the token, why it is refused, and what to write instead.
    """
    depth = 0
    for token, following in zip(tokens, [*tokens[1:], Token("symbol", "")], strict=True):
        depth += DEPTHS.get(token.text, 0)
        if token.kind == "hint":
            refuse_wide_hints(token.text)
            continue
        _refuse_forbidden_symbol(token, depth)
        _refuse_forbidden_name(token, following, dialect)
    if depth:
        raise ExpressionError("an opening parenthesis is never closed")
    _refuse_variables(tokens, dialect)
    _refuse_statement(tokens[0], tokens[1] if len(tokens) > 1 else None, dialect)
    refuse_placeholders(tokens)
    refuse_clauses(tokens, role, dialect)


def _refuse_forbidden_symbol(token: Token, depth: int) -> None:
    """`depth` counts the parentheses that are open after the token."""
    if depth < 0:
        raise ExpressionError("a closing parenthesis has no opening one before it")
    if depth > _MAX_DEPTH:
        raise ExpressionError("it is nested too deeply; make it a view in the database")
    if token.text == "," and depth == 0:
        raise ExpressionError(
            "one expression is expected, and a comma separates two; write them as two items of the list"
        )
    if token.text == "@":
        raise ExpressionError("variables of the session (@x) are not set by anyone here; write the value itself")


def _refuse_variables(tokens: Sequence[Token], dialect: Dialect) -> None:
    for place, token in enumerate(tokens):
        if token.text != "@@":
            continue
        # @@name, @@session.name
        first, *more = [*tokens[place + 1 : place + 4], token]
        name = more[1].name if len(more) > 1 and more[0].text == "." else first.name
        if reason := dialect.refused_variables.get(name):
            raise ExpressionError(f"@@{name} is refused: it {reason}")


def _refuse_statement(first: Token, following: Token | None, dialect: Dialect) -> None:
    is_call = following is not None and following.text == "("
    if first.kind == "word" and (
        first.name in dialect.statements or (first.name in _STATEMENTS_OR_FUNCTIONS and not is_call)
    ):
        raise ExpressionError(
            f"{first.text} begins a statement, and one expression is expected. A sub-select needs parentheses, "
            f"a column of that name {dialect.marks}: {dialect.quote(first.text)}"
        )


def _refuse_forbidden_name(token: Token, following: Token, dialect: Dialect) -> None:
    name = token.name
    if following.text == "(" and name:
        prefixed = (reason for prefix, reason in dialect.refused_prefixes.items() if name.startswith(prefix))
        reason = dialect.refused_functions.get(name) or next(prefixed, None)
        if reason:
            raise ExpressionError(f"{name.upper()}() is refused: it {reason}")
    if token.kind == "word":
        if reason := dialect.refused_pairs.get((name, following.name)):
            raise ExpressionError(f"{token.text} {following.text} is refused: {reason}")
        if reason := dialect.refused_words.get(name):
            raise ExpressionError(
                f"{token.text} is refused: {reason}. A column of that name needs {dialect.marks}:"
                f" {dialect.quote(token.text)}"
            )
