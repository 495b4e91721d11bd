"""Build the SQL that reads a table entry. Pure: no database is asked here.

Loading the config has proved each expression to be a single one. A condition stands in parentheses, so it cannot change
the structure of the statement. GROUP BY and ORDER BY use positions: a name would mean the source's column of that name,
if there is one, and silently group by something else.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from aggregation_pipeline.config.columns import ALL_COLUMNS
from aggregation_pipeline.config.entry_query import FALLBACK_OUTPUT_NAME, INNER_OUTPUT_NAME
from aggregation_pipeline.config.sql.expressions import is_plain_word, output_name, split_direction, to_sql
from aggregation_pipeline.config.sql.hints import NO_HINTS, Hints, read_hints
from aggregation_pipeline.config.sql.references import comparable_name
from aggregation_pipeline.config.sql.tokens import quote
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.extract import TIES
from aggregation_pipeline.source.mysql.figures import figure_sql, figures_of, group_condition

# A session variable. Rows ordered by a masked column would reveal its values by their ranks, so they are ordered by a
# hash with this key.
ORDER_KEY: Final = "@mask_order"
# MySQL's limit for a column name. It accepts longer aliases, and mishandles some of them.
_LONGEST_NAME: Final = 64
# From an output's SQL to the SQL that is asked for instead.
Form = Callable[[str], str]


@dataclass(frozen=True)
class DatasetQuery:
    """One SELECT of a table entry. Its SQL has no placeholders and is sent as it is, `%` and `:` included.

    Attributes:
        outputs: (SQL, true name) of each output, in order. Empty for `*`, where the server names them.
        source: the prefix of the source table's columns in the statement.
        table: the source table with its database.
        clauses: FROM to GROUP BY.
        having: the condition on groups with its word; empty without one.
        lead: outputs before those of `*`.
        shard: the table that it reads, for messages, if it is one of several; else empty.
        order_terms: the terms of ORDER BY; without any, rows come in the server's order.
        count_sql: counts exactly the rows that `sql` returns in the same snapshot. None for a summary, whose rows only
            FOUND_ROWS() can count without grouping again.
        limit: rows to keep, None for all.
        order: what the rows are ordered by, in words for the manifest: "group keys", "primary key (id)", "none", "one
            row".
        groups_in_subquery: group in a derived table, and order outside of it by its columns.
        unions: further queries whose rows the statement returns too.
        hints: of the entry, for a statement of its own.
    """

    dataset: Literal["summary", "detail"]
    outputs: tuple[tuple[str, str], ...]
    source: str
    table: str
    clauses: str
    order_terms: tuple[str, ...]
    count_sql: str | None
    limit: int | None
    order: str
    groups_in_subquery: bool = False
    having: str = ""
    unions: "tuple[DatasetQuery, ...]" = ()
    lead: tuple[tuple[str, str], ...] = ()
    shard: str = ""
    hints: Hints = NO_HINTS

    @property
    def title(self) -> str:
        """What it reads, for messages: `detail`, `detail of orders_03`."""
        return f"{self.dataset} of {self.shard}" if self.shard else self.dataset

    @property
    def columns(self) -> tuple[str, ...]:
        """True names of the outputs, which servers garble sometimes. Empty for `*`."""
        return tuple(name for _, name in self.outputs)

    @property
    def sql(self) -> str:
        """The statement. It reads at most `limit` + 1 rows.

        The additional row tells a dataset that was cut from one that just fits: the reader keeps `limit` rows, and
        reports `truncated` if one more came.
        """
        own = "\n".join(filter(None, (*self._select_from, *self.tail)))
        return "\nUNION ALL\n".join((own, *(each.sql for each in self.unions)))

    @property
    def tail(self) -> tuple[str, str]:
        """ORDER BY and LIMIT; empty texts without."""
        return (self._order_by, _limit(self.limit))

    @property
    def probe_sql(self) -> str:
        """The statement with LIMIT 0: the server checks all of it and describes the columns, and reads no row."""
        return _join_clauses(*self._select_from, self._order_by, "LIMIT 0")

    @property
    def _order_by(self) -> str:
        return f"ORDER BY {', '.join(self.order_terms)}" if self.order_terms else ""

    @property
    def _select_from(self) -> tuple[str, str]:
        clauses = _join_clauses(self.clauses, self.having)
        if not self.groups_in_subquery:
            lead = f"{_select(self.lead, self.hints)}, " if self.lead else f"{self.hints.select} "
            return (_select(self.outputs, self.hints) if self.outputs else f"{lead}{self.source}.*", clauses)
        # Plain names inside: a derived table allows neither repeated nor overlong names.
        inner = _select(
            [(sql, INNER_OUTPUT_NAME.format(position)) for position, (sql, _) in enumerate(self.outputs, start=1)],
            self.hints.inside(),
        )
        outer = _select(
            [
                (f"grouped.{INNER_OUTPUT_NAME.format(position)}", name)
                for position, name in enumerate(self.columns, start=1)
            ],
            self.hints.around(),
        )
        return (outer, f"FROM ({_join_clauses(inner, clauses)}) AS grouped")

    def with_exact_forms(self, names: Sequence[str], forms: Mapping[int, Form]) -> "DatasetQuery":
        """Return the same query with some outputs in a form that arrives exactly.

        Args:
            names: the outputs as the server names them.
            forms: by position, from 0.
        """
        if not forms:
            return self
        outputs = self.named_outputs(names)
        return replace(
            self,
            outputs=tuple(
                (forms[place](sql) if place in forms else sql, name) for place, (sql, name) in enumerate(outputs)
            ),
        )

    def named_outputs(self, names: Sequence[str]) -> Sequence[tuple[str, str]]:
        """The outputs, those of `*` too, as the server names them."""
        return self.outputs or [*self.lead, *((quote(name), name) for name in names[len(self.lead) :])]


def build_queries(
    entry: TableEntry, *, primary_key: Sequence[str], condition: str | None = None, hints: Hints | None = None
) -> tuple[DatasetQuery, ...]:
    """Return the queries of an entry, the summary first: two if it asks for aggregates and for detail rows, else one.

    Args:
        entry: as the config gives it.
        primary_key: the source table's key columns in order; empty for a table without one, whose detail rows come
            unordered.
        condition: of the partition, which goes before the entry's own `where`; None for the whole table.
        hints: of the statements; those of the entry if there are no others.
    """
    hints = hints or read_hints(entry.hints)
    wants_summary = bool(entry.group_by or entry.aggregations)
    rows = rows_clauses(entry, condition)
    summary = (_summary(entry, rows, hints),) if wants_summary or not entry.select_fields else ()
    detail = (_detail(entry, primary_key, rows, hints),) if entry.select_fields else ()
    return summary + detail


def _summary(entry: TableEntry, rows: str, hints: Hints) -> DatasetQuery:
    figures = figures_of(entry)
    positions = range(1, len(entry.group_by) + 1)
    rules = {name.casefold(): rule for name, rule in entry.mask.items()}
    # Loading has proved that a key which depends on a masked column is masked, or kept on purpose.
    masked = [rules.get(key.name.casefold(), "keep") != "keep" for key in entry.group_by]
    if any(masked):
        terms = [f"grouped.{INNER_OUTPUT_NAME.format(position)}" for position in positions]
        terms = [_hashed(term) if hidden else term for term, hidden in zip(terms, masked, strict=True)]
    else:
        terms = [str(position) for position in positions]
    return DatasetQuery(
        dataset="summary",
        outputs=tuple(
            [(to_sql(key.expr), key.name) for key in entry.group_by]
            + [(figure_sql(figure), figure.name) for figure in figures]
        ),
        source=quote(entry.source_table.name),
        table=entry.source_table.sql,
        clauses=_join_clauses(rows, positions and f"GROUP BY {', '.join(map(str, positions))}"),
        order_terms=tuple(terms),
        count_sql=None,
        limit=entry.limit,
        order=("group keys, masked ones by a keyed hash" if any(masked) else "group keys") if terms else "one row",
        groups_in_subquery=any(masked),
        shard=str(entry.source_table) if entry.shard_name else "",
        having=f"HAVING {condition}" if (condition := group_condition(entry)) else "",
        hints=hints,
    )


def _detail(entry: TableEntry, primary_key: Sequence[str], rows: str, hints: Hints) -> DatasetQuery:
    outputs = tuple((to_sql(field.expr), field.name) for field in entry.select_fields if field.expr != ALL_COLUMNS)
    is_named = entry.shard_column is not None and not outputs
    terms, words = _order(entry, primary_key, [name for _, name in outputs])
    counted, counting = rows, hints
    if entry.limit is not None:
        counted = f"FROM ({_join_clauses(hints.inside().select, 1, rows, _limit(entry.limit))}) AS counted"
        counting = hints.around()
    return DatasetQuery(
        dataset="detail",
        outputs=outputs,
        source=quote(entry.source_table.name),
        table=entry.source_table.sql,
        clauses=rows,
        order_terms=tuple(terms),
        count_sql=_join_clauses(counting.select, "COUNT(*)", counted),
        limit=entry.limit,
        order=words,
        lead=((to_sql(entry.shard_name), str(entry.shard_column)),) if is_named else (),
        shard=str(entry.source_table) if entry.shard_name else "",
        hints=hints,
    )


def _order(entry: TableEntry, primary_key: Sequence[str], columns: Sequence[str]) -> tuple[list[str], str]:
    """The ORDER BY terms and their description. The primary key comes last, so that equal rows have one order too."""
    if entry.order == "none":
        return [], "none"
    positions = {name.casefold(): position for position, name in enumerate(columns, start=1)}
    terms = [_order_term(entry, item, positions) for item in entry.order_by or ()]
    # The table's name keeps an alias that equals a key column from taking its place.
    keys = {column: f"{quote(entry.source_table.name)}.{quote(column)}" for column in primary_key}
    hidden_columns = entry.hidden_columns
    hidden = [column for column in keys if comparable_name(column) in hidden_columns]
    terms += [_hashed(term) if column in hidden else term for column, term in keys.items()]
    parts = [", ".join(entry.order_by) + ("" if primary_key else TIES)] if entry.order_by else []
    parts += [f"{'keyed hash of the ' if hidden else ''}primary key ({', '.join(primary_key)})"] if primary_key else []
    return terms, ", then ".join(parts) or "none"


def _hashed(term: str) -> str:
    return f"SHA2(CONCAT({ORDER_KEY}, {term}), 256)"


def _order_term(entry: TableEntry, item: str, positions: dict[str, int]) -> str:
    expression, direction = split_direction(item)
    name = output_name(expression)
    if name.casefold() in positions:
        term = str(positions[name.casefold()])
    elif name != expression or is_plain_word(expression):
        term = f"{quote(entry.source_table.name)}.{quote(name)}"
    else:
        term = to_sql(expression)
    return f"{term} {direction}".rstrip()


def _select(outputs: Sequence[tuple[str, str]], hints: Hints) -> str:
    named = (_named(sql, name, position) for position, (sql, name) in enumerate(outputs, start=1))
    return f"{hints.select} {', '.join(named)}"


def _named(sql: str, name: str, position: int) -> str:
    if sql == quote(name):
        return sql
    # The reader takes the true name from `columns`, so a name that servers garble is replaced by a plain one.
    alias = name if _survives_servers(name) else FALLBACK_OUTPUT_NAME.format(position)
    return f"{sql} AS {quote(alias)}"


def _survives_servers(name: str) -> bool:
    """Whether every server accepts the name for an output and sends it back as it is.

    Servers keep names in three bytes a character, too few for an emoji. MySQL 5.6 and seekdb cut long ones, in the
    middle of a character or with a warning. All of them warn about a leading blank.
    """
    return (
        len(name) <= _LONGEST_NAME and name == name.strip() and name.isprintable() and max(name, default="") <= "\uffff"
    )


def rows_clauses(entry: TableEntry, condition: str | None) -> str:
    """FROM and WHERE, the same for everything that is read of a window."""
    table = _join_clauses(entry.source_table.sql, read_hints(entry.hints).index)
    conditions = " AND ".join(filter(None, (condition, entry.where and f"({entry.where})")))
    return _join_clauses(f"FROM {table}", conditions and f"WHERE {conditions}")


def _limit(limit: int | None) -> str:
    return "" if limit is None else f"LIMIT {limit + 1}"


def _join_clauses(*clauses: object) -> str:
    return " ".join(str(clause) for clause in clauses if clause)
