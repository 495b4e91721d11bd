"""Where rules may stand in a source file: object literals with keys of rules, and the tables that they are about."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from aggregation_pipeline.node_import.code.javascript import Token, keys_in, matching_marks, starts_expression
from aggregation_pipeline.node_import.code.scopes import with_constants
from aggregation_pipeline.node_import.code.sources import SourceFile

_KEYS_OF_RULES: Final = frozenset(("groupBy", "group_by", "aggregations", "selectFields", "select_fields"))
_KEYS_OF_MAPS: Final = frozenset(("tableConfigs", "table_configs"))
_NAMED_LIKE_RULES: Final = re.compile(r"config|rule|aggregat|tables?\b", re.IGNORECASE)
# const defaultConfig = {...}, which is no table's.
_NO_TABLE: Final = re.compile(r"(const|let|var) \S*(config|default|option|rule|setting)\S* =", re.IGNORECASE)
_NO_KEY_OF_TABLE: Final = re.compile(r"conf|opt|param|rule|query|default|setting|body|arg|spec|filter", re.IGNORECASE)
_THIS: Final = re.compile(r"\bthis\b")
# More literals than this in one file are no rules.
_MOST_LITERALS: Final = 400


@dataclass(frozen=True)
class Literal:
    """An object literal, by its first and last token.

    Attributes:
        text: the code of it, with the constants of the function around it.
        needs_this: whether it asks an object that exists only while the service runs.
        is_written_out: whether a key of rules has a value there, and not a variable, as in a call of a function.
        is_under_key: whether it stands under a key that may be a table.
        table: the table that it is about, where it is the rules of one: the key, or what it is assigned to.
    """

    start: int
    end: int
    text: str
    needs_this: bool
    is_written_out: bool
    is_under_key: bool
    table: str | None

    def holds(self, other: "Literal") -> bool:
        """Whether the other one is a part of it."""
        return self.start < other.start and other.end < self.end


@dataclass(frozen=True)
class Candidate:
    """A file that may hold rules."""

    source: SourceFile

    @cached_property
    def has_rules(self) -> bool:
        """Whether keys of rules stand in it."""
        tokens = self.source.tokens
        return any(key in _KEYS_OF_RULES | _KEYS_OF_MAPS for key, _ in keys_in(tokens, 0, len(tokens)))

    @property
    def is_worth_running(self) -> bool:
        """Whether it is run: it has keys of rules, reads a JSON file, or has a name like that of a configuration."""
        reads_json = any(token.is_constant and token.value.endswith(".json") for token in self.source.tokens)
        return self.has_rules or reads_json or _NAMED_LIKE_RULES.search(self.source.name) is not None

    @cached_property
    def literals(self) -> Sequence[Literal]:
        """The object literals with keys of rules, each before those inside of it."""
        return tuple(self._literals())

    def _literals(self) -> Iterator[Literal]:
        tokens = self.source.tokens
        matches = matching_marks(tokens)
        keyed = [index for key, index in keys_in(tokens, 0, len(tokens)) if key in _KEYS_OF_RULES | _KEYS_OF_MAPS]
        found = 0
        for index, token in enumerate(tokens):
            end = matches.get(index)
            if token.text != "{" or end is None or not starts_expression(tokens, index):
                continue
            inside = [key for key in keyed if index < key < end]
            if not inside:
                continue
            found += 1
            if found > _MOST_LITERALS:
                return
            code = with_constants(self.source, matches, index, end)
            filled = any(map(self._has_value, inside))
            named = tokens[index - 1].text == ":" and not _NO_KEY_OF_TABLE.search(tokens[index - 2].value)
            yield Literal(index, end, code, _THIS.search(code) is not None, filled, named, self._table_before(index))

    def _has_value(self, key: int) -> bool:
        match self.source.tokens[key + 1 : key + 4]:
            case [Token(text=":"), Token(kind="word"), after]:
                return after.text == "("
            case [Token(text=":"), value, _]:
                return value.text in {"[", "{", "("} or value.kind in ("text", "template")
            case _:
                return False

    def _table_before(self, index: int) -> str | None:
        """`users` in `users: {`, `rules.users = {`, `x['users'] = {`, `case 'users': return {`, `set('users', {`."""
        before = self.source.tokens[max(index - 5, 0) : index]
        texts = [token.text for token in before]
        for pattern, place in (
            ((":",), -2),
            (("]", "="), -3),
            (("=",), -2),
            ((":", "return"), -3),
            (("(", None, ","), -2),
        ):
            if pattern == ("=",) and _NO_TABLE.search(" ".join(texts[-3:])):
                return None
            tail = texts[-len(pattern) :]
            if len(tail) == len(pattern) and all(map(_fits, pattern, tail)):
                token = before[place] if len(before) >= -place else None
                if token and token.text == "default" and "return" in pattern:
                    # Of a switch: the rules of all other tables.
                    return None
                return token.value if token and (token.kind == "word" or token.is_constant) else None
        return None

    def place_of(self, table: str, within: Literal | None = None) -> str | None:
        """Where the key of a table stands."""
        first, last = (within.start, within.end) if within else (0, len(self.source.tokens))
        for key, index in keys_in(self.source.tokens, first, last):
            if key == table:
                return self.source.place(index)
        return None


def _fits(wanted: str | None, text: str) -> bool:
    return wanted is None or wanted == text
