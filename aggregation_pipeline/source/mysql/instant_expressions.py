"""Tell from an expression's tokens whether a TIMESTAMP column in it stays an instant or is converted to a reading."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Self

from aggregation_pipeline.config.sql.tokens import Token

_NOTHING: Final = Token("symbol", "")
# What may stand before `column IS NULL` without being part of the tested expression.
_BEFORE_IS_NULL: Final = frozenset(
    ("", "(", ",", "and", "or", "not", "xor", "when", "where", "having", "on", "select", "&&", "||", "!")
)
# What may follow a column in ORDER BY or GROUP BY.
_BEHIND_A_KEY: Final = frozenset(("", ")", ",", "asc", "desc", "limit", "having", "order"))
SET_OPERATIONS: Final = frozenset(("union", "except", "intersect"))


def without_brackets(tokens: list[Token]) -> list[Token]:
    """Return the tokens without brackets around all of them."""
    while (
        len(tokens) > 2
        and tokens[0].text == "("
        and [tokens[1:-1]] == arguments_of(tokens, 1)
        and tokens[-1].text == ")"
    ):
        tokens = tokens[1:-1]
    return tokens


def arguments_of(tokens: Sequence[Token], start: int) -> list[list[Token]]:
    """Return the arguments of a call whose first argument begins at `start`."""
    arguments: list[list[Token]] = [[]]
    depth = 0
    for token in tokens[start:]:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth < 0:
            break
        if token.text == "," and depth == 0:
            arguments.append([])
        else:
            arguments[-1].append(token)
    return [one for one in arguments if one]


def is_instant(argument: Sequence[Token], instants: Collection[str]) -> bool:
    """Return whether an argument is just one of the columns `instants`, with or without its table's name."""
    return (
        len(argument) in (1, 3, 5)
        and argument[-1].name in instants
        and all(token.text == "." for token in argument[1::2])
    )


def to_sql_text(tokens: Sequence[Token]) -> str:
    """Return the tokens as SQL again."""
    text = ""
    for before, token in zip([Token("symbol", "."), *tokens], tokens, strict=False):
        close = "." in (before.text, token.text) or (token.text == "(" and before.kind in ("word", "quoted"))
        text += token.text if close else f" {token.text}"
    return text


def stays_instant(tokens: Sequence[Token], place: int) -> bool:
    """Return whether the column at `place`, or its MIN or MAX, is only selected, counted, tested for NULL or sorted by.

    Everything else converts it to a clock reading, or may do so.
    """
    span = _Span.of_column(tokens, place)
    while (wider := span.widened()) is not None:
        span = wider
    return span.is_whole() or span.is_counted() or span.is_key() or span.is_tested_for_null()


@dataclass(frozen=True)
class _Span:
    """Tokens that together are an instant, from `first` to `last`."""

    tokens: Sequence[Token]
    first: int
    last: int

    @classmethod
    def of_column(cls, tokens: Sequence[Token], place: int) -> Self:
        first = place
        while first >= 2 and tokens[first - 1].text == ".":
            first -= 2
        return cls(tokens, first, place)

    def _at(self, place: int) -> Token:
        return self.tokens[place] if 0 <= place < len(self.tokens) else _NOTHING

    def before(self, steps: int = 1) -> str:
        token = self._at(self.first - steps)
        return token.name or token.text

    def after(self, steps: int = 1) -> str:
        token = self._at(self.last + steps)
        return token.name or token.text

    def widened(self) -> Self | None:
        """The brackets, the MIN or MAX, or the sub-select around it, which are instants too; None for anything else."""
        if self.before() == "select" or (self.before(), self.before(2)) == ("distinct", "select"):
            return self._sub_select()
        if (self.before(), self.after()) != ("(", ")"):
            return None
        outer = self._at(self.first - 2)
        if outer.name in ("min", "max"):
            return self._span(self.first - 2, self.last + 1)
        return None if outer.name and self.first >= 2 else self._span(self.first - 1, self.last + 1)

    def _span(self, first: int, last: int) -> Self:
        return type(self)(self.tokens, first, last)

    def _sub_select(self) -> Self | None:
        """The whole sub-select, if this is its one output."""
        start = self.first - (1 if self.before() == "select" else 2)
        if self.after() != "from" or (start > 0 and self._at(start - 1).text != "("):
            return None
        depth = 0
        for place in range(start, len(self.tokens)):
            depth += {"(": 1, ")": -1}.get(self.tokens[place].text, 0)
            if depth < 0:
                return self._span(start, place - 1)
            if depth == 0 and self.tokens[place].name in SET_OPERATIONS:
                return None
        return self._span(start, len(self.tokens) - 1) if start == 0 else None

    def is_whole(self) -> bool:
        return self.first == 0 and (self.last == len(self.tokens) - 1 or self.after() == "over")

    def is_counted(self) -> bool:
        """Whether it is an argument of COUNT or UNIX_TIMESTAMP, which take it as an instant."""
        if self.before() not in ("(", ",", "distinct") or self.after() not in (")", ","):
            return False
        depth = 0
        for place in range(self.first - 1, 0, -1):
            depth += {")": 1, "(": -1}.get(self.tokens[place].text, 0)
            if depth < 0:
                return self.tokens[place - 1].name in ("count", "unix_timestamp")
        return False

    def is_key(self) -> bool:
        return self.before() == "by" and self.after() in _BEHIND_A_KEY

    def is_tested_for_null(self) -> bool:
        null = self.after() == "is" and (self.after(2) == "null" or (self.after(2), self.after(3)) == ("not", "null"))
        return null and self.before() in _BEFORE_IS_NULL
