"""Where an entry turns instants into clock readings, so that the session needs its zone by name to do it right all year
round.

`DATE(paid_at)` does, and `paid_at >= '2026-01-01'`, and `FROM_UNIXTIME(created)`. A TIMESTAMP column that is selected,
counted, or asked for its MIN or MAX does not: its values stay instants. Pure: the catalog is asked by whoever calls.
"""

import itertools
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from aggregation_pipeline.config.columns import ALL_COLUMNS
from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.config.sql.tokens import ExpressionError, Token, quote, tokenize
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.source.mysql.entry_expressions import expressions_of
from aggregation_pipeline.source.mysql.instant_expressions import (
    SET_OPERATIONS,
    arguments_of,
    bare,
    is_instant,
    spelled,
    stays_instant,
)
from aggregation_pipeline.source.mysql.referenced_tables import references_of_expression

_CLOCKS: Final = ("from_unixtime", "unix_timestamp", "convert_tz")
_PRESENT: Final = frozenset(
    (
        "now",
        "current_timestamp",
        "localtime",
        "localtimestamp",
        "curdate",
        "current_date",
        "curtime",
        "current_time",
        "sysdate",
    )
)
_AGGREGATES: Final = frozenset(
    (
        "count",
        "sum",
        "avg",
        "min",
        "max",
        "group_concat",
        "std",
        "stddev",
        "stddev_pop",
        "stddev_samp",
        "variance",
        "var_pop",
        "var_samp",
    )
)
_OFFSET: Final = re.compile(r"""(['"])[+-]\d{1,2}:\d\d\1""")
# Where types of several tables meet.
_MEETINGS: Final = SET_OPERATIONS | {"natural", "using"}


@dataclass(frozen=True)
class Columns:
    """What is known of a table.

    Attributes:
        table: as it stands in a query.
        instants: its TIMESTAMP columns, in lower case.
        virtual: SQL of its virtual columns, by name in lower case.
        is_view: what stands behind a view is not known.
    """

    table: str
    instants: frozenset[str]
    virtual: Mapping[str, str]
    is_view: bool


@dataclass
class ClockConversions:
    """What was found in an entry.

    Attributes:
        where: keys and texts of the expressions_of that turn instants, for people.
        ranges: SQL of instants in seconds since 1970, by the table that they are read from.
        unknown: why not all instants are among those.
        views: views whose inside is not known.
        present: whether NOW() or a word like it is used.
    """

    where: list[str] = field(default_factory=list)
    ranges: dict[str, list[str]] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    views: list[str] = field(default_factory=list)
    present: bool = False

    def __bool__(self) -> bool:
        return bool(self.where or self.views)


def find_clock_conversions(
    entry: TableEntry, source: Columns, others: Mapping[TableName, Columns], stored: Collection[str]
) -> ClockConversions:
    """Look through all expressions of an entry.

    Args:
        entry: as the config gives it.
        source: the entry's table.
        others: the tables of its sub-selects.
        stored: names of the server's stored functions, in lower case.
    """
    found = ClockConversions()
    views = [columns.table for columns in (source, *others.values()) if columns.is_view]
    found.views += views
    for key, sql in expressions_of(entry):
        tokens = bare(tokenize(sql)[0])
        named = references_of_expression(sql)
        tables = [source, *(others[table] for table in sorted(named.tables, key=str) if table in others)]
        reasons = [*_of_functions(tokens, source, found)]
        for columns in tables:
            # A `*` of a sub-select may bring any of them.
            all_of_them = (
                [Token("word", name) for name in columns.virtual]
                if columns is not source and _selects_all(tokens)
                else []
            )
            reasons += _of_virtual_columns([*tokens, *all_of_them], columns, found)
        touched = _turned_columns(tokens, tables)
        for columns, name in touched:
            _add(found, columns.table, f"NULLIF(UNIX_TIMESTAMP({quote(name)}), 0)")
        functions = [*sorted(named.called.intersection(stored)), *sorted(map(str, named.stored))]
        unknown = [f"{name} is a stored function" for name in functions]
        found.unknown += unknown
        found.present = found.present or _names_the_present(tokens)
        if reasons or touched or unknown:
            found.where.append(f"{key}: {sql}")
    if any(each.expr == ALL_COLUMNS for each in entry.select_fields):
        everything = [Token("word", name) for name in source.virtual]
        if list(_of_virtual_columns(everything, source, found)):
            found.where.append("select_fields: *")
    return found


def _add(found: ClockConversions, table: str, sql: str) -> None:
    ranges = found.ranges.setdefault(table, [])
    if sql not in ranges:
        ranges.append(sql)


