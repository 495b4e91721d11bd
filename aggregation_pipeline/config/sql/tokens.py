"""Splits an expression into tokens as the server's own lexer does, so that the server runs exactly what was checked.

sqlglot's tokenizer cannot do this: unlike MySQL it reads `5--1` as a comment, U+00A0 as a space and `/*! ... */` as
nothing. Where the two could still differ, the expression is refused, and the message shows a spelling that both read
alike.
"""

import itertools
import re
import unicodedata
from typing import Final, Literal, NamedTuple

from aggregation_pipeline.config.messages.likely_causes import NOT_FILLED_IN, describe_sign, is_template, template
from aggregation_pipeline.config.sql.dialect import Dialect, unquote
from aggregation_pipeline.config.sql.in_use import dialect_in_use

# What an unusual name is shown by in messages: digits, letters and all that is not ASCII.
_WORD: Final = r"[0-9A-Za-z_$\u0080-\U0010ffff]"
_SEPARATORS: Final = ("space", "comment")
# What opens and closes: between them a comma separates no expressions. MySQL has no square brackets.
DEPTHS: Final = {"(": 1, "[": 1, ")": -1, "]": -1}
_MESSAGES: Final = {
    "/*": "the comment /* is never closed, or holds another /*",
    ";": "a semicolon ends a statement; one expression is expected, not a statement, and without ; at its end",
    ":=": "assignments (:=) change the session; only expressions that read are taken",
}


class ExpressionError(ValueError):
    """An expression of the config that is refused; the message says why, and what to write instead."""


class Token(NamedTuple):
    """One lexeme; `text` is the user's own, quotes included. A hint is a whole comment, behind SELECT only."""

    kind: Literal["string", "quoted", "number", "word", "symbol", "hint"]
    text: str

    @property
    def name(self) -> str:
        """The name that a word or a quoted name means, in lower case; empty for any other token."""
        if self.kind == "quoted":
            return unquote(self.text).lower()
        return self.text.lower() if self.kind == "word" else ""


def quote(name: str, dialect: Dialect | None = None) -> str:
    """A name in quotation marks, MySQL's being backticks; without a dialect in those of the one in use."""
    return (dialect or dialect_in_use()).quote(name)


def tokenize(text: str, dialect: Dialect | None = None) -> tuple[list[Token], str]:
    """The tokens of an expression, and its text without comments, with one space for each run of white space.

    Without a dialect it is the one in use.

    Raises:
        ExpressionError: a character that no expression of the dialect holds, or that servers read differently.
    """
    dialect = dialect or dialect_in_use()
    _refuse_unprintable(text)
    tokens: list[Token] = []
    parts: list[str] = []
    position = 0
    while position < len(text):
        match = dialect.tokens.match(text, position)
        if match is None:
            raise ExpressionError(_why_no_token(text[position:], text, dialect))
        kind, lexeme = str(match.lastgroup), match.group()
        if kind == "comment" and dialect.hints and lexeme.startswith("/*+"):
            _refuse_misplaced_hint(tokens)
            tokens.append(Token("hint", lexeme))
            parts.append(lexeme)
        elif kind in _SEPARATORS:
            if lexeme.startswith(dialect.obeyed_comments):
                raise ExpressionError(
                    f"{lexeme[:4].rstrip()} ... */ is a comment that the server obeys; write plain SQL, or /* a"
                    " remark */"
                )
            if parts and parts[-1] != " ":
                parts.append(" ")
        else:
            _refuse_odd_letters(kind, lexeme, dialect)
            tokens.append(Token(kind, lexeme))  # type: ignore[arg-type]  # the pattern has no other groups
            parts.append(lexeme)
        position = match.end()
    _refuse_doubled_signs(parts, dialect)
    return tokens, "".join(parts).strip()


def without_hints(sql: str, dialect: Dialect | None = None) -> str:
    """The SQL with blanks in the place of its hints, so that every other place stays where it was.

    Without a dialect it is the one in use.
    """
    hints = (dialect or dialect_in_use()).hints
    if hints is None or "/*+" not in sql:
        return sql
    return hints.sub(lambda found: " " * len(found[0]) if found[0].startswith("/*+") else found[0], sql)


def _refuse_misplaced_hint(before: list[Token]) -> None:
    if not before or before[-1].kind != "word" or before[-1].name != "select":
        raise ExpressionError(
            "/*+ ... */ is a hint, which stands right behind SELECT, in a sub-select; hints for the statements of the"
            " entry belong under its key hints"
        )


def _why_no_token(rest: str, text: str, dialect: Dialect) -> str:
    first = rest[0]
    if first in ("'", '"', dialect.quote_mark):
        return f"the quote {first} is never closed"
    for beginning, message in _MESSAGES.items():
        if rest.startswith(beginning):
            return message
    if first.isdigit():
        word = re.match(rf"{_WORD}+", rest)
        name = word.group() if word else first
        if sign := next(filter(None, map(describe_sign, name)), None):
            return f"{sign}; {_name_in_quotes(name, dialect)}"
        return f"a name that begins with a digit needs {dialect.marks}: {dialect.quote(name)}"
    if first in "?:" or template(text):
        return f"{first} does not belong in an expression of {dialect.title}: {NOT_FILLED_IN}"
    return (
        f"{first} does not belong in an expression of {dialect.title}; text needs quotes, unusual names need"
        f" {dialect.marks}"
    )


def _name_in_quotes(name: str, dialect: Dialect) -> str:
    around = "'" if dialect.quote_mark == '"' else '"'
    return (
        f"a column that really has this name needs {dialect.marks}, and quotes around them:"
        f" {around}{dialect.quote(name)}{around}"
    )


def _refuse_unprintable(text: str) -> None:
    for letter in text:
        if unicodedata.category(letter) in ("Cc", "Cs") and letter not in "\t\r\n":
            raise ExpressionError(
                f"it holds the unprintable character U+{ord(letter):04X}; in text write CHAR({ord(letter)}) instead"
            )


def _refuse_odd_letters(kind: str, lexeme: str, dialect: Dialect) -> None:
    """Servers read every non-ASCII character as part of a name, a full-width bracket or space too."""
    if kind == "string" and is_template(lexeme[1:-1]):
        raise ExpressionError(f"{lexeme} is a template: {NOT_FILLED_IN}. A text that really is so is made by CONCAT")
    if kind == "word" and (sign := next(filter(None, map(describe_sign, lexeme)), None)):
        raise ExpressionError(
            f"{sign}. Outside of quotes {dialect.title} takes it for a letter of a name;"
            f" {_name_in_quotes(lexeme, dialect)}"
        )


def _refuse_doubled_signs(parts: list[str], dialect: Dialect) -> None:
    """Refuse `--`, `//` and `==`. `5--1` is 6 in MySQL, and 5 with a comment in standard SQL; sqlglot accepts `==`."""
    for before, after in itertools.pairwise(parts):
        if before == after == "-":
            raise ExpressionError(
                "-- is a comment for some readers and two minus signs for others; put a space between them"
            )
        if before == after == "/":
            raise ExpressionError("// begins no comment in SQL; comments are /* ... */")
        if before == after == "=":
            raise ExpressionError(f"== is not an operator of {dialect.title}; write =")
