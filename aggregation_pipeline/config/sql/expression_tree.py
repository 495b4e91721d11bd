"""Parses an expression with sqlglot, and checks that its tree suits the role of the expression.

sqlglot only checks: the text that it would print is not always what it read.
"""

import logging
from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError

from aggregation_pipeline.config.messages.likely_causes import foreign_comment, template
from aggregation_pipeline.config.messages.suggestions import did_you_mean
from aggregation_pipeline.config.sql.dialect import Dialect
from aggregation_pipeline.config.sql.roles import DIRECTIONS, Role
from aggregation_pipeline.config.sql.tokens import ExpressionError, without_hints

_WRITES: Final = (exp.DDL, exp.DML, exp.Command, exp.Into, exp.Lock, exp.PropertyEQ)

# It warns of JSON paths that it could not print. Nothing of it is printed here, and servers accept them.
logging.getLogger("sqlglot").setLevel(logging.ERROR)


def check_syntax(clean: str, text: str, role: Role, dialect: Dialect) -> None:
    """Check that a text is one expression that only reads and suits its role.

    Args:
        clean: the text without comments.
        text: as the user wrote it.
        role: what the expression is for.
        dialect: of the server that will run it.

    Raises:
        ExpressionError: says what was found, and what to write instead.
    """
    _check_tree(_parse(clean, text, role, dialect), role)


def _parse(clean: str, text: str, role: Role, dialect: Dialect) -> exp.Expression:
    """The tree of the expression."""
    try:
        statements = sqlglot.parse(f"SELECT ({without_hints(clean, dialect)})", read=dialect.sqlglot)
    except (SqlglotError, AttributeError, TypeError) as error:  # some slips make the parser itself stumble
        cause = template(text) or foreign_comment(text) or _where_it_stops(error, dialect)
        raise ExpressionError(f"it does not parse as an expression of {dialect.title}: {cause}") from None
    except RecursionError:
        raise ExpressionError("it is nested too deeply; make it a view in the database") from None
    select = statements[0] if len(statements) == 1 else None
    if (
        not isinstance(select, exp.Select)
        or len(select.expressions) != 1
        or any(v for k, v in select.args.items() if k != "expressions")
    ):
        raise ExpressionError("one expression is expected, not a statement and not a list")
    inner = select.expressions[0]
    while isinstance(inner, (exp.Paren, exp.Subquery)):
        inner = inner.this
    if isinstance(inner, exp.Alias):
        raise ExpressionError(_why_no_alias(inner.alias, role))
    if isinstance(inner, (exp.Tuple, exp.Values)):
        raise ExpressionError("one expression is expected, and this is a list; write its items one by one")
    found: exp.Expression = inner
    return found


def _why_no_alias(alias: str, role: Role) -> str:
    """What a name behind an expression was probably meant for."""
    if role == "order":
        hint = did_you_mean(alias, DIRECTIONS)
        return f"only ASC or DESC may follow the column or expression; found {alias}{f'.{hint}' if hint else ''}"
    if alias.upper() in DIRECTIONS:
        return (
            f"{alias} is an order, and the order of the rows belongs under the key order_by, as in order_by:"
            " [created_at DESC]"
        )
    return f"a name is given by the key alias, not inside the SQL: {{expr: ..., alias: {alias}}}"


def _where_it_stops(error: Exception, dialect: Dialect) -> str:
    """Where the parser stopped. sqlglot's own messages name its classes, which tell a user nothing."""
    place = error.errors[0] if isinstance(error, ParseError) and error.errors else {}
    word, behind = str(place.get("highlight") or ""), str(place.get("end_context") or "")
    # The last parenthesis is the one around the expression, which is ours.
    if word == ")" and not behind:
        near = "something is missing at its end"
    else:
        near = (
            f"it is not understood near {word}" if word else "a comma, an operator or a part of a function is missing"
        )
    return f"{near}. A reserved word used as a name needs {dialect.marks}"


def _check_tree(tree: exp.Expression, role: Role) -> None:
    """Check aggregate and window functions against the role; inside of a sub-select anything that reads is allowed."""
    aggregates, windows, opaque = False, False, False
    for node in tree.walk(prune=lambda n: isinstance(n, exp.Query)):
        if isinstance(node, (exp.Placeholder, exp.Parameter)):
            raise ExpressionError("placeholders are not filled in; write the value itself")
        if isinstance(node, exp.Star) and not isinstance(node.parent, exp.Count):
            raise ExpressionError("* means all columns, and one expression is expected; '*' alone is for select_fields")
        windows = windows or isinstance(node, exp.Window)
        opaque = opaque or isinstance(node, (exp.Anonymous, exp.AnonymousAggFunc, exp.Query))
        aggregates = aggregates or (isinstance(node, exp.AggFunc) and not _is_window_function(node))
    if any(isinstance(node, _WRITES) for node in tree.walk()):
        raise ExpressionError("only SQL that reads is taken")
    if role == "aggregate" and not (aggregates or opaque):
        raise ExpressionError(
            "it aggregates nothing, so it has no single value for a group; write SUM(...), MAX(...), or make it a"
            " group_by key"
        )
    if role not in ("aggregate", "group condition") and aggregates:
        other = "; a condition on groups belongs under having" if role == "condition" else ""
        raise ExpressionError(
            f"an aggregate function has no meaning as {role}; it belongs in aggregations as {{expr: ..., alias: ...}}"
            f"{other}"
        )
    if windows and role not in ("field", "order"):
        raise ExpressionError(
            f"a window function (OVER) has no meaning as {role}; only select_fields and order_by can hold one"
        )


def _is_window_function(aggregate: exp.AggFunc) -> bool:
    """Whether OVER follows, so that each row has a value of its own."""
    parent = aggregate.parent
    while isinstance(parent, (exp.WithinGroup, exp.IgnoreNulls, exp.RespectNulls)):
        parent = parent.parent
    return isinstance(parent, exp.Window) and parent.find(exp.AggFunc) == aggregate
