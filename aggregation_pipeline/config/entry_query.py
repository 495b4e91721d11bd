"""What an entry reads from its table: the part of it that decides what its masks hide, and what it may expose."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aggregation_pipeline.config.columns import ALL_COLUMNS, COUNT_ROWS, Aggregation, Column
from aggregation_pipeline.config.mask_options import Allow, MaskRule
from aggregation_pipeline.config.messages.located_issues import KeyPath
from aggregation_pipeline.config.source_kinds import dialect_of
from aggregation_pipeline.config.sql.dialect import Dialect
from aggregation_pipeline.config.sql.expressions import is_plain_word, split_direction, to_sql
from aggregation_pipeline.config.sql.shards import split_tables
from aggregation_pipeline.config.sql.table_names import TableName

Output = Column | Aggregation

# The keys of an entry from which an EntryQuery is made.
QUERY_KEYS: Final = frozenset(
    (
        *("name", "table", "mask", "group_by", "aggregations", "select_fields", "where", "having", "order_by"),
        *("partition", "refresh", "allow", "source_kind"),
    )
)
# What an output is called in a statement when the server does not accept its name, and in the inner statement of one
# that orders the groups afterwards.
FALLBACK_OUTPUT_NAME: Final = "output {}"
INNER_OUTPUT_NAME: Final = "o{}"


@dataclass(frozen=True)
class EntryQuery:
    """What an entry reads from its table.

    Attributes:
        entry: the entry's name.
        table: the source table, or the first of the shards.
        shards: the tables that are read as one; the table alone if it is not sharded.
        aggregations: COUNT(*) for an entry without any columns.
        select_fields: may hold '*'.
        partition: the column that decides to which window a row belongs.
        refresh_keys: what tells that the rows of a window have changed.
        dialect: in which its SQL is written.
    """

    entry: str
    table: TableName
    shards: Sequence[TableName]
    mask: Mapping[str, MaskRule]
    group_by: Sequence[Column]
    aggregations: Sequence[Aggregation]
    select_fields: Sequence[Column]
    where: str | None
    having: str | None
    order_by: Sequence[str]
    partition: str | None
    refresh_keys: Sequence[str]
    allow: Allow
    dialect: Dialect

    @property
    def selects_all(self) -> bool:
        """Whether the detail rows have all columns of the table."""
        return any(column.expr == ALL_COLUMNS for column in self.select_fields)

    @property
    def datasets(self) -> Iterator[list[tuple[KeyPath, Output]]]:
        """The outputs of the summary, then those of the detail rows, each with its place in the entry; without '*'."""
        keys = [(("group_by", index), key) for index, key in enumerate(self.group_by)]
        yield [*keys, *((("aggregations", index), figure) for index, figure in enumerate(self.aggregations))]
        fields = enumerate(self.select_fields)
        yield [(("select_fields", index), field) for index, field in fields if field.expr != ALL_COLUMNS]

    @property
    def outputs(self) -> list[tuple[KeyPath, Output]]:
        """The outputs of both datasets."""
        return [output for dataset in self.datasets for output in dataset]

    @property
    def rules(self) -> dict[str, MaskRule]:
        """The mask rules by the names of outputs, case-folded."""
        return {name.casefold(): rule for name, rule in self.mask.items()}


def query_of_entry(values: Mapping[str, Any]) -> EntryQuery:
    """The query of an entry, given the values of its fields; all of QUERY_KEYS have to be there."""
    without_columns = not (values["group_by"] or values["aggregations"] or values["select_fields"])
    return EntryQuery(
        entry=values["name"],
        table=split_tables(values["table"])[0],
        shards=split_tables(values["table"]),
        mask=values["mask"],
        group_by=values["group_by"],
        aggregations=(COUNT_ROWS,) if without_columns else values["aggregations"],
        select_fields=values["select_fields"],
        where=values["where"],
        having=values["having"],
        order_by=values["order_by"] or (),
        partition=values["partition"] and values["partition"].column,
        refresh_keys=values["refresh"].key if values["refresh"] else (),
        allow=values["allow"],
        dialect=dialect_of(values["source_kind"]),
    )


def output_sql(output: Output) -> str:
    """The SQL of an output, its column names in quotation marks."""
    dialect = output.dialect
    if output.expr is not None:
        return to_sql(output.expr, dialect)
    argument = "1" if output.field in (None, ALL_COLUMNS) else str(output.field)
    argument = to_sql(argument, dialect) if is_plain_word(argument, dialect) else argument
    return dialect.call(str(output.function), argument)


def expressions_of(query: EntryQuery) -> Iterator[tuple[KeyPath, str]]:
    """Every piece of SQL in an entry, with its place."""
    yield from ((place, output_sql(output)) for place, output in query.outputs)
    if query.where is not None:
        yield ("where",), query.where
    if query.having is not None:
        yield ("having",), query.having
    yield from ((("refresh", "key", index), key) for index, key in enumerate(query.refresh_keys))
    for index, item in enumerate(query.order_by):
        yield ("order_by", index), to_sql(split_direction(item)[0], query.dialect)
