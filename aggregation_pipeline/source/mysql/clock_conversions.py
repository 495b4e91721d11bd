"""Find where an entry converts instants to clock readings. Only a session in the named zone does that right all year.

`DATE(paid_at)` converts, and so do `paid_at >= '2026-01-01'` and `FROM_UNIXTIME(created)`. A TIMESTAMP column that is
only selected, counted, or given to MIN or MAX stays an instant. Pure: the caller asks the database for the columns.
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
    is_instant,
    stays_instant,
    to_sql_text,
    without_brackets,
)
from aggregation_pipeline.source.mysql.referenced_tables import references_of_expression

_CONVERTING_FUNCTIONS: Final = ("from_unixtime", "unix_timestamp", "convert_tz")
_CURRENT_TIME_FUNCTIONS: Final = frozenset(
    [
        "now",
        "current_timestamp",
        "localtime",
        "localtimestamp",
        "curdate",
        "current_date",
        "curtime",
        "current_time",
        "sysdate",
    ]
)
_AGGREGATES: Final = frozenset(
    [
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
    ]
)
_OFFSET: Final = re.compile(r"""(['"])[+-]\d{1,2}:\d\d\1""")
# Words that combine columns of several tables.
_COMBINING_WORDS: Final = SET_OPERATIONS | {"natural", "using"}


@dataclass(frozen=True)
class TableColumns:
    """The columns of a table that matter here.

    Attributes:
        table: its name as it is written in a query.
        instants: its TIMESTAMP columns, in lower case.
        virtual: SQL of its virtual columns, by name in lower case.
        is_view: whether it is a view, of which nothing more is known.
    """

    table: str
    instants: frozenset[str]
    virtual: Mapping[str, str]
    is_view: bool


@dataclass
class ClockConversions:
    """The conversions in an entry.

    Attributes:
        where: keys and texts of the expressions that convert instants, for people.
        ranges: SQL of the converted instants in seconds since 1970, by the table that they are read from.
        unknown: reasons why `ranges` does not have all of them.
        views: views, whose conversions are not known.
        present: whether NOW() or a function like it is used.
    """

    where: list[str] = field(default_factory=list)
    ranges: dict[str, list[str]] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    views: list[str] = field(default_factory=list)
    present: bool = False

    def __bool__(self) -> bool:
        return bool(self.where or self.views)


def find_clock_conversions(
    entry: TableEntry, source: TableColumns, others: Mapping[TableName, TableColumns], stored: Collection[str]
) -> ClockConversions:
    """Find the conversions in all expressions of an entry.

    Args:
        entry: as the config gives it.
        source: the entry's table.
        others: the tables of its sub-selects.
        stored: names of the server's stored functions, in lower case.
    """
    found = ClockConversions(views=[columns.table for columns in (source, *others.values()) if columns.is_view])
    for key, sql in expressions_of(entry):
        if _add_conversions_of(sql, source, others, stored, found):
            found.where.append(f"{key}: {sql}")
    if any(each.expr == ALL_COLUMNS for each in entry.select_fields):
        everything = [Token("word", name) for name in source.virtual]
        if list(_converting_virtual_columns(everything, source, found)):
            found.where.append("select_fields: *")
    return found


def _add_conversions_of(
    sql: str,
    source: TableColumns,
    others: Mapping[TableName, TableColumns],
    stored: Collection[str],
    found: ClockConversions,
) -> bool:
    """Add the conversions of one expression; return whether it has any."""
    tokens = without_brackets(tokenize(sql)[0])
    references = references_of_expression(sql)
    tables = [source, *(others[table] for table in sorted(references.tables, key=str) if table in others)]
    converting = [*_converting_functions(tokens, source, found)]
    for columns in tables:
        # A `*` of a sub-select may select any of them.
        selected = columns is not source and _selects_all(tokens)
        virtual = [Token("word", name) for name in columns.virtual] if selected else []
        converting += _converting_virtual_columns([*tokens, *virtual], columns, found)
    converted = _converted_columns(tokens, tables)
    for columns, name in converted:
        _add_range(found, columns.table, f"NULLIF(UNIX_TIMESTAMP({quote(name)}), 0)")
    functions = [*sorted(references.called.intersection(stored)), *sorted(map(str, references.stored))]
    found.unknown += [f"{name} is a stored function" for name in functions]
    found.present = found.present or uses_current_time(tokens)
    return bool(converting or converted or functions)


def _add_range(found: ClockConversions, table: str, sql: str) -> None:
    ranges = found.ranges.setdefault(table, [])
    if sql not in ranges:
        ranges.append(sql)


def _converting_functions(tokens: Sequence[Token], source: TableColumns, found: ClockConversions) -> Iterator[str]:
    """Yield the functions that convert, and add the instants that they take or return."""
    names = {token.name for token in tokens}
    selects = "select" in names
    if "system_time" in names:
        found.unknown.append("FOR SYSTEM_TIME reads rows by the clock")
        yield "system_time"
    if {"json_table", "timestamp"} <= names:
        found.unknown.append("JSON_TABLE makes instants of the clock's text")
        yield "json_table"
    for place, (token, following) in enumerate(zip(tokens, [*tokens[1:], Token("symbol", "")], strict=True)):
        if token.name not in _CONVERTING_FUNCTIONS or following.text != "(":
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
            text = to_sql_text(inner)
            _add_range(found, source.table, f"({text})" if token.name == "from_unixtime" else f"UNIX_TIMESTAMP({text})")
        yield token.name


def _converting_virtual_columns(
    tokens: Sequence[Token], columns: TableColumns, found: ClockConversions
) -> Iterator[str]:
    """Yield the virtual columns that convert, of those that the tokens name."""
    for name in dict.fromkeys(token.name for token in tokens if token.name in columns.virtual):
        inner = _tokens_of_virtual(columns, name, frozenset())
        if inner is None:
            found.unknown.append(f"the virtual column {name} could not be understood")
            yield name
            continue
        converted = columns.instants & {token.name for token in inner}
        functions = sorted({token.name for token in inner if token.name in _CONVERTING_FUNCTIONS})
        for column in sorted(converted):
            _add_range(found, columns.table, f"NULLIF(UNIX_TIMESTAMP({quote(column)}), 0)")
        found.unknown += [f"the virtual column {name} calls {function.upper()}" for function in functions]
        found.present = found.present or uses_current_time(inner)
        if converted or functions:
            yield name


def _tokens_of_virtual(columns: TableColumns, name: str, seen: frozenset[str]) -> list[Token] | None:
    """The tokens of a virtual column and of the virtual columns that it uses; None if they cannot be read."""
    try:
        tokens = tokenize(columns.virtual[name])[0]
    except ExpressionError:
        return None
    found = list(tokens)
    for inner in {token.name for token in tokens} & (columns.virtual.keys() - seen - {name}):
        further = _tokens_of_virtual(columns, inner, seen | {name})
        if further is None:
            return None
        found += further
    return found


def uses_current_time(tokens: Sequence[Token]) -> bool:
    """Whether an expression depends on when it is computed."""
    return any(token.name in _CURRENT_TIME_FUNCTIONS for token in tokens if token.kind == "word")


def _without_extremes(argument: Sequence[Token]) -> Sequence[Token] | None:
    """The argument without a MIN or MAX around it, whose values are values of rows; None for other aggregates."""
    if len(argument) > 3 and argument[0].name in ("min", "max") and argument[1].text == "(":
        inner = arguments_of(argument, 2)
        if len(inner) == 1 and len(inner[0]) == len(argument) - 3:
            argument = inner[0]
    pairs = itertools.pairwise(argument)
    return None if any(one.name in _AGGREGATES and two.text == "(" for one, two in pairs) else argument


def _converted_columns(tokens: Sequence[Token], tables: Sequence[TableColumns]) -> list[tuple[TableColumns, str]]:
    """The TIMESTAMP columns that an expression converts."""
    names = {token.name for token in tokens}
    if len(tables) > 1 and (not names.isdisjoint(_COMBINING_WORDS) or _selects_all(tokens)):
        # Columns that are not named, or are combined with others, are not followed.
        return [(columns, name) for columns in tables for name in sorted(columns.instants)]
    known = frozenset[str]().union(*(columns.instants for columns in tables))
    converted = {
        token.name
        for place, token in enumerate(tokens)
        if token.name in known and not _names_function_or_table(tokens, place) and not stays_instant(tokens, place)
    }
    return [(columns, name) for columns in tables for name in sorted(columns.instants & converted)]


def _names_function_or_table(tokens: Sequence[Token], place: int) -> bool:
    """Whether the next token shows that a name is a function's or a table's."""
    return place + 1 < len(tokens) and tokens[place + 1].text in ("(", ".")


def _selects_all(tokens: Sequence[Token]) -> bool:
    return any(token.text == "*" and before.text != "(" for before, token in itertools.pairwise(tokens))
