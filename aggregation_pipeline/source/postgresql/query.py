"""Build the SQL that reads a table entry from PostgreSQL. Pure: no database is asked here.

What an entry asks for stands in a derived table, whose columns have names of our own: o1, o2 for outputs, k1 for what
rows are ordered by besides. Around it each output is sent in the form in which it arrives exactly, so that this form
decides neither what is grouped by nor what comes first.

    SELECT q.o1 AS "status", q.o2::text AS "revenue"
    FROM (SELECT "status" AS o1, SUM("price") AS o2 FROM "orders" GROUP BY 1) AS q ORDER BY q.o1 COLLATE "C"

Detail rows are such a simple derived table that the server reads them as if it were not there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from aggregation_pipeline.config.columns import ALL_COLUMNS
from aggregation_pipeline.config.entry_query import FALLBACK_OUTPUT_NAME, Output, output_sql
from aggregation_pipeline.config.sql.expressions import is_plain_word, output_name, split_direction, to_sql
from aggregation_pipeline.config.sql.postgresql import POSTGRESQL
from aggregation_pipeline.config.sql.references import comparable_name
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.extract import TIES
from aggregation_pipeline.source.postgresql.names import LONGEST_NAME
from aggregation_pipeline.source.postgresql.session import Key
from aggregation_pipeline.source.postgresql.settings import ORDER_KEY

# The most that a NaN takes, in memory; on disk less. If one took more, the reader would refuse it as no number.
_NAN_BYTES: Final = 6
# Applied to each piece of the user's SQL.
Rewrite = Callable[[str], str]


@dataclass(frozen=True)
class OrderTerm:
    """One term of ORDER BY.

    Attributes:
        column: of the derived table: o1, k1.
        direction: ASC, DESC, or nothing.
        is_key: whether it makes the order complete; texts are then compared byte by byte.
        hashed: whether rows are ordered by a keyed hash of it, because its own order would show masked values.
    """

    column: str
    direction: str = ""
    is_key: bool = False
    hashed: bool = False

    def sql(self, *, is_text: bool) -> str:
        """The term in the outer statement."""
        term = f"q.{self.column}"
        if self.hashed:
            return f"sha256(convert_to(current_setting('{ORDER_KEY}') || {term}::text, 'UTF8'))"
        collation = ' COLLATE "C"' if is_text and self.is_key else ""
        return f"{term}{collation} {self.direction}".rstrip()


@dataclass(frozen=True)
class DatasetQuery:
    """One dataset of a table entry.

    Attributes:
        outputs: (SQL, true name) of each output, in order.
        rows: FROM to HAVING.
        terms: of ORDER BY; without any, rows come in the server's order.
        extras: SQL of the columns k1, k2 that only the order needs.
        limit: rows to keep, None for all.
        order: what the rows are ordered by, in words for the manifest.
    """

    dataset: Literal["summary", "detail"]
    outputs: tuple[tuple[str, str], ...]
    rows: str
    terms: tuple[OrderTerm, ...]
    extras: tuple[str, ...]
    limit: int | None
    order: str

    @property
    def inner(self) -> str:
        """The derived table, with all of its columns."""
        columns = [f"{sql} AS o{place}" for place, (sql, _) in enumerate(self.outputs, start=1)]
        columns += [f"{sql} AS k{place}" for place, sql in enumerate(self.extras, start=1)]
        return f"SELECT {', '.join(columns)} {self.rows}"

    @property
    def counts_first(self) -> bool:
        """Whether the rows are counted before they are read; else the statement counts what it returns."""
        return self.dataset == "detail" and self.limit is None

    def statement(
        self, forms: Mapping[int, str], order: Sequence[str], nan_columns: Sequence[str], only: str = ""
    ) -> str:
        """Return the statement that reads the rows, at most `limit` + 1 of them.

        The additional row tells a dataset that was cut from one that just fits. If the rows are not counted first, two
        kinds of columns stand behind the outputs: how many rows there are, and whether one has NaN, for each column
        that is asked about.

        Args:
            forms: SQL of each output that is sent, by its place from 1 on.
            order: the terms of ORDER BY.
            nan_columns: of the derived table.
            only: condition on its columns, of rows that are counted first; empty for all of them.
        """
        columns = [f"{sql} AS {self._alias(place)}" for place, sql in forms.items()]
        ordered = f" ORDER BY {', '.join(order)}" if order else ""
        if self.counts_first:
            condition = f" WHERE {only}" if only else ""
            return f"SELECT {', '.join(columns)}\nFROM ({self.inner}) AS q{condition}{ordered}"
        columns += ["count(*) OVER ()", *(f"bool_or(q.{name} = 'NaN') OVER ()" for name in nan_columns)]
        source = f"({self.inner}) AS q"
        if self.limit is not None:
            source = f"(SELECT * FROM {source}{ordered} LIMIT {self.limit + 1}) AS q"
        return f"SELECT {', '.join(columns)}\nFROM {source}{ordered}"

    def count_sql(self, nan_columns: Sequence[str], spanned: str | None = None) -> str:
        """Return the statement that counts the rows, and says of each such column whether it has NaN.

        The least and the greatest value of a column of the derived table, `spanned`, stand behind that.
        """
        # The size is there without looking at the value, and spares most values the comparison, which copies each.
        nan = "bool_or(CASE WHEN pg_column_size(q.{0}) <= {1} THEN q.{0} = 'NaN' END)"
        asked = ["count(*)", *(nan.format(name, _NAN_BYTES) for name in nan_columns)]
        asked += [f"min(q.{spanned})", f"max(q.{spanned})"] if spanned else []
        return f"SELECT {', '.join(asked)} FROM ({(self if spanned else replace(self, extras=())).inner}) AS q"

    def _alias(self, place: int) -> str:
        """The output's name, if the server keeps it as it is; the reader takes the true name from `outputs`."""
        name = self.outputs[place - 1][1]
        kept = len(name.encode()) <= LONGEST_NAME and name.isprintable()
        return POSTGRESQL.quote(name if kept else FALLBACK_OUTPUT_NAME.format(place))


