"""Where an entry turns instants into clock readings, so that the session needs its zone by name to do it right all year round.

`DATE(paid_at)` does, and `paid_at >= '2026-01-01'`, and `FROM_UNIXTIME(created)`. A TIMESTAMP column that is selected, counted, or asked
for its MIN or MAX does not: its values stay instants. Pure: the catalog is asked by whoever calls.
"""

import itertools
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from aggregation_pipeline.config.model import ALL_COLUMNS, TableEntry
from aggregation_pipeline.config.names import TableName
from aggregation_pipeline.config.tokens import FragmentError, Token, quote, tokenize
from aggregation_pipeline.source.fragments import fragments
from aggregation_pipeline.source.touched import touched_by_expression

_CLOCKS: Final = ("from_unixtime", "unix_timestamp", "convert_tz")
_PRESENT: Final = frozenset(
    ("now", "current_timestamp", "localtime", "localtimestamp", "curdate", "current_date", "curtime", "current_time", "sysdate")
)
_AGGREGATES: Final = frozenset(
    ("count", "sum", "avg", "min", "max", "group_concat", "std", "stddev", "stddev_pop", "stddev_samp", "variance", "var_pop", "var_samp")
)
_OFFSET: Final = re.compile(r"""(['"])[+-]\d{1,2}:\d\d\1""")
# What may stand before `column IS NULL` without being part of what is asked.
_BEFORE_IS_NULL: Final = frozenset(("", "(", ",", "and", "or", "not", "xor", "when", "where", "having", "on", "&&", "||", "!"))


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
class Turning:
    """What was found in an entry.

    Attributes:
        where: keys and texts of the fragments that turn instants, for people.
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


def find_turning(entry: TableEntry, source: Columns, others: Mapping[TableName, Columns], stored: Collection[str]) -> Turning:
    """Look through all fragments of an entry.

    Args:
        entry: as the config gives it.
        source: the entry's table.
        others: the tables of its sub-selects.
        stored: names of the server's stored functions, in lower case.
    """
    found = Turning()
    views = [columns.table for columns in (source, *others.values()) if columns.is_view]
    found.views += views
    for key, sql in fragments(entry):
        tokens = bare(tokenize(sql)[0])
        named = touched_by_expression(sql)
        inside = [others.get(table, source) for table in sorted(named.tables, key=str)]
        reasons = [*_of_functions(tokens, source, found), *_of_virtual_columns(tokens, source, found)]
        touched = _sub_select_columns(tokens, [source, *inside]) if inside else _turned_columns(tokens, source)
        for columns, name in touched:
            _add(found, columns.table, f"NULLIF(UNIX_TIMESTAMP({quote(name)}), 0)")
        functions = [*sorted(named.called.intersection(stored)), *sorted(map(str, named.stored))]
        unknown = [f"{name} is a stored function" for name in functions]
        found.unknown += unknown
        found.present = found.present or any(token.kind == "word" and token.name in _PRESENT for token in tokens)
        if reasons or touched or unknown:
            found.where.append(f"{key}: {sql}")
    if any(each.expr == ALL_COLUMNS for each in entry.select_fields):
        everything = [Token("word", name) for name in source.virtual]
        if list(_of_virtual_columns(everything, source, found)):
            found.where.append("select_fields: *")
    return found


def _add(found: Turning, table: str, sql: str) -> None:
    ranges = found.ranges.setdefault(table, [])
    if sql not in ranges:
        ranges.append(sql)


def _of_functions(tokens: Sequence[Token], source: Columns, found: Turning) -> Iterator[str]:
    """Yield the names of functions that turn, noting the instants that they take or give."""
    selects = any(token.name == "select" for token in tokens)
    for place, (token, following) in enumerate(zip(tokens, [*tokens[1:], Token("symbol", "")], strict=True)):
        if token.name not in _CLOCKS or following.text != "(":
            continue
        arguments = _arguments(tokens, place + 2)
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


def _of_virtual_columns(tokens: Sequence[Token], source: Columns, found: Turning) -> Iterator[str]:
    for name in dict.fromkeys(token.name for token in tokens if token.name in source.virtual):
        try:
            inner = tokenize(source.virtual[name])[0]
        except FragmentError:
            found.unknown.append(f"the virtual column {name} could not be understood")
            yield name
            continue
        touched = source.instants & {token.name for token in inner}
        functions = [token.name for token in inner if token.name in _CLOCKS]
        for column in sorted(touched):
            _add(found, source.table, f"NULLIF(UNIX_TIMESTAMP({quote(column)}), 0)")
        found.unknown += [f"the virtual column {name} calls {function.upper()}" for function in functions]
        if touched or functions:
            yield name


def bare(tokens: list[Token]) -> list[Token]:
    """The tokens without the brackets around all of them."""
    while len(tokens) > 2 and tokens[0].text == "(" and [tokens[1:-1]] == _arguments(tokens, 1) and tokens[-1].text == ")":
        tokens = tokens[1:-1]
    return tokens


def _arguments(tokens: Sequence[Token], start: int) -> list[list[Token]]:
    """The arguments of a call whose first token stands at `start`."""
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


def _without_extremes(argument: Sequence[Token]) -> Sequence[Token] | None:
    """The argument whose values lie within those of the rows: that of a MIN or MAX around it; None for other aggregates."""
    if len(argument) > 3 and argument[0].name in ("min", "max") and argument[1].text == "(":
        inner = _arguments(argument, 2)
        if len(inner) == 1 and len(inner[0]) == len(argument) - 3:
            argument = inner[0]
    pairs = itertools.pairwise(argument)
    return None if any(one.name in _AGGREGATES and two.text == "(" for one, two in pairs) else argument


def is_instant(argument: Sequence[Token], instants: Collection[str]) -> bool:
    """Whether an argument is nothing but one of the columns `instants`, maybe with its table's name."""
    return len(argument) in (1, 3) and argument[-1].name in instants and all(token.text == "." for token in argument[1:-1])


