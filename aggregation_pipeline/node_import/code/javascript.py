"""Splits JavaScript into tokens, as far as it takes to find what a file loads and where its object literals are.

It is no parser: Node runs the code. A file that this reads wrongly gives literals that Node refuses, which is said.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, Literal, NamedTuple

Kind = Literal["word", "text", "number", "template", "regex", "mark"]

_SPACE: Final = re.compile(r"(?:\s|\ufeff|//[^\n]*|/\*.*?(?:\*/|\Z)|\A#![^\n]*|<!--[^\n]*)+", re.DOTALL)
_WORD: Final = re.compile(r"[#\w$]+")
_TEXT: Final = re.compile(r"'(?:\\.|[^'\\\n])*'?|\"(?:\\.|[^\"\\\n])*\"?", re.DOTALL)
_REGEX: Final = re.compile(r"/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\[\n])+/\w*")
_MARK: Final = re.compile(r"=>|\?\?=?|\?\.(?!\d)|\|\|=?|&&=?|\.\.\.|[=!]==?|[^\w\s]")
_ESCAPE: Final = re.compile(r"\\(u\{[0-9a-fA-F]+\}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|\r\n|.)", re.DOTALL)
_ESCAPED: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "\n": "", "\r\n": ""}
# After these words an expression begins, so that a / begins a regular expression.
_BEFORE_EXPRESSION: Final = frozenset(
    (
        "return",
        "typeof",
        "case",
        "in",
        "of",
        "delete",
        "void",
        "throw",
        "new",
        "await",
        "yield",
        "else",
        "do",
        "default",
    )
)
_CLOSING: Final = {"{": "}", "[": "]", "(": ")"}


class Token(NamedTuple):
    """One token; `start` and `end` are places in the source."""

    kind: Kind
    text: str
    start: int
    end: int

    @property
    def value(self) -> str:
        """What a text literal, or a template without `${`, stands for; any other token's text."""
        if self.kind not in ("text", "template"):
            return self.text
        inner = self.text[1:-1] if len(self.text) > 1 and self.text[-1] == self.text[0] else self.text[1:]
        return _ESCAPE.sub(_unescaped, inner)

    @property
    def is_constant(self) -> bool:
        """Whether it is a text that nothing is put into."""
        return self.kind == "text" or (self.kind == "template" and "${" not in self.text)


def tokenize(source: str) -> list[Token]:
    """The tokens of a file, without comments."""
    tokens: list[Token] = []
    position = 0
    while position < len(source):
        if space := _SPACE.match(source, position):
            position = space.end()
            continue
        token = _token(source, position, tokens)
        tokens.append(token)
        position = token.end
    return tokens


def matching_marks(tokens: Sequence[Token]) -> dict[int, int]:
    """For each opening bracket the place of the one that closes it, both as indexes of tokens."""
    matches: dict[int, int] = {}
    opened: list[int] = []
    for index, token in enumerate(tokens):
        if token.kind != "mark":
            continue
        if token.text in _CLOSING:
            opened.append(index)
        elif opened and token.text == _CLOSING[tokens[opened[-1]].text]:
            matches[opened.pop()] = index
    return matches


def starts_expression(tokens: Sequence[Token], index: int) -> bool:
    """Whether an expression may stand at this place, judged by the token before it."""
    if index == 0:
        return False
    before = tokens[index - 1]
    if before.kind == "word":
        return before.text in _BEFORE_EXPRESSION
    return before.kind == "mark" and before.text not in {")", "]", "}", ";", "=>", ".", "?."}


def _token(source: str, position: int, before: list[Token]) -> Token:
    first = source[position]
    if first in "'\"":
        return _matched("text", _TEXT, source, position)
    if first == "`":
        return Token("template", source[position : (end := _template_end(source, position))], position, end)
    if word := _WORD.match(source, position):
        kind: Kind = "number" if first.isdigit() else "word"
        return Token(kind, word[0], position, word.end())
    if first == "/" and _regex_may_follow(before) and (regex := _REGEX.match(source, position)):
        return Token("regex", regex[0], position, regex.end())
    return _matched("mark", _MARK, source, position)


def _matched(kind: Kind, pattern: re.Pattern[str], source: str, position: int) -> Token:
    found = pattern.match(source, position)
    end = found.end() if found else position + 1
    return Token(kind, source[position:end], position, end)


def _regex_may_follow(before: list[Token]) -> bool:
    if not before:
        return True
    last = before[-1]
    if last.kind == "word":
        return last.text in _BEFORE_EXPRESSION
    return last.kind == "mark" and last.text not in {")", "]", "}"}


def _template_end(source: str, start: int) -> int:
    """Where a template literal ends; the code in its `${...}`, with other templates, is a part of it."""
    position, depth = start + 1, 0
    while position < len(source):
        char = source[position]
        if depth == 0:
            if char == "`":
                return position + 1
            opens = source.startswith("${", position)
            depth += opens
            position += 2 if opens or char == "\\" else 1
        elif char == "`":
            position = _template_end(source, position)
        elif text := _TEXT.match(source, position):
            position = text.end()
        else:
            depth += (char == "{") - (char == "}")
            position += 1
    return len(source)


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    if len(code) > 1 and code[0] in "ux":
        number = int(code[1:].strip("{}"), 16)
        return chr(number) if number <= 0x10FFFF else ""
    return _ESCAPED.get(code, code)


def line_of(source: str, position: int) -> int:
    """The line, counted from 1."""
    return source.count("\n", 0, position) + 1


def keys_in(tokens: Sequence[Token], start: int, end: int) -> Iterator[tuple[str, int]]:
    """The keys of object literals between two tokens, at any depth, each with the index of its token."""
    for index in range(start, end - 1):
        token, after = tokens[index], tokens[index + 1]
        if after.text == ":" and after.kind == "mark" and (token.kind == "word" or token.is_constant):
            yield token.value, index
        elif token.kind == "word" and tokens[index - 1].text in {"{", ","} and after.text in {",", "}"}:
            # A shorthand: { users, orders }.
            yield token.text, index
