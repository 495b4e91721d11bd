"""Which tables and functions a piece of SQL names, and so everything that it may read. Pure."""

import functools
import itertools
from dataclasses import dataclass
from typing import Final

import sqlglot
from sqlglot import TokenType, exp
from sqlglot.errors import SqlglotError

from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.config.sql.tokens import without_hints
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.source.mysql.entry_expressions import expressions_of


@dataclass(frozen=True)
class References:
    """The tables and functions that a piece of SQL names.

    Attributes:
        tables: tables and views.
        stored: functions that are stored ones by their spelling.
        called: other functions, in lower case; some may be stored ones.
    """

    tables: frozenset[TableName] = frozenset()
    stored: frozenset[TableName] = frozenset()
    called: frozenset[str] = frozenset()

    def __or__(self, other: "References") -> "References":
        return References(self.tables | other.tables, self.stored | other.stored, self.called | other.called)


_NAMES: Final = {TokenType.VAR, TokenType.IDENTIFIER}


def references_of_entry(entry: TableEntry) -> References:
    """Return what an entry reads: its table, or all its shards, and what its expressions name."""
    found = References(frozenset(entry.shards))
    for _, sql in expressions_of(entry):
        found |= references_of_expression(sql)
    return found


@functools.lru_cache(maxsize=4096)
def references_of_expression(expression: str) -> References:
    """Return what one expression names. Most name no table, which is known without parsing."""
    called = [name for name, _ in _calls(expression)]
    words = expression.casefold()
    tables = tables_of(f"SELECT ({expression})") if "select" in words or "table" in words else frozenset()
    stored = frozenset(name for name in called if name.database)
    return References(tables, stored, frozenset(name.name.lower() for name in called if not name.database))


def references_of_view(definition: str) -> References | None:
    """Return what a view reads, from its definition as the server prints it; None if that cannot be parsed.

    The server prints stored functions in backticks, and its own functions without.
    """
    try:
        return References(tables_of(definition), frozenset(name for name, quoted in _calls(definition) if quoted))
    except (SqlglotError, RecursionError):
        return None


def tables_of(sql: str) -> frozenset[TableName]:
    """Return the tables and views in FROM and JOIN at any depth, without names that a WITH in the statement defines.

    Raises:
        SqlglotError: the SQL cannot be parsed.
    """
    return frozenset(
        TableName(node.db or None, node.name)
        for node in table_nodes(sqlglot.parse_one(without_hints(sql), read="mysql"))
    )


def table_nodes(tree: exp.Expr) -> list[exp.Table]:
    """Return the nodes of a tree that name a table or view of the database."""
    named = [node for node in tree.find_all(exp.Table) if isinstance(node.this, exp.Identifier)]
    return [node for node in named if node.db or not (_is_dual(node) or _is_defined_by_with(node))]


def _is_dual(table: exp.Table) -> bool:
    """Whether it is the word DUAL, which names no table; in backticks it is a name like any other."""
    return table.name.lower() == "dual" and not table.this.args.get("quoted")


def _is_defined_by_with(table: exp.Table) -> bool:
    """Whether a WITH around the name defines it.

    In its own definition, and in those before it, the name still means the table. Some servers tell letters apart that
    others do not, so only the same spelling counts.
    """
    inner: exp.Expr = table
    while (outer := inner.parent) is not None:
        defined: list[exp.Expr] = []
        if isinstance(outer, exp.With):
            defined = outer.expressions if outer.recursive else outer.expressions[: inner.index]
        elif (definitions := outer.args.get("with_")) is not None and definitions is not inner:
            defined = definitions.expressions
        if any(each.alias == table.name for each in defined):
            return True
        inner = outer
    return False


def _calls(sql: str) -> list[tuple[TableName, bool]]:
    """Each name with an opening parenthesis after it, and whether it is in backticks."""
    tokens = sqlglot.tokenize(without_hints(sql), read="mysql")
    found = []
    for place, (token, following) in enumerate(itertools.pairwise(tokens)):
        if following.token_type != TokenType.L_PAREN or not (token.token_type in _NAMES or token.text.isidentifier()):
            continue
        qualified = place >= 2 and tokens[place - 1].token_type == TokenType.DOT
        database = tokens[place - 2].text if qualified else None
        found.append((TableName(database, token.text), token.token_type == TokenType.IDENTIFIER))
    return found
