"""Operators and casts of the database's own that may do more than read: they call functions without naming them."""

import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aggregation_pipeline.config.entry_query import expressions_of
from aggregation_pipeline.config.messages.located_issues import format_key_path
from aggregation_pipeline.config.sql.postgresql import POSTGRESQL
from aggregation_pipeline.config.sql.tokens import Token, tokenize
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.postgresql.relations import tables_of
from aggregation_pipeline.source.postgresql.session import Session, regclass

_SIGNS: Final = frozenset("+-*/<>=~!@#%^&|?`")
# What the server calls types that have another name in SQL.
_TYPES: Final = {
    "smallint": "int2",
    "int": "int4",
    "integer": "int4",
    "bigint": "int8",
    "boolean": "bool",
    "real": "float4",
    "float": "float8",
    "double": "float8",
    "decimal": "numeric",
    "dec": "numeric",
    "char": "bpchar",
    "character": "bpchar",
    # Of `timestamp with time zone`.
    "zone": "timestamptz",
}
# Those that may be meant: operators between types of the server's own, of columns, or named in the SQL; casts to one
# that is named there.
_FOUND: Final = """
    WITH named AS (SELECT t.oid FROM pg_type AS t WHERE t.typname = ANY({names})),
    meant AS (
        SELECT oid FROM named
        UNION SELECT t.oid FROM pg_type AS t WHERE t.typnamespace = 'pg_catalog'::regnamespace
        UNION SELECT a.atttypid FROM pg_attribute AS a WHERE a.attrelid = ANY(ARRAY[{tables}]::oid[])
    ), called AS (
        SELECT o.oprcode::oid AS function, o.oprname::text AS name, ARRAY[o.oprleft, o.oprright] AS types
        FROM pg_operator AS o WHERE o.oprname = ANY({signs})
        UNION ALL
        SELECT c.castfunc,
               concat('cast from ', format_type(c.castsource, NULL), ' to ', format_type(c.casttarget, NULL)),
               ARRAY[c.castsource]
        FROM pg_cast AS c WHERE c.castmethod = 'f' AND {casts} AND c.casttarget IN (SELECT oid FROM named)
    )
    SELECT called.name, p.proname::text FROM called JOIN pg_proc AS p ON p.oid = called.function
    WHERE p.provolatile = 'v'
    AND (SELECT bool_and(each = 0 OR each IN (SELECT oid FROM meant)) FROM unnest(called.types) AS each)
    ORDER BY 1, 2 LIMIT 1
"""


def refuse_volatile_operators(session: Session, entry: TableEntry) -> None:
    """Refuse operators and casts whose function the server calls VOLATILE; see `refuse_side_effects`.

    Raises:
        SourceError: names the operator or the cast, its function and the key.
    """
    tables = ", ".join(regclass(table) for table in sorted(tables_of(entry), key=str))
    used = [(place, _Used.of(sql)) for place, sql in expressions_of(entry.query)]
    # Together first: hardly any entry has one, and then a single question says so.
    if not _volatile(session, functools.reduce(_Used.plus, (each for _, each in used), _Used()), tables):
        return
    for place, each in used:
        for name, function in _volatile(session, each, tables):
            raise SourceError(
                f"{format_key_path(place)}: {name} calls {function}(), which is VOLATILE on the server: it may change"
                " something, or give another result each time. Leave it out. A function of your own that only reads is"
                " declared by ALTER FUNCTION ... STABLE."
            )


@dataclass(frozen=True)
class _Used:
    """What expressions use: signs that may be operators, names that may be of types, and whether they cast."""

    signs: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    casts: bool = False

    @classmethod
    def of(cls, sql: str) -> "_Used":
        tokens, text = tokenize(sql, POSTGRESQL)
        names = (name for token in tokens for name in (token.name, _TYPES.get(token.name, "")) if name)
        casts = any(token.text == "::" or token.name == "cast" for token in tokens)
        return cls(frozenset(part for run in _runs(tokens, text) for part in _parts(run)), frozenset(names), casts)

    def plus(self, other: "_Used") -> "_Used":
        return _Used(self.signs | other.signs, self.names | other.names, self.casts or other.casts)


def _volatile(session: Session, used: _Used, tables: str) -> Sequence[tuple[Any, ...]]:
    """The first operator or cast among these, and its function."""
    if not used.signs and not used.casts:
        return ()
    return session.link.rows(
        _FOUND.format(names=_array(used.names), tables=tables, signs=_array(used.signs), casts=str(used.casts).lower())
    )


def _runs(tokens: Sequence[Token], text: str) -> Iterator[str]:
    """The signs that stand side by side, outside of texts and names in quotation marks."""
    position, run = 0, ""
    for token in tokens:
        start = text.index(token.text, position)
        is_sign = token.kind == "symbol" and _SIGNS.issuperset(token.text)
        if run and (not is_sign or start > position):
            yield run
            run = ""
        run += token.text if is_sign else ""
        position = start + len(token.text)
    if run:
        yield run


def _parts(run: str) -> Iterator[str]:
    """All that a run of signs may be read as: where an operator ends depends on its signs."""
    return (run[start:end] for start, end in itertools.combinations(range(len(run) + 1), 2))


def _array(texts: frozenset[str]) -> str:
    return f"ARRAY[{', '.join(POSTGRESQL.literal('text', each) for each in sorted(texts))}]::text[]"