def build_queries(
    entry: TableEntry, *, columns: Sequence[str], key: Key, condition: str | None, rewrite: Rewrite
) -> tuple[DatasetQuery, ...]:
    """Return the queries of an entry, the summary first: two if it asks for aggregates and for detail rows, else one.

    Args:
        entry: as the config gives it.
        columns: of the table, for `*`.
        key: of the table; rows of one without a key come unordered.
        condition: of the partition; None for the whole table.
        rewrite: applied to each piece of the entry's SQL.
    """
    rows = rows_clauses(entry, condition, rewrite)
    wants_summary = bool(entry.group_by or entry.aggregations)
    summary = (_summary(entry, rows, rewrite),) if wants_summary or not entry.select_fields else ()
    detail = (_detail(entry, columns, key, rows, rewrite),) if entry.select_fields else ()
    return summary + detail


def rows_clauses(entry: TableEntry, condition: str | None, rewrite: Rewrite) -> str:
    """FROM and WHERE, the same for everything that is read of a window."""
    conditions = [condition, entry.where and f"({rewrite(entry.where)})"]
    where = " AND ".join(filter(None, conditions))
    return f"FROM {POSTGRESQL.quoted(*entry.source_table)}{f' WHERE {where}' if where else ''}"


def _summary(entry: TableEntry, rows: str, rewrite: Rewrite) -> DatasetQuery:
    query = entry.query
    outputs: list[Output] = [*entry.group_by, *query.aggregations]
    places = range(1, len(entry.group_by) + 1)
    rules = {name.casefold(): rule for name, rule in entry.mask.items()}
    # Loading has proved that a key which depends on a masked column is masked, or kept on purpose.
    masked = [rules.get(key.name.casefold(), "keep") != "keep" for key in entry.group_by]
    having = group_condition(entry)
    clauses = [rows, f"GROUP BY {', '.join(map(str, places))}" if places else ""]
    clauses.append(f"HAVING {rewrite(having)}" if having else "")
    words = "group keys, masked ones by a keyed hash" if any(masked) else "group keys"
    return DatasetQuery(
        dataset="summary",
        outputs=tuple((rewrite(output_sql(each)), each.name) for each in outputs),
        rows=" ".join(filter(None, clauses)),
        terms=tuple(
            OrderTerm(f"o{place}", is_key=True, hashed=hidden) for place, hidden in zip(places, masked, strict=True)
        ),
        extras=(),
        limit=entry.limit,
        order=words if places else "one row",
    )


