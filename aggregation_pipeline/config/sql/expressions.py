"""Columns and SQL expressions of the config: one expression each, which reads and does nothing else.

`read_*` return the user's own text without comments, ready to stand in parentheses in a query.
"""

import functools
import re
import unicodedata
from typing import Final

from aggregation_pipeline.config.sql.dialect import Dialect, unquote
from aggregation_pipeline.config.sql.forbidden import refuse_forbidden
from aggregation_pipeline.config.sql.in_use import dialect_in_use
from aggregation_pipeline.config.sql.roles import DIRECTIONS, Role
from aggregation_pipeline.config.sql.tokens import DEPTHS, ExpressionError, quote, tokenize

_MAX_LENGTH: Final = 16_384
_NUMBER: Final = re.compile(r"[0-9]+(?:[eE][0-9]+)?|0x[0-9A-Fa-f]+|0b[01]+")
_NULLS: Final = re.compile(r"(?:\s+(?:ASC|DESC))?\s+NULLS\s+(FIRST|LAST)$", re.IGNORECASE)


def is_plain_word(text: str, dialect: Dialect | None = None) -> bool:
    """Whether the text is the bare name of a column: letters of any script, digits and `_`; no number, no constant."""
    letters = bool(text) and all(c == "_" or unicodedata.category(c)[0] in "LMN" for c in text)
    return letters and not _NUMBER.fullmatch(text) and text.lower() not in (dialect or dialect_in_use()).constants


def as_column(text: str) -> str:
    """The text where a plain word is always a column: a word that is a constant is put in quotation marks."""
    return quote(text.strip()) if text.strip().lower() in dialect_in_use().constants else text


def to_sql(expression: str, dialect: Dialect | None = None) -> str:
    """A checked column or expression in the form that a query holds."""
    dialect = dialect or dialect_in_use()
    if is_plain_word(expression, dialect):
        return dialect.quote(expression)
    return expression if dialect.is_quoted(expression) else f"({expression})"


def output_name(expression: str, dialect: Dialect | None = None) -> str:
    """The name of an output without an alias: the column's name, or the text of the expression."""
    return unquote(expression) if (dialect or dialect_in_use()).is_quoted(expression) else expression


def read_column(text: str, role: Role) -> str:
    """The bare name of a column, or a checked expression. A plain word is a column here, even `current_date`.

    Raises:
        ExpressionError: as for `read_expression`.
    """
    return read_item(as_column(text), role)


def read_item(text: str, role: Role) -> str:
    """Like `read_column`, but constants are constants: `CURRENT_DATE` is the day, a column needs quotation marks.

    Raises:
        ExpressionError: as for `read_expression`.
    """
    stripped = text.strip()
    return stripped if is_plain_word(stripped) else read_expression(text, role)


def read_expression(text: str, role: Role) -> str:
    """The user's own text without comments, checked to be one expression that only reads and suits its role.

    It is in the dialect that is in use.

    Raises:
        ExpressionError: names what was found, why that cannot be taken, and what to write instead.
    """
    return _read_expression(text, role, dialect_in_use())


@functools.lru_cache(maxsize=4096)
def _read_expression(text: str, role: Role, dialect: Dialect) -> str:
    if len(text) > _MAX_LENGTH:
        raise ExpressionError(
            f"the text has {len(text):,} characters, and {_MAX_LENGTH:,} is the limit; make it a view in the database"
        )
    tokens, clean = tokenize(text, dialect)
    if not tokens:
        raise ExpressionError("it is empty; a column or an expression is expected")
    refuse_forbidden(tokens, role, dialect)
    from aggregation_pipeline.config.sql.expression_tree import check_syntax

    check_syntax(clean, text, role, dialect)
    return clean


def read_order(text: str) -> str:
    """A checked column or expression, with ASC or DESC behind it if the user wrote one.

    Raises:
        ExpressionError: as for `read_expression`, and for a number, which would silently sort by a constant.
    """
    expression, direction = split_direction(tokenize(text)[1])
    if _NUMBER.fullmatch(expression):
        raise ExpressionError(f"{expression} is a number, not a column; name the column to sort by")
    if nulls := _NULLS.search(expression):
        column = expression[: nulls.start()]
        first = " DESC" if nulls[1].upper() == "FIRST" else ""
        raise ExpressionError(
            f"{nulls[0].strip().upper()} is not taken; write as an item before it where NULL belongs: '{column} IS"
            f" NULL{first}'"
        )
    return " ".join(filter(None, (read_column(expression, "order"), direction)))


def split_items(text: str) -> list[str]:
    """The items of a list in one text: split at commas outside of parentheses and quotes.

    Raises:
        ExpressionError: the text holds what no expression can.
    """
    tokens, clean = tokenize(text)
    items, begin, position, depth = [], 0, 0, 0
    for token in tokens:
        position = clean.index(token.text, position)  # between tokens are blanks only
        depth += DEPTHS.get(token.text, 0)
        if token.text == "," and depth == 0:
            items.append(clean[begin:position].strip())
            begin = position + 1
        position += len(token.text)
    return [*items, clean[begin:].strip()]


def split_direction(text: str) -> tuple[str, str]:
    """`"created_at desc"` -> `("created_at", "DESC")`; the direction is empty where none is given."""
    head, _, tail = text.rpartition(" ")
    return (head, tail.upper()) if head and tail.upper() in DIRECTIONS else (text, "")
