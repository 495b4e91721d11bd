"""The constants of the functions around a piece of code, so that it can be evaluated outside of them."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from aggregation_pipeline.node_import.code.javascript import Token, line_of
from aggregation_pipeline.node_import.code.sources import SourceFile

_STATEMENTS: Final = frozenset(
    ("const", "let", "var", "return", "if", "for", "while", "do", "switch", "try", "throw", "function", "class")
)
# What has no meaning outside of the function.
_OF_THE_CALL: Final = frozenset(("await", "yield", "arguments", "super"))


class _Constant(NamedTuple):
    names: frozenset[str]
    start: int
    end: int


def with_constants(source: SourceFile, matches: Mapping[int, int], start: int, end: int) -> str:
    """The code of these tokens, with the constants that it needs of the blocks around it in front.

    A constant that is used in between otherwise than for another constant may have been changed, and stays unknown.
    """
    tokens = source.tokens
    code = _text(source, start, end + 1)
    around = [index for index, close in matches.items() if index < start and end < close and tokens[index].text == "{"]
    known = [each for block in around for each in _constants(source, matches, block + 1, start)]
    needed = _words(tokens, start, end + 1)
    taken: list[_Constant] = []
    for constant in sorted(known, reverse=True, key=lambda each: each.start):
        if constant.names & needed and not _is_used_between(tokens, constant, known, start):
            taken.append(constant)
            needed = (needed - constant.names) | _words(tokens, constant.start, constant.end)
    if not taken:
        return code
    before = "; ".join(_text(source, each.start, each.end) for each in reversed(taken))
    return f"(() => {{ {before}; return ({code}\n); }})()"


def _constants(source: SourceFile, matches: Mapping[int, int], first: int, last: int) -> list[_Constant]:
    """The constants that a block declares before a place."""
    tokens, found, index = source.tokens, [], first
    while index < last:
        if tokens[index].text == "const" and tokens[index].kind == "word":
            end = _end_of(source, matches, index, last)
            if end is not None and not _words(tokens, index, end) & _OF_THE_CALL:
                found.append(_Constant(_declared(tokens, matches, index + 1), index, end))
            index = end or index + 1
        else:
            index = matches.get(index, index) + 1
    return found


def _declared(tokens: Sequence[Token], matches: Mapping[int, int], index: int) -> frozenset[str]:
    return frozenset(_words(tokens, index, matches.get(index, index) + 1))


def _end_of(source: SourceFile, matches: Mapping[int, int], start: int, last: int) -> int | None:
    """Where a declaration ends: before its semicolon, or before a statement in a further line."""
    tokens, index = source.tokens, start + 1
    while index < last:
        token = tokens[index]
        if token.text == ";":
            return index
        if token.text in _STATEMENTS and line_of(source.text, token.start) > line_of(
            source.text, tokens[index - 1].start
        ):
            return index
        index = matches.get(index, index) + 1
    return None


def _is_used_between(tokens: Sequence[Token], constant: _Constant, known: Sequence[_Constant], last: int) -> bool:
    inside = {index for each in known for index in range(each.start, each.end)}
    return any(
        tokens[index].kind == "word" and tokens[index].text in constant.names
        for index in range(constant.end, last)
        if index not in inside
    )


def _words(tokens: Sequence[Token], start: int, end: int) -> set[str]:
    """The words of the code; those inside of `${...}` count too."""
    found: set[str] = set()
    for index, token in enumerate(tokens[start:end], start):
        before, after = (tokens[place].text if 0 <= place < len(tokens) else "" for place in (index - 1, index + 1))
        is_key = before in {".", "?."} or (after == ":" and before in {"{", ","})
        if token.kind == "word" and not is_key:
            found.add(token.text)
        elif token.kind == "template" and not token.is_constant:
            found.update("".join(char if char.isalnum() or char in "_$" else " " for char in token.text).split())
    return found | {word.lstrip("$") for word in found}


def _text(source: SourceFile, start: int, end: int) -> str:
    return source.text[source.tokens[start].start : source.tokens[end - 1].end]