def _of_functions(tokens: Sequence[Token], source: Columns, found: ClockConversions) -> Iterator[str]:
    """Yield the names of functions that turn, noting the instants that they take or give."""
    names = {token.name for token in tokens}
    selects = "select" in names
    if "system_time" in names:
        found.unknown.append("FOR SYSTEM_TIME reads rows by the clock")
        yield "system_time"
    if {"json_table", "timestamp"} <= names:
        found.unknown.append("JSON_TABLE makes instants of the clock's text")
        yield "json_table"
    for place, (token, following) in enumerate(zip(tokens, [*tokens[1:], Token("symbol", "")], strict=True)):
        if token.name not in _CLOCKS or following.text != "(":
            continue
        arguments = arguments_of(tokens, place + 2)
        if token.name == "convert_tz":
            if all(len(one) == 1 and _OFFSET.fullmatch(one[0].text) for one in arguments[1:]):
                continue
            found.unknown.append("CONVERT_TZ with names of zones works only with the server's zone tables")
        elif not arguments or (token.name == "unix_timestamp" and is_instant(arguments[0], source.instants)):
            continue
        elif selects or (inner := _without_extremes(arguments[0])) is None:
            found.unknown.append(f"the instants of {token.text} are not known before the query has run")
        else:
            text = spelled(inner)
            _add(found, source.table, f"({text})" if token.name == "from_unixtime" else f"UNIX_TIMESTAMP({text})")
        yield token.name


def _of_virtual_columns(tokens: Sequence[Token], columns: Columns, found: ClockConversions) -> Iterator[str]:
    """Yield the virtual columns that turn, of those that the tokens name."""
    for name in dict.fromkeys(token.name for token in tokens if token.name in columns.virtual):
        inner = _behind(columns, name, frozenset())
        if inner is None:
            found.unknown.append(f"the virtual column {name} could not be understood")
            yield name
            continue
        touched = columns.instants & {token.name for token in inner}
        functions = sorted({token.name for token in inner if token.name in _CLOCKS})
        for column in sorted(touched):
            _add(found, columns.table, f"NULLIF(UNIX_TIMESTAMP({quote(column)}), 0)")
        found.unknown += [f"the virtual column {name} calls {function.upper()}" for function in functions]
        found.present = found.present or _names_the_present(inner)
        if touched or functions:
            yield name


def _behind(columns: Columns, name: str, seen: frozenset[str]) -> list[Token] | None:
    """The tokens that a virtual column is made of, those of virtual columns among them included; None where they cannot
    be read.
    """
    try:
        tokens = tokenize(columns.virtual[name])[0]
    except ExpressionError:
        return None
    found = list(tokens)
    for inner in {token.name for token in tokens} & (columns.virtual.keys() - seen - {name}):
        further = _behind(columns, inner, seen | {name})
        if further is None:
            return None
        found += further
    return found


def _names_the_present(tokens: Sequence[Token]) -> bool:
    return any(token.name in _PRESENT for token in tokens if token.kind == "word")


def _without_extremes(argument: Sequence[Token]) -> Sequence[Token] | None:
    """The argument whose values lie within those of the rows: that of a MIN or MAX around it; None for other
    aggregates.
    """
    if len(argument) > 3 and argument[0].name in ("min", "max") and argument[1].text == "(":
        inner = arguments_of(argument, 2)
        if len(inner) == 1 and len(inner[0]) == len(argument) - 3:
            argument = inner[0]
    pairs = itertools.pairwise(argument)
    return None if any(one.name in _AGGREGATES and two.text == "(" for one, two in pairs) else argument


def _turned_columns(tokens: Sequence[Token], tables: Sequence[Columns]) -> list[tuple[Columns, str]]:
    """The TIMESTAMP columns that stand in an expression otherwise than as what they are."""
    names = {token.name for token in tokens}
    if len(tables) > 1 and (not names.isdisjoint(_MEETINGS) or _selects_all(tokens)):
        # What becomes of columns that are not named, or that meet others, is not followed.
        return [(columns, name) for columns in tables for name in sorted(columns.instants)]
    known = frozenset[str]().union(*(columns.instants for columns in tables))
    turned = {
        token.name
        for place, token in enumerate(tokens)
        if token.name in known and not _is_a_name_before(tokens, place) and not stays_instant(tokens, place)
    }
    return [(columns, name) for columns in tables for name in sorted(columns.instants & turned)]


def _is_a_name_before(tokens: Sequence[Token], place: int) -> bool:
    """Whether a name is that of a function or of a table, as what follows tells."""
    return place + 1 < len(tokens) and tokens[place + 1].text in ("(", ".")


def _selects_all(tokens: Sequence[Token]) -> bool:
    return any(token.text == "*" and before.text != "(" for before, token in itertools.pairwise(tokens))
