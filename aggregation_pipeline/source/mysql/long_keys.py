"""Let the server group and sort by all of a long text, not only by its beginning.

MySQL and MariaDB compare only the first `max_sort_length` bytes when they sort: longer keys are merged into one group,
or one key is split into several. Most of them write every key in that full length, to memory and to disk, so the
variable is raised just to the longest key there is.
"""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aggregation_pipeline.config.sql.expressions import split_direction, to_sql
from aggregation_pipeline.config.sql.tokens import Token, quote, tokenize
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.mysql.described_queries import DescribedQuery
from aggregation_pipeline.source.mysql.entry_expressions import expressions_of
from aggregation_pipeline.source.mysql.instant_expressions import to_sql_text
from aggregation_pipeline.source.mysql.query import ORDER_KEY
from aggregation_pipeline.source.mysql.referenced_tables import references_of_expression
from aggregation_pipeline.source.mysql.row_protocol import Field
from aggregation_pipeline.source.mysql.session import Session, SourceColumn
from aggregation_pipeline.source.mysql.shard import Shard
from aggregation_pipeline.source.mysql.variables import SORT_BUFFER, SORT_LENGTH

# The maximum of max_sort_length.
LARGEST_SORT_LENGTH: Final = 8 << 20
# The most that the sort of one dataset may write to the server's disk. If that disk is full, everybody's queries fail.
MOST_SORTED_BYTES: Final = 16 << 30
# Bytes of the longest character. A server divides max_sort_length by it, whatever the characters are, and gives the
# length of a column in it.
_CHARACTER_BYTES: Final = 4
# Characters of a column that the default covers.
_SHORT: Final = SORT_LENGTH // _CHARACTER_BYTES
_SORTS: Final = re.compile(r"\bSELECT\b.*\b(?:BY|OVER|DISTINCT|UNION|MIN|MAX)\b", re.IGNORECASE | re.DOTALL)
_WINDOW: Final = re.compile(r"\bOVER\b", re.IGNORECASE)
_FRAMES: Final = frozenset(("rows", "range", "groups"))
_BETWEEN_TERMS: Final = frozenset(("partition", "order", "by", "asc", "desc"))
# Room for the bytes that a server adds to a key.
_MARGIN: Final = 16
# MySQL refuses to sort if keys do not fit into its buffer 15 times.
_KEYS_IN_BUFFER: Final = 16


@dataclass(frozen=True)
class _SortKeys:
    """What the server may sort by.

    Attributes:
        rows: FROM and WHERE of the sorted rows.
        keys: as SQL.
        select: SELECT with the hints of the entry.
    """

    rows: str
    keys: tuple[str, ...]
    select: str = "SELECT"


def fit_long_keys(session: Session, shards: Sequence[Shard], queries: Sequence[DescribedQuery]) -> None:
    """Raise the session's `max_sort_length` to what the longest key of these queries needs.

    If no key can be long, the server is not asked.

    Args:
        session: that will run the queries.
        shards: the tables that are read.
        queries: of the entry.

    Raises:
        SourceError: a key is longer than the server can sort by, or sorting by it would fill the server's disk.
    """
    entry = shards[0].entry
    others = [each for each in _in_sub_selects(session, entry) if each.keys]
    own = [each for place, shard in enumerate(shards) for each in _own(shard, queries, place)]
    sorted_rows = [*others, *own]
    # OceanBase has the variable and compares whole texts anyway.
    compares_all = session.capabilities.knows_limit("ob_query_timeout")
    if not sorted_rows or compares_all or not session.rows("SHOW VARIABLES LIKE 'max\\_sort\\_length'")[1]:
        return
    longest = max(_longest(session, entry, each) for each in sorted_rows)
    if longest <= SORT_LENGTH:
        return
    # A sort has the keys of one shard, since they are the same in all.
    keys = sum(len(each.keys) for each in (*others, *own[:1]))
    terms = len(entry.group_by or ()) + len(entry.order_by or ()) + keys
    buffer = max(SORT_BUFFER, _KEYS_IN_BUFFER * (longest * keys + SORT_LENGTH * terms))
    with session.translate_errors():
        session.connection.exec_driver_sql(
            f"SET SESSION max_sort_length = {longest}, SESSION sort_buffer_size = {buffer}"
        )


def _own(shard: Shard, queries: Sequence[DescribedQuery], place: int) -> Iterator[_SortKeys]:
    """What the rows of a table may be sorted by, if any of it may be long."""
    described = [each.shards[place] if each.shards else each for each in queries]
    if keys := tuple(dict.fromkeys(_keys(shard.entry, described, shard.columns))):
        yield _SortKeys(_source(shard.entry, described[0]), keys, described[0].query.hints.select)


