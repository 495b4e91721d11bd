"""Which columns, tables and functions an expression names, read from its tokens.

The columns of a table are not known here, so scopes cannot be resolved completely. Names decide instead: a name that
may be a certain column counts as that column, wherever it stands in the expression.
"""

import functools
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from aggregation_pipeline.config.sql.expressions import CONSTANTS
from aggregation_pipeline.config.sql.server_functions import KNOWN, WITHOUT_BLANK
from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.config.sql.tokens import Token, tokenize, unquote

# Behind these words * means all columns; behind any other name it multiplies.
_BEFORE_STAR: Final = frozenset(
    (
        *("select", "all", "distinct", "distinctrow", "high_priority", "straight_join", "sql_big_result"),
        *("sql_buffer_result", "sql_cache", "sql_calc_found_rows", "sql_no_cache", "sql_small_result"),
    )
)
_NAMES: Final = ("word", "quoted")
# Equal letters in MySQL's oldest collation that Unicode does not make equal.
_EQUAL_LETTERS: Final = str.maketrans({"ß": "s", "ẞ": "s", "ı": "i"})


@dataclass(frozen=True)
class Reference:
    """A name in an expression, other than a function's.

    Attributes:
        parts: its parts in the user's spelling, without backticks: `("u", "phone")`.
        counted: whether it is only an argument of COUNT, which shows no more of it than where it is NULL.
    """

    parts: tuple[str, ...]
    counted: bool = False

    @property
    def comparable(self) -> str:
        """The last part as `comparable_name` makes it."""
        return comparable_name(self.parts[-1])

    @property
    def before(self) -> str:
        """The part before the last as `comparable_name` makes it; empty without one."""
        return comparable_name(self.parts[-2]) if len(self.parts) > 1 else ""


@dataclass(frozen=True)
class References:
    """What an expression names.

    Attributes:
        names: of columns, tables, aliases, and words of SQL.
        stored_functions: functions that are not known to be built into the server.
        selects_all: whether it reads columns that it does not name: `SELECT *`, `TABLE t`, NATURAL JOIN.
        has_subquery: whether it holds a sub-select.
        has_window: whether it holds a window, in which some servers read aliases as columns.
        relations: the tables behind each name or alias in a sub-select, by comparable name; None for a derived table.
    """

    names: tuple[Reference, ...]
    stored_functions: tuple[TableName, ...]
    selects_all: bool
    has_subquery: bool
    has_window: bool
    relations: Mapping[str, frozenset[TableName | None]]


@functools.lru_cache(maxsize=16_384)
def comparable_name(name: str) -> str:
    """A name in the form in which servers compare it: without case, blanks at the end and accents.

    Some servers do tell accents apart; here a name that may be the same counts as the same.
    """
    letters = unicodedata.normalize("NFKD", name.rstrip(" ").translate(_EQUAL_LETTERS).casefold())
    return unicodedata.normalize(
        "NFC", "".join(letter for letter in letters if unicodedata.category(letter) != "Mn")
    ).casefold()


def same_table(one: TableName, other: TableName) -> bool:
    """Whether two names may mean one table; a name without a database may be of any, as the connection is not known."""
    databases = [comparable_name(name.database) for name in (one, other) if name.database]
    return comparable_name(one.name) == comparable_name(other.name) and len(set(databases)) < 2


@functools.lru_cache(maxsize=4096)
def references_in(expression: str) -> References:
    """Everything that a checked expression names."""
    tokens, clean = tokenize(expression)
    words = {token.name for token in tokens if token.kind == "word"}
    has_subquery = not words.isdisjoint(("select", "table"))
    relations = _relations(expression) if has_subquery else {}
    chains = list(_chains(tokens, clean))
    counted = frozenset(_counted(tokens, clean))
    stored = (chain.as_table for chain in chains if chain.may_be_stored_function)
    return References(
        names=tuple(
            Reference(chain.parts, counted=chain.end in counted)
            for chain in chains
            if not (chain.is_call or chain.is_value)
        ),
        stored_functions=tuple((Counter(stored) - Counter(_column_lists(expression) if has_subquery else ())).keys()),
        selects_all=has_subquery
        and (
            "natural" in words or "table" in words or any(map(_is_star, [None, None, *tokens], [None, *tokens], tokens))
        ),
        has_subquery=has_subquery,
        has_window="over" in words or "window" in words,
        relations=relations,
    )