def spelled(tokens: Sequence[Token]) -> str:
    """The tokens as SQL again."""
    text = ""
    for before, token in zip([Token("symbol", "."), *tokens], tokens, strict=False):
        close = "." in (before.text, token.text) or (token.text == "(" and before.kind in ("word", "quoted"))
        text += token.text if close else f" {token.text}"
    return text


def _sub_select_columns(tokens: Sequence[Token], tables: Sequence[Columns]) -> list[tuple[Columns, str]]:
    names = {token.name for token in tokens}
    every = any(token.text == "*" and before.text != "(" for before, token in itertools.pairwise(tokens))
    return [(columns, name) for columns in tables for name in sorted(columns.instants) if every or name in names]


def _turned_columns(tokens: Sequence[Token], source: Columns) -> list[tuple[Columns, str]]:
    """The TIMESTAMP columns that stand in an expression otherwise than as what they are."""
    turned = []
    for place, token in enumerate(tokens):
        called = place + 1 < len(tokens) and tokens[place + 1].text in ("(", ".")
        if token.name in source.instants and not called and not _stays_instant(tokens, place):
            turned.append((source, token.name))
    return turned


def _stays_instant(tokens: Sequence[Token], place: int) -> bool:
    first, last = place, place
    while first >= 2 and tokens[first - 1].text == ".":
        first -= 2

    def before(steps: int = 1) -> str:
        found = tokens[first - steps] if first >= steps else Token("symbol", "")
        return found.name or found.text

    def after(steps: int = 1) -> str:
        return (tokens[last + steps].name or tokens[last + steps].text) if last + steps < len(tokens) else ""

    # MIN and MAX of instants are instants, and so is what brackets hold.
    while before() == "(" and after() == ")":
        outer = tokens[first - 2] if first >= 2 else Token("symbol", "")
        if outer.name in ("count", "unix_timestamp"):
            return True
        if outer.name and outer.kind != "string" and outer.name not in ("min", "max"):
            break
        first, last = first - (2 if outer.name else 1), last + 1
    if before() == "distinct" and before(2) == "(" and before(3) == "count" and after() == ")":
        return True
    if after() == "is" and (after(2) == "null" or (after(2), after(3)) == ("not", "null")):
        return before() in _BEFORE_IS_NULL
    over = after() == "over"
    return first == 0 and (last == len(tokens) - 1 or over)
