"""Which columns, tables and functions an expression names, read from its tokens.

The columns of a table are not known here, so scopes cannot be resolved completely. Names decide instead: a name that
may be a certain column counts as that column, wherever it stands in the expression.
"""

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aggregation_pipeline.config.sql.dialect import Dialect
from aggregation_pipeline.config.sql.in_use import dialect_in_use
from aggregation_pipeline.config.sql.name_chains import counted_names, name_chains
from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.config.sql.tokens import Token, tokenize

# Equal letters in MySQL's oldest collation that Unicode does not make equal.
_EQUAL_LETTERS: Final = str.maketrans({"ß": "s", "ẞ": "s", "ı": "i"})


@dataclass(frozen=True)
class Reference:
    """A name in an expression, other than a function's.

    Attributes:
        parts: its parts in the user's spelling, without quotation marks: `("u", "phone")`.
        counted: whether it is only an argument of COUNT, which shows no more of it than where it is NULL.
    """

    parts: tuple[str, ...]
    counted: bool = False

    @property
    def comparable(self) -> str:
        """The last part as `comparable_name` makes it."""
        return comparable_name(self.parts[-1])

    @property
    def qualifier(self) -> str:
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


def names_column(sql: str, name: str, dialect: Dialect) -> bool:
    """Whether SQL that a server prints names a column, or may; both as `comparable_name` makes them."""
    mark = dialect.quote_mark
    # Not every server doubles the marks in a name.
    spellings = "|".join(map(re.escape, {name, name.replace(mark, mark * 2)}))
    return bool(re.search(rf"(?<!\w)(?:{spellings})(?!\w)", sql))


def same_table(one: TableName, other: TableName) -> bool:
    """Whether two names may mean one table; a name without a database may be of any, as the connection is not known."""
    databases = [comparable_name(name.database) for name in (one, other) if name.database]
    return comparable_name(one.name) == comparable_name(other.name) and len(set(databases)) < 2


def is_one_of(table: TableName, tables: Sequence[TableName]) -> bool:
    """Whether a name may mean one of several tables, of which there can be thousands."""
    return comparable_name(table.name) in _comparable_names(tuple(tables)) and any(
        same_table(table, each) for each in tables
    )


@functools.lru_cache(maxsize=256)
def _comparable_names(tables: tuple[TableName, ...]) -> frozenset[str]:
    return frozenset(comparable_name(table.name) for table in tables)


def references_in(expression: str, dialect: Dialect | None = None) -> References:
    """Everything that a checked expression names; without a dialect it is in the one in use."""
    return _references_in(expression, dialect or dialect_in_use())


@functools.lru_cache(maxsize=4096)
def _references_in(expression: str, dialect: Dialect) -> References:
    tokens, clean = tokenize(expression, dialect)
    words = {token.name for token in tokens if token.kind == "word"}
    has_subquery = not words.isdisjoint(("select", "table"))
    relations = _relations(expression, dialect) if has_subquery else {}
    chains = list(name_chains(tokens, clean, dialect))
    counted = frozenset(counted_names(tokens, clean))
    stored = (chain.as_table for chain in chains if chain.may_be_stored_function)
    return References(
        names=tuple(
            Reference(chain.parts, counted=chain.end in counted)
            for chain in chains
            if not (chain.is_call or chain.is_value)
        ),
        stored_functions=tuple(
            (Counter(stored) - Counter(_column_lists(expression, dialect) if has_subquery else ())).keys()
        ),
        selects_all=has_subquery
        and (
            "natural" in words
            or "table" in words
            or any(
                _is_star(*three, dialect) for three in zip([None, None, *tokens], [None, *tokens], tokens, strict=False)
            )
        ),
        has_subquery=has_subquery,
        has_window="over" in words or "window" in words,
        relations=relations,
    )


def _is_star(two_before: Token | None, before: Token | None, token: Token, dialect: Dialect) -> bool:
    """Whether it is the * for all columns. Behind a value it multiplies, and COUNT(*) reads no column."""
    if token.text != "*" or token.kind != "symbol":
        return False
    if before is None or before.kind in ("number", "string", "quoted"):
        return False
    if before.kind == "word":
        return before.name in dialect.before_star
    counts = before.text == "(" and two_before is not None and two_before.name == "count"
    return before.text != ")" and not counts


def _relations(expression: str, dialect: Dialect) -> dict[str, frozenset[TableName | None]]:
    """The tables behind names and aliases."""
    from aggregation_pipeline.config.sql.trees import relations_in

    found: dict[str, set[TableName | None]] = {}
    for name, table in relations_in(expression, dialect):
        found.setdefault(comparable_name(name), set()).add(table)
    return {name: frozenset(tables) for name, tables in found.items()}


def _column_lists(expression: str, dialect: Dialect) -> Iterable[TableName]:
    from aggregation_pipeline.config.sql.trees import column_lists_in

    return column_lists_in(expression, dialect)