def returns_cell_values(sql: str) -> bool:
    """Whether an expression returns cells of a column as they are, apart from case and blanks around them."""
    if not (trees := list(_parsed(sql))):
        return False
    node = trees[0].expressions[0]
    while (
        isinstance(node, exp.Paren | exp.Lower | exp.Upper | exp.Min | exp.Max | exp.Trim)
        and len([*node.iter_expressions()]) == 1
    ):
        node = node.this
    return isinstance(node, exp.Column) and not isinstance(node.this, exp.Star)


@dataclass(frozen=True)
class _Chain:
    """Names with dots between them.

    Attributes:
        end: the index of the last token.
        is_call: whether a parenthesis follows.
        blank_before_call: whether a blank stands before the parenthesis of a function that allows none.
    """

    parts: tuple[str, ...]
    end: int
    quoted: bool
    is_call: bool
    blank_before_call: bool

    @property
    def text(self) -> str:
        return self.parts[-1]

    @property
    def is_value(self) -> bool:
        """Whether it is one of MySQL's words for a value, such as CURRENT_USER."""
        return not self.quoted and not self.qualified and self.text.lower() in CONSTANTS

    @property
    def qualified(self) -> bool:
        return len(self.parts) > 1

    @property
    def may_be_stored_function(self) -> bool:
        is_unusual = self.qualified or self.quoted or self.blank_before_call
        return self.is_call and (is_unusual or self.text.lower() not in KNOWN)

    @property
    def as_table(self) -> TableName:
        return TableName(self.parts[-2] if self.qualified else None, self.text)


def _chains(tokens: Sequence[Token], clean: str) -> Iterator[_Chain]:
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
            blank_before_call = is_call and blanks[index + 1] and token.name in WITHOUT_BLANK
            yield _Chain(tuple(parts), index, quoted, is_call, blank_before_call)


def _blanks_before(tokens: Sequence[Token], clean: str) -> list[bool]:
    found, position = [], 0
    for token in tokens:
        blank = clean[position : position + 1] == " "
        found.append(blank)
        position += blank + len(token.text)
    return found


def _counted(tokens: Sequence[Token], clean: str) -> Iterator[int]:
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


def _is_star(two_before: Token | None, before: Token | None, token: Token) -> bool:
    """Whether it is the * for all columns. Behind a value it multiplies, and COUNT(*) reads no column."""
    if token.text != "*" or token.kind != "symbol":
        return False
    if before is None or before.kind in ("number", "string", "quoted"):
        return False
    if before.kind == "word":
        return before.name in _BEFORE_STAR
    counts = before.text == "(" and two_before is not None and two_before.name == "count"
    return before.text != ")" and not counts


def _relations(expression: str) -> dict[str, frozenset[TableName | None]]:
    """The tables behind names and aliases; empty if the expression does not parse, so that nothing is known of them."""
    found: dict[str, set[TableName | None]] = {}
    for tree in _parsed(expression):
        for node in tree.find_all(exp.Table, exp.TableAlias):
            named = node.parent if isinstance(node, exp.TableAlias) else node
            if isinstance(named, exp.Table) and isinstance(named.this, exp.Identifier):
                found.setdefault(comparable_name(named.alias_or_name), set()).add(
                    TableName(named.db or None, named.name)
                )
            elif isinstance(node, exp.TableAlias):
                found.setdefault(comparable_name(node.name), set()).add(None)
    return {name: frozenset(tables) for name, tables in found.items()}


def _column_lists(expression: str) -> Iterator[TableName]:
    """Aliases with a list of columns, which look like calls of functions: `z(a, b)`."""
    for tree in _parsed(expression):
        yield from (TableName(None, node.name) for node in tree.find_all(exp.TableAlias) if node.args.get("columns"))


def _parsed(expression: str) -> Iterable[exp.Expr]:
    try:
        return [sqlglot.parse_one(f"SELECT ({expression})", read="mysql")]
    except (SqlglotError, RecursionError):
        return []
