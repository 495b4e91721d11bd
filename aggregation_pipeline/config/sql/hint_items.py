"""The lexemes of a comment with hints, and the hints that they make.

Only what every server reads alike is taken: no signs that could end the comment or begin another one or a statement.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from aggregation_pipeline.config.sql.tokens import ExpressionError

_LEXEME: Final = re.compile(r"[ \t\r\n]+|`[^`*/\\]+`|'[\w=,.:+ -]*'|\"[\w=,.:+ -]*\"|[\w$]+|[()\[\]{}@.=:|,]")
_WORD: Final = re.compile(r"[^\W\d][\w$]*")
_BRACKETS: Final = {"(": ")", "[": "]", "{": "}"}


class Lexeme(NamedTuple):
    """A word, name, text or sign, and its place in the comment."""

    text: str
    start: int
    end: int


def lexemes_of(inside: str) -> list[Lexeme]:
    """Split what stands between the marks of a comment; blanks are left out.

    Raises:
        ExpressionError: it holds a sign that no hint needs.
    """
    found, position = [], 0
    while position < len(inside):
        match = _LEXEME.match(inside, position)
        if match is None:
            raise ExpressionError(
                f"{inside[position]} does not belong in a hint; letters, digits, names in backticks, plain texts in"
                " quotes and ( ) [ ] { } @ . , = : | are taken"
            )
        if match[0].strip():
            found.append(Lexeme(match[0], match.start(), match.end()))
        position = match.end()
    return found


class Item(NamedTuple):
    """A hint: `NAME`, `NAME(arguments)` or `NAME = value`.

    Attributes:
        name: in upper case.
        text: as it is written.
        arguments: the lexemes between its brackets, or behind its `=`.
        is_setting: whether it has a `=`.
    """

    name: str
    text: str
    arguments: tuple[str, ...]
    is_setting: bool = False


def items_of(inside: str, lexemes: Sequence[Lexeme]) -> Iterator[Item]:
    """The hints of a comment; commas may stand between them.

    Args:
        inside: what stands between the marks of the comment.
        lexemes: of it, or of its end.

    Raises:
        ExpressionError: they do not make hints.
    """
    place = 0
    while place < len(lexemes):
        first = lexemes[place]
        if first.text == ",":
            place += 1
            continue
        if not _WORD.fullmatch(first.text):
            raise ExpressionError(f"{first.text} is no name of a hint; a hint is a word, as in INDEX(orders by_day)")
        begin = place + 1
        following = lexemes[begin].text if begin < len(lexemes) else ""
        is_setting = following == "="
        begin += is_setting
        end = _end(lexemes, begin) if following == "(" or is_setting else begin
        arguments = tuple(lexeme.text for lexeme in lexemes[begin:end])
        text = inside[first.start : lexemes[end - 1].end]
        if is_setting and not arguments:
            raise ExpressionError(f"{text} has no value")
        yield Item(first.text.upper(), text, arguments if is_setting else arguments[1:-1], is_setting)
        place = end


def _end(lexemes: Sequence[Lexeme], place: int) -> int:
    """The place behind a value, or behind the bracket that closes the one there."""
    closing: list[str] = []
    for position in range(place, len(lexemes)):
        text = lexemes[position].text
        if text in _BRACKETS:
            closing.append(_BRACKETS[text])
        elif text in _BRACKETS.values() and (not closing or closing.pop() != text):
            break
        if not closing:
            return position + 1
    if place >= len(lexemes):
        return place
    raise ExpressionError("a bracket in a hint is not closed, or closes none")
