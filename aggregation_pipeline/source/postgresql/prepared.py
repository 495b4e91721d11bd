"""What is looked up and checked before a row of an entry is read."""

import contextlib
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from aggregation_pipeline.config.entry_query import expressions_of
from aggregation_pipeline.config.messages.suggestions import did_you_mean
from aggregation_pipeline.config.sql.postgresql import POSTGRESQL
from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.config.sql.tokens import ExpressionError, tokenize
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.output_masks import require_masked_columns
from aggregation_pipeline.source.postgresql.described import DescribedQuery, describe
from aggregation_pipeline.source.postgresql.functions import refuse_functions_of_rows, refuse_side_effects
from aggregation_pipeline.source.postgresql.kind import SCHEMA
from aggregation_pipeline.source.postgresql.logical_clock import at_logical_time
from aggregation_pipeline.source.postgresql.masked_paths import refuse_unmasked_paths
from aggregation_pipeline.source.postgresql.names import refuse_cut_names
from aggregation_pipeline.source.postgresql.operators import refuse_volatile_operators
from aggregation_pipeline.source.postgresql.partition import partition_condition
from aggregation_pipeline.source.postgresql.query import DatasetQuery, build_queries
from aggregation_pipeline.source.postgresql.relations import (
    Relations,
    find_relations,
    refuse_hidden_table,
    require_one_moment,
)
from aggregation_pipeline.source.postgresql.session import Session, SourceColumn
from aggregation_pipeline.source.request import ReadRequest

_UNKNOWN_COLUMN: Final = "42703"
_UNKNOWN_TABLE: Final = "42P01"


@dataclass(frozen=True)
class PreparedEntry:
    """An entry, and what the server says of what it reads.

    Attributes:
        near: the nearest right name, in words, if there is no table of the entry's.
    """

    session: Session
    entry: TableEntry
    columns: Mapping[str, SourceColumn]
    relations: Relations
    queries: tuple[DatasetQuery, ...]
    near: str = ""

    def describe(self) -> tuple[DescribedQuery, ...]:
        """Return the queries, the summary first, after the server has checked each of them.

        Raises:
            SourceError: the server refuses a statement, or a mask does not suit.
        """
        with self.hints():
            described = tuple(describe(self.session, self.entry, query, self.columns) for query in self.queries)
        require_masked_columns(self.entry, ([output.name for output in each.outputs] for each in described))
        return described

    @contextlib.contextmanager
    def hints(self) -> Iterator[None]:
        """Add to the server's refusal the key of a wrong name, and the nearest right name."""
        try:
            yield
        except SourceError as error:
            if error.code == _UNKNOWN_COLUMN and error.named:
                error.args = (f"{error}{_column_hint(self.entry, error.named[0], self.columns)}",)
            if error.code == _UNKNOWN_TABLE and self.near:
                error.args = (f"{error}{self.near}",)
            raise


def prepare(session: Session, request: ReadRequest) -> PreparedEntry:
    """Look up the tables of an entry, and refuse what it may not read.

    Raises:
        SnapshotError: a table's rows would be of another moment.
        SourceError: the partition's column does not suit, a name is too long, a function may do more than read, or a
            masked column may be shown.
    """
    entry = request.entry
    refuse_cut_names(entry)
    refuse_side_effects(session, entry)
    refuse_functions_of_rows(session, entry)
    refuse_volatile_operators(session, entry)
    columns = session.columns(entry.source_table)
    relations = find_relations(session, entry)
    session.link.quotable = session.link.quotable.plus(
        [*columns, *(each.name.name for each in relations.all), *(str(each.name) for each in relations.all)]
    )
    refuse_hidden_table(entry, relations)
    require_one_moment(entry, relations)
    refuse_unmasked_paths(session, entry, relations)
    queries = build_queries(
        entry,
        columns=list(columns),
        key=session.key(entry.source_table),
        condition=partition_condition(entry, request.partition, columns),
        rewrite=functools.partial(at_logical_time, moment=request.logical_time, zone=request.zone),
    )
    # Asked before the server refuses the table, after which it answers nothing more.
    near = "" if columns else _table_hint(session, entry.source_table)
    return PreparedEntry(session, entry, columns, relations, queries, near)


def _table_hint(session: Session, wrong: TableName) -> str:
    """Suggest a table of the same name in another schema, or the nearest name in the same one."""
    rows = session.link.rows(
        "SELECT n.nspname::text, c.relname::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        " WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
        " AND n.nspname NOT LIKE 'pg_%' ORDER BY 1, 2"
    )
    elsewhere = [TableName(*row) for row in rows if row[1].casefold() == wrong.name.casefold()]
    schema = wrong.database or SCHEMA
    if TableName(schema, wrong.name) in elsewhere:
        return (
            f" It is there, and the account may not use its schema: GRANT USAGE ON SCHEMA {POSTGRESQL.quote(schema)}."
        )
    if elsewhere:
        return f" There is {elsewhere[0]}; the case of letters counts."
    return did_you_mean(wrong.name, [name for holder, name in rows if holder == schema])


def _column_hint(entry: TableEntry, wrong: str, columns: Mapping[str, SourceColumn]) -> str:
    bare = wrong.rpartition(".")[2]
    keys = [
        "".join(f"[{part}]" if isinstance(part, int) else str(part) for part in place)
        for place, sql in expressions_of(entry.query)
        if bare.casefold() in _names_in(sql)
    ]
    used = f" It is used in {', '.join(keys)}." if keys else ""
    other_case = next((name for name in columns if name.casefold() == bare.casefold() and name != name.lower()), None)
    if other_case is not None:
        return (
            f"{used} There is {other_case}: the server reads a name without quotation marks in lower case, so in an"
            f" expression it is written {POSTGRESQL.quote(other_case)}."
        )
    text = (
        f" If it is a text, it has to be in single quotes: '{bare}'."
        if keys in (["where"], ["having"]) and bare not in columns
        else ""
    )
    return f"{used}{'' if bare in columns else did_you_mean(bare, columns)}{text}"


def _names_in(sql: str) -> frozenset[str]:
    try:
        return frozenset(token.name for token in tokenize(sql, POSTGRESQL)[0] if token.name)
    except ExpressionError:
        return frozenset((sql.casefold(),))
