"""Splits an expression into tokens as MySQL's own lexer does, so that the server runs exactly what was checked.

sqlglot's tokenizer cannot do this: unlike MySQL it reads `5--1` as a comment, U+00A0 as a space and `/*! ... */` as
nothing. Where the two could still differ, the expression is refused, and the message shows a spelling that both read
alike.
"""

import itertools
import re
import unicodedata
from typing import Final, Literal, NamedTuple

from aggregation_pipeline.config.messages.likely_causes import NOT_FILLED_IN, describe_sign, is_template, template

_WORD: Final = r"[0-9A-Za-z_$\u0080-\U0010ffff]"
_PATTERN: Final = re.compile(
    rf"""
      (?P<space>    [ \t\r\n]+ )
    | (?P<comment>  --(?=[ \t\r\n]|$)[^\n]* | \#[^\n]* | /\*.*?\*/ )
    | (?P<string>   '(?:[^'\\]|\\.|'')*+' | "(?:[^"\\]|\\.|"")*+" )
    | (?P<quoted>   `(?:[^`]|``)++` )
    | (?P<number>   (?:0x[0-9A-Fa-f]+|0b[01]+|(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(?!{_WORD}) )
    | (?P<word>     (?![0-9]){_WORD}+ )
    | (?P<symbol>   @@ | /(?!\*) | [-(),.+*%<>=!&|^~@] )
    """,
    re.VERBOSE | re.DOTALL,
)
_SEPARATORS: Final = ("space", "comment")
_MESSAGES: Final = {
    "/*": "the comment /* is never closed",
    ";": "a semicolon ends a statement; one expression is expected, not a statement, and without ; at its end",
    ":=": "assignments (:=) change the session; only expressions that read are taken",
}


class ExpressionError(ValueError):
    """An expression of the config that is refused; the message says why, and what to write instead."""


class Token(NamedTuple):
    """One lexeme; `text` is the user's own, quotes included."""

    kind: Literal["string", "quoted", "number", "word", "symbol"]
    text: str

    @property
    def name(self) -> str:
        """The name that a word or a quoted name means, in lower case; empty for any other token."""
        if self.kind == "quoted":
            return unquote(self.text).lower()
        return self.text.lower() if self.kind == "word" else ""


def quote(name: str) -> str:
    """A name in backticks, which MySQL accepts whatever it holds."""
    return "`" + name.replace("`", "``") + "`"


def unquote(text: str) -> str:
    """The name inside backticks."""
    return text[1:-1].replace("``", "`")


def tokenize(text: str) -> tuple[list[Token], str]:
    """The tokens of an expression, and its text without comments, with one space for each run of white space.

    Raises:
        ExpressionError: a character that no expression of MySQL holds, or that servers read differently.
    """
    _refuse_unprintable(text)
    tokens: list[Token] = []
    parts: list[str] = []
    position = 0
    while position < len(text):
        match = _PATTERN.match(text, position)
        if match is None:
            raise ExpressionError(_why_no_token(text[position:], text))
        kind, lexeme = str(match.lastgroup), match.group()
        if kind in _SEPARATORS:
            if lexeme.startswith(("/*!", "/*+", "/*M!")):
                raise ExpressionError(
                    f"{lexeme[:4].rstrip()} ... */ is a comment that the server obeys; write plain SQL, or /* a"
                    " remark */"
                )
            if parts and parts[-1] != " ":
                parts.append(" ")
        else:
            _refuse_odd_letters(kind, lexeme)
            tokens.append(Token(kind, lexeme))  # type: ignore[arg-type]  # the pattern has no other groups
            parts.append(lexeme)
        position = match.end()
    _refuse_doubled_signs(parts)
    return tokens, "".join(parts).strip()


def _why_no_token(rest: str, text: str) -> str:
    first = rest[0]
    if first in "'\"`":
        return f"the quote {first} is never closed"
    for beginning, message in _MESSAGES.items():
        if rest.startswith(beginning):
            return message
    if first.isdigit():
        word = re.match(rf"{_WORD}+", rest)
        name = word.group() if word else first
        if sign := next(filter(None, map(describe_sign, name)), None):
            return f"{sign}; {_name_in_backticks(name)}"
        return f"a name that begins with a digit needs backticks: {quote(name)}"
    if first in "?:" or template(text):
        return f"{first} does not belong in an expression of MySQL: {NOT_FILLED_IN}"
    return f"{first} does not belong in an expression of MySQL; text needs quotes, unusual names need backticks"


def _name_in_backticks(name: str) -> str:
    return f'a column that really has this name needs backticks, and quotes around them: "{quote(name)}"'


def _refuse_unprintable(text: str) -> None:
    for letter in text:
        if unicodedata.category(letter) in ("Cc", "Cs") and letter not in "\t\r\n":
            raise ExpressionError(
                f"it holds the unprintable character U+{ord(letter):04X}; in text write CHAR({ord(letter)}) instead"
            )


def _refuse_odd_letters(kind: str, lexeme: str) -> None:
    """MySQL reads every non-ASCII character as part of a name, a full-width bracket or space too."""
    if kind == "string" and is_template(lexeme[1:-1]):
        raise ExpressionError(f"{lexeme} is a template: {NOT_FILLED_IN}. A text that really is so is made by CONCAT")
    if kind == "word" and (sign := next(filter(None, map(describe_sign, lexeme)), None)):
        raise ExpressionError(
            f"{sign}. Outside of quotes MySQL takes it for a letter of a name; {_name_in_backticks(lexeme)}"
        )


def _refuse_doubled_signs(parts: list[str]) -> None:
    """Refuse `--`, `//` and `==`. `5--1` is 6 in MySQL, and 5 with a comment in standard SQL; sqlglot accepts `==`."""
    for before, after in itertools.pairwise(parts):
        if before == after == "-":
            raise ExpressionError(
                "-- is a comment for some readers and two minus signs for others; put a space between them"
            )
        if before == after == "/":
            raise ExpressionError("// begins no comment in SQL; comments are /* ... */")
        if before == after == "=":
            raise ExpressionError("== is not an operator of MySQL; write =")