def group_condition(entry: TableEntry) -> str:
    """Return the SQL of the entry's condition on groups, in parentheses; empty without one.

    It names no output: a figure stands there as it is computed, and a key as its MIN, because all rows of a group have
    the same.
    """
    if entry.having is None:
        return ""
    from aggregation_pipeline.config.sql.group_conditions import with_outputs, with_qualified_columns

    meanings = {key.name.casefold(): f"MIN({output_sql(key)})" for key in entry.group_by}
    meanings |= {figure.name.casefold(): f"({output_sql(figure)})" for figure in entry.query.aggregations}
    condition = with_outputs(entry.having, meanings, dialect=POSTGRESQL)
    return f"({with_qualified_columns(condition, _table(entry), meanings, POSTGRESQL)})"


def _detail(entry: TableEntry, columns: Sequence[str], key: Key, rows: str, rewrite: Rewrite) -> DatasetQuery:
    outputs: list[tuple[str, str]] = []
    for field in entry.select_fields:
        if field.expr == ALL_COLUMNS:
            outputs += [(f"{_table(entry)}.{POSTGRESQL.quote(name)}", name) for name in columns]
        else:
            outputs.append((rewrite(output_sql(field)), field.name))
    terms, extras, words = _order(entry, key, [name for _, name in outputs], rewrite)
    return DatasetQuery(
        dataset="detail",
        outputs=tuple(outputs),
        rows=rows,
        terms=tuple(terms),
        extras=tuple(extras),
        limit=entry.limit,
        order=words,
    )


def _order(
    entry: TableEntry, key: Key, outputs: Sequence[str], rewrite: Rewrite
) -> tuple[list[OrderTerm], list[str], str]:
    """The terms of ORDER BY, the columns that they need, and words. The key comes last: equal rows have one order."""
    if entry.order == "none":
        return [], [], "none"
    places = {name.casefold(): place for place, name in enumerate(outputs, start=1)}
    terms, extras = list[OrderTerm](), list[str]()
    for item in entry.order_by or ():
        expression, direction = split_direction(item)
        name = output_name(expression, POSTGRESQL)
        if name.casefold() in places:
            terms.append(OrderTerm(f"o{places[name.casefold()]}", direction))
            continue
        is_column = name != expression or is_plain_word(expression, POSTGRESQL)
        sql = f"{_table(entry)}.{POSTGRESQL.quote(name)}" if is_column else to_sql(expression, POSTGRESQL)
        extras.append(rewrite(sql))
        terms.append(OrderTerm(f"k{len(extras)}", direction))
    hidden = [name for name in key.columns if comparable_name(name) in entry.hidden_columns]
    for name in key.columns:
        extras.append(f"{_table(entry)}.{POSTGRESQL.quote(name)}")
        terms.append(OrderTerm(f"k{len(extras)}", is_key=True, hashed=name in hidden))
    parts = [", ".join(entry.order_by) + ("" if key.columns else TIES)] if entry.order_by else []
    parts += [f"{'keyed hash of the ' if hidden else ''}{key.words}"] if key.columns else []
    return terms, extras, ", then ".join(parts) or "none"


def _table(entry: TableEntry) -> str:
    """The prefix of the table's columns."""
    return POSTGRESQL.quote(entry.source_table.name)
