"""From a table entry to the SQL that reads it. Pure: nothing is asked of a database here.

Fragments were proved at load to be single expressions and stand in parentheses, so nothing in one can change the shape of a statement.
Groups and their order go by ordinal: a name would mean the column of that name where one exists, and silently count something else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from aggregation_pipeline.config.expressions import is_plain_word, name_of, split_direction, to_sql
from aggregation_pipeline.config.model import ALL_COLUMNS, COUNT_ROWS, Aggregation, TableEntry
from aggregation_pipeline.config.tokens import quote

# MySQL's STDDEV and VARIANCE are these; elsewhere the short names mean the sample's.
_SERVER_NAMES: Final = {"STDDEV": "STDDEV_POP", "VARIANCE": "VAR_POP"}


@dataclass(frozen=True)
class DatasetQuery:
    """One SELECT of a table entry. The SQL holds no placeholders: it goes out as it is, `%` and `:` included.

    Attributes:
        sql: reads at most `limit` + 1 rows. The one too many tells a dataset that was capped from one that just fits: the reader
            keeps `limit` rows and says `truncated` when it met another.
        count_sql: gives the exact number of rows that `sql` returns in the same snapshot, that one included; None for a summary, whose
            rows only the server's FOUND_ROWS() can count without grouping all over again.
        columns: true names of the outputs, in order: servers garble some. Empty for `*`, where the server names them.
        limit: rows to keep, None for all.
        order: what the rows are ordered by, in words for the manifest: "group keys", "primary key (id)", "none", "one row".
    """

    dataset: Literal["summary", "detail"]
    sql: str
    count_sql: str | None
    columns: tuple[str, ...]
    limit: int | None
    order: str


def build_queries(entry: TableEntry, *, primary_key: Sequence[str]) -> tuple[DatasetQuery, ...]:
    """The queries of an entry, the summary first: one, or two when it asks for aggregates and for detail rows.

    Args:
        entry: as the config gives it.
        primary_key: the source table's key columns in order; empty for a table without one, whose detail rows come unordered.
    """
    wants_summary = bool(entry.group_by or entry.aggregations)
    summary = (_summary(entry),) if wants_summary or not entry.select_fields else ()
    detail = (_detail(entry, primary_key),) if entry.select_fields else ()
    return summary + detail


def _summary(entry: TableEntry) -> DatasetQuery:
    figures = entry.aggregations or (() if entry.group_by else (COUNT_ROWS,))
    outputs = [(to_sql(key.expr), key.name) for key in entry.group_by] + [(_figure(figure), figure.name) for figure in figures]
    keys = ", ".join(str(position) for position in range(1, len(entry.group_by) + 1))
    return DatasetQuery(
        dataset="summary",
        sql=_statement(_select(outputs), _rows(entry), keys and f"GROUP BY {keys}", keys and f"ORDER BY {keys}", _cap(entry)),
        count_sql=None,
        columns=tuple(name for _, name in outputs),
        limit=entry.limit,
        order="group keys" if keys else "one row",
    )


def _detail(entry: TableEntry, primary_key: Sequence[str]) -> DatasetQuery:
    columns = tuple(field.name for field in entry.select_fields if field.expr != ALL_COLUMNS)
    fields = (
        _select([(to_sql(field.expr), field.name) for field in entry.select_fields]) if columns else f"SELECT {quote(entry.source.name)}.*"
    )
    terms, words = _order(entry, primary_key, columns)
    rows, cap = _rows(entry), _cap(entry)
    if cap:
        capped = _statement("SELECT 1", rows, cap)
        rows = f"FROM ({capped}) AS counted"
    return DatasetQuery(
        dataset="detail",
        sql=_statement(fields, _rows(entry), terms and f"ORDER BY {', '.join(terms)}", cap),
        count_sql=_statement("SELECT COUNT(*)", rows),
        columns=columns,
        limit=entry.limit,
        order=words,
    )


def _order(entry: TableEntry, primary_key: Sequence[str], columns: Sequence[str]) -> tuple[list[str], str]:
    """The ORDER BY terms and their description. The key comes last even after `order_by`, so that equal rows have one order."""
    if entry.order == "none":
        return [], "none"
    positions = {name.casefold(): position for position, name in enumerate(columns, start=1)}
    terms = [_order_term(entry, item, positions) for item in entry.order_by or ()]
    # The table's name keeps an alias that equals a key column from taking its place.
    terms += [f"{quote(entry.source.name)}.{quote(column)}" for column in primary_key]
    parts = [", ".join(entry.order_by)] if entry.order_by else []
    parts += [f"primary key ({', '.join(primary_key)})"] if primary_key else []
    return terms, ", then ".join(parts) or "none"


def _order_term(entry: TableEntry, item: str, positions: dict[str, int]) -> str:
    expression, direction = split_direction(item)
    name = name_of(expression)
    if name.casefold() in positions:
        term = str(positions[name.casefold()])
    elif name != expression or is_plain_word(expression):
        term = f"{quote(entry.source.name)}.{quote(name)}"
    else:
        term = to_sql(expression)
    return f"{term} {direction}".rstrip()


def _figure(figure: Aggregation) -> str:
    """An aggregation as SQL, without its name."""
    if figure.expr is not None:
        return to_sql(figure.expr)
    argument = ALL_COLUMNS if figure.field in (None, ALL_COLUMNS) else to_sql(str(figure.field))
    if figure.function == "COUNT DISTINCT":
        return f"COUNT(DISTINCT {argument})"
    if figure.function == "GROUP_CONCAT":
        # Without an order of its own the server would join the values in whatever order it met them.
        return f"GROUP_CONCAT({argument} ORDER BY {argument})"
    return f"{_SERVER_NAMES.get(str(figure.function), figure.function)}({argument})"


def _select(outputs: Sequence[tuple[str, str]]) -> str:
    return "SELECT " + ", ".join(sql if sql == quote(name) else f"{sql} AS {quote(_servable(name))}" for sql, name in outputs)


def _servable(name: str) -> str:
    """Servers keep names in three bytes a character and refuse an emoji in one; the reader takes the true name from `columns`."""
    return "".join(letter if letter <= "\uffff" else "\ufffd" for letter in name)


def _rows(entry: TableEntry) -> str:
    """Where the rows of both datasets come from."""
    return _statement(f"FROM {entry.source.sql}", entry.where and f"WHERE ({entry.where})")


def _cap(entry: TableEntry) -> str:
    return "" if entry.limit is None else f"LIMIT {entry.limit + 1}"


def _statement(*clauses: str | list[str] | None) -> str:
    return " ".join(str(clause) for clause in clauses if clause)
