"""Which columns, tables and functions an expression names, read word by word from our own tokens.

Nobody here knows which columns a table has, so scopes cannot be resolved to the end. Names decide instead: one that may
be a certain column counts as that column, wherever in the expression it stands.
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

# Each may stand before the * of a SELECT, where a name would be multiplied by what follows.
_BEFORE_STAR: Final = frozenset((
    "select", "all", "distinct", "distinctrow", "high_priority", "straight_join", "sql_big_result", "sql_buffer_result", "sql_cache",
    "sql_calc_found_rows", "sql_no_cache", "sql_small_result",
))  # fmt: skip
_NAMES: Final = ("word", "quoted")
# What MySQL's oldest collation takes for one letter, and Unicode does not.
_ALIKE: Final = str.maketrans({"ß": "s", "ẞ": "s", "ı": "i"})


@dataclass(frozen=True)
class Reference:
    """A name that is no function's.

    Attributes:
        parts: all of it, in the user's spelling without backticks: `("u", "phone")`.
        counted: whether it is an argument of COUNT and nothing else, which tells as much as NULL does.
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
        stored_functions: functions that are not the server's own, or are not known to be.
        selects_all: whether it takes columns that it does not name: `SELECT *`, `TABLE t`, NATURAL JOIN.
        has_subquery: whether it holds a sub-select.
        has_window: whether it holds a window, in which some servers take aliases for columns.
        relations: by name or alias in a sub-select, folded, the tables behind it; None for what is no table of the
            database.
    """

    names: tuple[Reference, ...]
    stored_functions: tuple[TableName, ...]
    selects_all: bool
    has_subquery: bool
    has_window: bool
    relations: Mapping[str, frozenset[TableName | None]]


@functools.lru_cache(maxsize=16_384)
def comparable_name(name: str) -> str:
    """A name as servers may compare it: without case and blanks at the end, by some of them without accents."""
    letters = unicodedata.normalize("NFKD", name.rstrip(" ").translate(_ALIKE).casefold())
    return unicodedata.normalize(
        "NFC", "".join(letter for letter in letters if unicodedata.category(letter) != "Mn")
    ).casefold()


def same_table(one: TableName, other: TableName) -> bool:
    """Whether two names may be of one table: which database the connection's own is, is not known here."""
    databases = [comparable_name(name.database) for name in (one, other) if name.database]
    return comparable_name(one.name) == comparable_name(other.name) and len(set(databases)) < 2


@functools.lru_cache(maxsize=4096)
def references_in(expression: str) -> References:
    """What a checked expression names."""
    tokens, clean = tokenize(expression)
    words = {token.name for token in tokens if token.kind == "word"}
    queries = not words.isdisjoint(("select", "table"))
    relations = _relations(expression) if queries else {}
    chains = list(_chains(tokens, clean))
    counted = frozenset(_counted(tokens, clean))
    called = [chain for chain in chains if chain.calls]
    stored = (
        chain.table
        for chain in called
        if chain.qualified or chain.quoted or chain.apart or chain.text.lower() not in KNOWN
    )
    return References(
        names=tuple(
            Reference(chain.parts, counted=chain.end in counted)
            for chain in chains
            if not (chain.calls or chain.is_value)
        ),
        stored_functions=tuple((Counter(stored) - Counter(_column_lists(expression) if queries else ())).keys()),
        selects_all=queries
        and (
            "natural" in words or "table" in words or any(map(_is_star, [None, None, *tokens], [None, *tokens], tokens))
        ),
        has_subquery=queries,
        has_window="over" in words or "window" in words,
        relations=relations,
    )


def returns_cell_values(sql: str) -> bool:
    """Whether an expression is a column, or one of its cells, maybe in other letters: nothing is added to them."""
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
    """Names with dots between them; `end` is the place of the last one, `apart` a blank before a bracket that allows
    none.
    """

    parts: tuple[str, ...]
    end: int
    quoted: bool
    calls: bool
    apart: bool

    @property
    def text(self) -> str:
        return self.parts[-1]

    @property
    def is_value(self) -> bool:
        """Whether it is one of MySQL's words for a value, as CURRENT_USER."""
        return not self.quoted and not self.qualified and self.text.lower() in CONSTANTS

    @property
    def qualified(self) -> bool:
        return len(self.parts) > 1

    @property
    def table(self) -> TableName:
        return TableName(self.parts[-2] if self.qualified else None, self.text)


def _chains(tokens: Sequence[Token], clean: str) -> Iterator[_Chain]:
    blanks = _blanks_before(tokens, clean)
    parts: list[str] = []
    for place, token in enumerate(tokens):
        if token.kind not in _NAMES:
            if token.text != ".":
                parts = []
            continue
        quoted = token.kind == "quoted"
        # Without a dot before it, it begins anew.
        joined = place > 0 and tokens[place - 1].text == "."
        parts = [*(parts if joined else []), unquote(token.text) if quoted else token.text]
        following = tokens[place + 1].text if place + 1 < len(tokens) else ""
        if following != ".":
            calls = following == "("
            yield _Chain(
                tuple(parts), place, quoted, calls, apart=calls and blanks[place + 1] and token.name in WITHOUT_BLANK
            )


def _blanks_before(tokens: Sequence[Token], clean: str) -> list[bool]:
    found, position = [], 0
    for token in tokens:
        blank = clean[position : position + 1] == " "
        found.append(blank)
        position += blank + len(token.text)
    return found


def _counted(tokens: Sequence[Token], clean: str) -> Iterator[int]:
    """The places of names that are nothing but arguments of COUNT: `COUNT(a)`, `COUNT(DISTINCT t.a, b)`."""
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
        place = start + 2 + (tokens[start + 2].kind == "word" and tokens[start + 2].name == "distinct")
        inside = []
        while place < len(tokens) and (tokens[place].kind in _NAMES or tokens[place].text in (".", ",")):
            inside.append(place)
            place += 1
        names = [each for each in inside if tokens[each].kind in _NAMES]
        alternate = all((tokens[each].kind in _NAMES) == (number % 2 == 0) for number, each in enumerate(inside))
        if alternate and place < len(tokens) and tokens[place].text == ")":
            yield from names


def _is_star(_two_before: Token | None, before: Token | None, token: Token) -> bool:
    """Whether it is the * of all columns; behind a value it multiplies, and COUNT(*) names none."""
    if token.text != "*" or token.kind != "symbol":
        return False
    if before is None or before.kind in ("number", "string", "quoted"):
        return False
    if before.kind == "word":
        return before.name in _BEFORE_STAR
    counts = before.text == "(" and _two_before is not None and _two_before.name == "count"
    return before.text != ")" and not counts


def _relations(expression: str) -> dict[str, frozenset[TableName | None]]:
    """Empty where the expression does not parse: then nothing is known of any name before a dot."""
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
    """The aliases that are followed by a bracket, as those of functions are: `z(a, b)`."""
    for tree in _parsed(expression):
        yield from (TableName(None, node.name) for node in tree.find_all(exp.TableAlias) if node.args.get("columns"))


def _parsed(expression: str) -> Iterable[exp.Expr]:
    try:
        return [sqlglot.parse_one(f"SELECT ({expression})", read="mysql")]
    except (SqlglotError, RecursionError):
        return []
