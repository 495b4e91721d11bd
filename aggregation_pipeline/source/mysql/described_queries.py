"""Queries with their columns as the server describes them, before any row is read: exact forms and masks are chosen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import SecretStr

from aggregation_pipeline.config.mask_options import MaskRule
from aggregation_pipeline.config.sql.trees import returns_cell_values
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.clock import Clock
from aggregation_pipeline.source.mysql.arrow_types import ColumnType, column_type
from aggregation_pipeline.source.mysql.error_hints import add_hints
from aggregation_pipeline.source.mysql.inexact_outputs import exact_forms
from aggregation_pipeline.source.mysql.masking import mask_column
from aggregation_pipeline.source.mysql.probe import probe
from aggregation_pipeline.source.mysql.query import DatasetQuery, build_queries
from aggregation_pipeline.source.mysql.requirements import require_order_key
from aggregation_pipeline.source.mysql.row_protocol import Field
from aggregation_pipeline.source.mysql.session import Session
from aggregation_pipeline.source.mysql.shard import Shard
from aggregation_pipeline.source.mysql.zero_dates import ZeroDates
from aggregation_pipeline.source.output_masks import require_masked_columns


@dataclass(frozen=True)
class DescribedQuery:
    """A query whose columns are known.

    Attributes:
        query: asks for outputs that would not arrive exactly in a form that does.
        fields: the outputs under their true names, with the types that they have in the database.
        masks: how each masked output is hidden, by output, in their order.
        exact_positions: of the outputs that are asked for in an exact form.
        has_own_types: whether all outputs have the types of `fields`, whatever the statement says of them.
        plain_positions: of the outputs whose cells are those of a column.
        shards: the same of each shard, if there are several.
        one_by_one: whether the statements of the shards run one after the other; otherwise `query` reads all of them.
        shown_sql: the SQL for people, where the statement would be too long.
    """

    query: DatasetQuery
    fields: tuple[Field, ...]
    masks: Mapping[str, MaskRule]
    exact_positions: frozenset[int] = frozenset()
    has_own_types: bool = False
    plain_positions: frozenset[int] = frozenset()
    shards: "tuple[DescribedQuery, ...]" = ()
    one_by_one: bool = False
    shown_sql: str = ""

    @property
    def sql(self) -> str:
        """The SQL for people."""
        return self.shown_sql or self.query.sql

    @property
    def reads(self) -> list[DatasetQuery]:
        """What reads the tables: this query, or one a shard."""
        return [each.query for each in self.shards or (self,)]

    @property
    def statements(self) -> "Sequence[DescribedQuery]":
        """What is run, one after the other."""
        return self.shards if self.one_by_one else (self,)

    def with_limit(self, limit: int) -> "DescribedQuery":
        """Return the same with another limit."""
        return replace(self, query=replace(self.query, limit=limit))

    def column_types(
        self, sent: Sequence[Field], clock: Clock, zero_dates: ZeroDates, salt: SecretStr
    ) -> list[ColumnType | None]:
        """Return how each column that the server sends becomes an Arrow column; None for a dropped one.

        Args:
            sent: the columns of the running statement.
            clock: the session's.
            zero_dates: counts the dates that no calendar has.
            salt: the key of hashes.

        Raises:
            SourceError: the columns differ from those described before, or one has no exact representation.
        """
        sent_names = [field.name for field in sent]
        if len(sent) != len(self.fields) or (not self.query.columns and sent_names != [f.name for f in self.fields]):
            raise SourceError(
                f"{self.query.dataset}: the table's columns changed while it was read. Nothing was published; run it"
                " again."
            )
        result: list[ColumnType | None] = []
        for position, (each, true) in enumerate(zip(sent, self.fields, strict=True)):
            rule = self.masks.get(true.name)
            if rule == "drop":
                result.append(None)
                continue
            # The server describes an exact form by the form's type; the field has the database's.
            described = (
                true if self.has_own_types or position in self.exact_positions else replace(each, name=true.name)
            )
            column = column_type(described, clock, zero_dates)
            if rule is not None:
                is_plain = position in self.plain_positions
                column = mask_column(column, true, rule, salt, is_plain_column=is_plain)
            result.append(column)
        return result


def describe_queries(session: Session, shard: Shard) -> tuple[DescribedQuery, ...]:
    """Return the queries of an entry over one table, the summary first, after the server has checked each of them.

    Args:
        session: in the clock that suits the entry.
        shard: the table.

    Raises:
        SourceError: the server refuses a statement, a mask names a missing column, or every column would be dropped.
    """
    entry = shard.entry
    hints = session.hints_of(entry)
    queries = build_queries(entry, primary_key=shard.primary_key, condition=shard.condition, hints=hints)
    require_order_key(session, queries)
    instants = frozenset(column.name.lower() for column in shard.columns.values() if column.type == "timestamp")
    with add_hints(session, entry):
        probed = zip(queries, probe(session, queries), strict=True)
    described = tuple(_describe(session, entry, query, fields, instants) for query, fields in probed)
    require_masked_columns(entry, ([field.name for field in each.fields] for each in described))
    return described


def _describe(
    session: Session, entry: TableEntry, query: DatasetQuery, probed: Sequence[Field], instants: frozenset[str]
) -> DescribedQuery:
    names = query.columns or [field.name for field in probed]
    fields = tuple(replace(field, name=name) for field, name in zip(probed, names, strict=True))
    forms = exact_forms(query, fields, session.clock, instants)
    rules = {name.casefold(): rule for name, rule in entry.mask.items() if rule != "keep"}
    masks = {field.name: rules[field.name.casefold()] for field in fields if field.name.casefold() in rules}
    if len(masks) == len(fields) and set(masks.values()) == {"drop"}:
        raise SourceError(
            f"mask: every column of the {query.dataset} is dropped; leave the {query.dataset} out instead."
        )
    outputs = query.named_outputs(names)
    plain = frozenset(position for position, (sql, _) in enumerate(outputs) if returns_cell_values(sql))
    return DescribedQuery(query.with_exact_forms(names, forms), fields, masks, frozenset(forms), plain_positions=plain)
