"""The tables that an entry reads as one: `orders_{00..15}`, `shop_{0..3}.orders_{00..15}`, or several names."""

import functools
import itertools
import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from aggregation_pipeline.config.sql.mysql import MYSQL
from aggregation_pipeline.config.sql.table_names import TableName, split_table

# More is surely a slip: {0..10000} for {0..1000}.
MOST_SHARDS: Final = 4096
_NAME: Final = re.compile(r"(?:`(?:[^`]|``)*`|\{[^{}`]*\}|[^`,{]|\{)+")
_PART: Final = re.compile(r"`(?:[^`]|``)*`|\{([^{}`]*)\}|[^`{]+|\{")
_RANGE: Final = re.compile(r"([0-9]+)\.\.([0-9]+)")
# The number twice, as both ends of a range.
_LAST_NUMBER: Final = re.compile(r"[^`{]*?(?=([0-9]+)[^0-9`{]*$)([0-9]+)[^0-9`{]*")
_EXAMPLE: Final = "a range has two whole numbers, as in orders_{00..15}"


# While a project is loaded, each entry asks dozens of times for its tables.
@functools.lru_cache(maxsize=1_000)
def split_tables(text: str) -> tuple[TableName, ...]:
    """The tables that a text names, in order: names with commas in between, each with ranges or without.

    Several ranges in one name mean every combination, the last range running fastest. A name in backticks holds no
    range and no comma of that meaning.

    Raises:
        ValueError: a name or a range has another form, or a table is named twice.
    """
    names = _NAME.findall(text)
    if ",".join(names) != text or not names:
        if "," not in text:
            return (split_table(text),)
        raise ValueError("names of tables with one comma between them are expected, as in `orders_a, orders_b`")
    if len(names) == 1:
        found = tuple(map(split_table, _expanded(text)))
    else:
        found = tuple(split_table(each) for name in names for each in _expanded(name.strip()))
    if len(found) > MOST_SHARDS:
        raise ValueError(f"at most {MOST_SHARDS:,} tables are read as one, and these are {len(found):,}")
    _refuse_doubles(found)
    return found


def table_text(table: TableName) -> str:
    """The text that names just this table, with backticks where it needs them."""
    return ".".join(part if re.fullmatch(r"[\w$-]+", part) else MYSQL.quote(part) for part in table if part is not None)


def neighbours(text: str) -> list[TableName]:
    """The tables right before and behind the numbers of a text, which it leaves out: orders_16 of orders_{00..15}.

    Of a name without a range its last number counts.
    """
    known = set(split_tables(text))
    found = [
        split_table(each)
        for name in _NAME.findall(text)
        for wider in _widened(name.strip())
        for each in _expanded(wider)
    ]
    return [table for table in dict.fromkeys(found) if table not in known]


def _widened(name: str) -> Iterator[str]:
    """A name once for each end of each of its ranges, with the number beyond that end."""
    ranges = [(match.span(), found) for match in _PART.finditer(name) if (found := _RANGE.fullmatch(match[1] or ""))]
    if not ranges and (last := _LAST_NUMBER.fullmatch(name)):
        ranges = [(last.span(1), last)]
    for (start, end), found in ranges:
        width = len(found[1]) if len(found[1]) == len(found[2]) else 0
        for number in (int(found[1]) - 1, int(found[2]) + 1):
            if number >= 0:
                text = str(number).zfill(width)
                yield f"{name[:start]}{{{text}..{text}}}{name[end:]}"


def _expanded(name: str) -> Iterator[str]:
    """Every name that one name with ranges stands for."""
    parts = [_numbers(match[1], match[0]) for match in _PART.finditer(name)]
    if math.prod(map(len, parts)) > MOST_SHARDS:
        raise ValueError(f"{name}: at most {MOST_SHARDS:,} tables are read as one, and these are more")
    return map("".join, itertools.product(*parts))


def _numbers(inside: str | None, text: str) -> list[str]:
    """The texts that a part of a name stands for: the numbers of a range, else itself."""
    if inside is None or not (".." in inside or "," in inside):
        return [text]
    found = _RANGE.fullmatch(inside)
    if found is None:
        raise ValueError(f"{{{inside}}}: {_EXAMPLE}; write other names one by one, as a list")
    first, last = found.groups()
    if int(first) > int(last):
        raise ValueError(f"{{{inside}}}: {_EXAMPLE}, the smaller one first")
    padded = any(len(end) > 1 and end.startswith("0") for end in (first, last))
    if padded and len(first) != len(last):
        raise ValueError(
            f"{{{inside}}}: with leading zeros both ends have the same number of digits:"
            f" {{{first.zfill(len(last))}..{last.zfill(len(first))}}}"
        )
    if int(last) - int(first) >= MOST_SHARDS:
        raise ValueError(f"{{{inside}}}: at most {MOST_SHARDS:,} tables are read as one, and these are more")
    return [str(number).zfill(len(first) if padded else 0) for number in range(int(first), int(last) + 1)]


def _refuse_doubles(tables: tuple[TableName, ...]) -> None:
    """Refuse a table that is there twice, since its rows would count twice; many servers ignore case in names."""
    counted = Counter(str(table).casefold() for table in tables)
    for table in tables:
        if counted[str(table).casefold()] > 1:
            raise ValueError(f"{table} is there twice, and its rows would count twice; name each table once")
