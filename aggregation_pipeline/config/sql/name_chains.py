"""Names in an expression, with the dots between them, read from its tokens."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from aggregation_pipeline.config.sql.dialect import Dialect, unquote
from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.config.sql.tokens import Token

_NAMES: Final = ("word", "quoted")


@dataclass(frozen=True)
class NameChain:
    """Names with dots between them, such as `shop.users.phone`.

    Attributes:
        parts: the names, without quotation marks.
        end: the index of the last token.
        quoted: whether the last name has quotation marks.
        is_call: whether a parenthesis follows.
        blank_before_call: whether a blank comes before the parenthesis of a function that allows none.
        dialect: of the expression.
    """

    parts: tuple[str, ...]
    end: int
    quoted: bool
    is_call: bool
    blank_before_call: bool
    dialect: Dialect

    @property
    def last(self) -> str:
        """The last name."""
        return self.parts[-1]

    @property
    def is_value(self) -> bool:
        """Whether it is one of the dialect's words for a value, such as CURRENT_USER."""
        return not self.quoted and not self.qualified and self.last.lower() in self.dialect.constants

    @property
    def qualified(self) -> bool:
        """Whether it has several names."""
        return len(self.parts) > 1

    @property
    def may_be_stored_function(self) -> bool:
        """Whether it is a call, and not surely of a function that is built into the server."""
        is_unusual = self.qualified or self.quoted or self.blank_before_call
        return self.is_call and (is_unusual or self.last.lower() not in self.dialect.functions)

    @property
    def as_table(self) -> TableName:
        """Its last two names as a database and what is in it."""
        return TableName(self.parts[-2] if self.qualified else None, self.last)


def name_chains(tokens: Sequence[Token], clean: str, dialect: Dialect) -> Iterator[NameChain]:
    """All names of an expression; `clean` is its text as `tokenize` returns it."""
    blanks = _blanks_before(tokens, clean)
    parts: list[str] = []
    for index, token in enumerate(tokens):
        if token.kind not in _NAMES:
            if token.text != ".":
                parts = []
            continue
        quoted = token.kind == "quoted"
        # Without a dot before it a name begins a new chain.
        joined = index > 0 and tokens[index - 1].text == "."
        parts = [*(parts if joined else []), unquote(token.text) if quoted else token.text]
        following = tokens[index + 1].text if index + 1 < len(tokens) else ""
        if following != ".":
            is_call = following == "("
            blank_before_call = is_call and blanks[index + 1] and token.name in dialect.functions_without_blank
            yield NameChain(tuple(parts), index, quoted, is_call, blank_before_call, dialect)


def _blanks_before(tokens: Sequence[Token], clean: str) -> list[bool]:
    """For each token, whether a blank comes before it."""
    found, position = [], 0
    for token in tokens:
        blank = clean[position : position + 1] == " "
        found.append(blank)
        position += blank + len(token.text)
    return found


def counted_names(tokens: Sequence[Token], clean: str) -> Iterator[int]:
    """The indexes of names that are plain arguments of COUNT: `COUNT(a)`, `COUNT(DISTINCT t.a, b)`."""
    blanks = _blanks_before(tokens, clean)
    for start in range(len(tokens) - 2):
        if (
            tokens[start].kind != "word"
            or tokens[start].name != "count"
            or tokens[start + 1].text != "("
            or blanks[start + 1]
        ):
            continue
        if start and tokens[start - 1].text == ".":
            continue
        index = start + 2 + (tokens[start + 2].kind == "word" and tokens[start + 2].name == "distinct")
        inside = []
        while index < len(tokens) and (tokens[index].kind in _NAMES or tokens[index].text in (".", ",")):
            inside.append(index)
            index += 1
        names = [each for each in inside if tokens[each].kind in _NAMES]
        alternate = all((tokens[each].kind in _NAMES) == (number % 2 == 0) for number, each in enumerate(inside))
        if alternate and index < len(tokens) and tokens[index].text == ")":
            yield from names