def _longest(session: Session, entry: TableEntry, sort: _SortKeys) -> int:
    """The bytes that the longest key needs, in one query over the rows."""
    lengths = ", ".join(map(_length, sort.keys))
    rows, *found = (int(value) for value in session.row(f"{sort.select} COUNT(*), {lengths} {sort.rows}"))
    longest = max(found) + _MARGIN
    if longest > LARGEST_SORT_LENGTH or (longest > SORT_LENGTH and longest * rows > MOST_SORTED_BYTES):
        key = sort.keys[found.index(max(found))]
        raise SourceError(
            f"{entry.table}: {key}, by which rows are grouped or ordered, has up to {max(found):,} bytes, and there are"
            f" {rows:,} rows. To tell such keys apart the server would sort {longest * rows / 2**30:,.1f} GiB, so"
            " nothing was read. Group by SHA2(column, 256) instead of the column, or leave it out of `order_by`, or"
            " write `order: none`."
        )
    return longest


def _in_sub_selects(session: Session, entry: TableEntry) -> Iterator[_SortKeys]:
    """All long columns of tables that a sub-select may sort; which of them it sorts by is not followed."""
    tables = {
        table
        for _, sql in expressions_of(entry)
        if _SORTS.search(sql)
        for table in references_of_expression(sql).tables
    }
    for table in sorted(tables, key=str):
        columns = session.columns(*table).values()
        yield _SortKeys(
            f"FROM {table.sql}", tuple(quote(column.name) for column in columns if column.max_length > _SHORT)
        )


def _keys(entry: TableEntry, described: Sequence[DescribedQuery], columns: Mapping[str, SourceColumn]) -> Iterator[str]:
    """The SQL of every key that the server may sort by and that may be long."""
    table = quote(entry.source_table.name)
    texts = {f"{table}.{quote(column.name)}": column.max_length > _SHORT for column in columns.values()}
    for each in described:
        if each.query.dataset == "summary":
            yield from (
                to_sql(key.expr)
                for key, field in zip(entry.group_by or (), each.fields, strict=False)
                if _is_long(field)
            )
        else:
            yield from _order_keys(entry, each, texts)
        for sql, _ in each.query.outputs:
            if _WINDOW.search(sql):
                yield from (term for term in window_terms(sql) if texts.get(_qualified(table, term), True))


def _qualified(table: str, term: str) -> str:
    return f"{table}.{term if term.startswith('`') else quote(term)}"


def window_terms(sql: str) -> Iterator[str]:
    """Yield the SQL of what the window functions of an expression partition and order by."""
    tokens = tokenize(sql)[0]
    for place, (token, following) in enumerate(itertools.pairwise(tokens)):
        if token.name == "over" and following.text == "(":
            yield from (to_sql_text(term).strip() for term in _terms(tokens[place + 2 :]) if term)


def _terms(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    """The terms of a window, up to its closing bracket or its frame."""
    term: list[Token] = []
    depth = 0
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth < 0 or (depth == 0 and token.name in _FRAMES):
            break
        if depth == 0 and (token.text == "," or token.name in _BETWEEN_TERMS):
            yield term
            term = []
        else:
            term.append(token)
    yield term


def _order_keys(entry: TableEntry, described: DescribedQuery, texts: Mapping[str, bool]) -> Iterator[str]:
    for term in described.query.order_terms:
        expression, _ = split_direction(term)
        if expression.isdigit():
            place = int(expression) - 1
            if _is_long(described.fields[place]):
                yield to_sql((entry.select_fields or ())[place].expr)
        elif texts.get(expression, True) and ORDER_KEY not in expression:
            yield expression


def _length(key: str) -> str:
    """SQL of the longest sort key in bytes. WEIGHT_STRING is NULL for a number, and beyond max_allowed_packet."""
    weight, text = f"COALESCE(LENGTH(WEIGHT_STRING({key})), 0)", f"{_CHARACTER_BYTES} * CHAR_LENGTH({key})"
    return f"COALESCE(MAX(GREATEST({weight}, {text})), 0)"


def _is_long(field: Field) -> bool:
    return field.length > SORT_LENGTH


def _source(entry: TableEntry, described: DescribedQuery) -> str:
    """FROM and WHERE, which are the same for all queries of an entry."""
    positions = ", ".join(str(position) for position, _ in enumerate(entry.group_by or (), start=1))
    clauses = described.query.clauses
    return clauses.removesuffix(f" GROUP BY {positions}") if described.query.dataset == "summary" else clauses
