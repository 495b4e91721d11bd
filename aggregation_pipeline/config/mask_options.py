"""What an entry asks for, as far as masks go."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import AfterValidator

from aggregation_pipeline.config.columns import ALL_COLUMNS, Aggregation, Column, EntryModel
from aggregation_pipeline.config.messages.located_errors import Place
from aggregation_pipeline.config.sql.expressions import is_plain_word, split_direction, to_sql
from aggregation_pipeline.config.sql.references import fold, same_table
from aggregation_pipeline.config.sql.table_names import TableName, checked_table, split_table

MaskRule = Literal["partial", "hash", "drop", "keep"]
Output = Column | Aggregation

# What an output is called in a statement where its name does not suit the server, and inside of one that orders groups
# afterwards.
SPARE_NAME: Final = "output {}"
INNER_NAME: Final = "o{}"


class Allow(EntryModel):
    """What an entry may use in a file that masks columns, although nobody here can tell what it shows of them."""

    tables: tuple[Annotated[str, AfterValidator(checked_table)], ...] = ()
    """Tables with masked columns that sub-selects, and views, may read. What a sub-select shows of them is masked or
    kept, as elsewhere.
    """
    functions: tuple[Annotated[str, AfterValidator(checked_table)], ...] = ()
    """Stored functions that may be called, because what they return shows no masked column: [net_price,
    shop.net_price].
    """

    def table(self, table: TableName) -> bool:
        """Whether a table is listed."""
        return any(same_table(table, split_table(text)) for text in self.tables)

    def function(self, function: TableName) -> bool:
        """Whether a stored function is listed as it is called, with its database or without."""
        return any(tuple(map(_folded, function)) == tuple(map(_folded, split_table(text))) for text in self.functions)


@dataclass(frozen=True)
class Asked:
    """What an entry asks for, as far as masks go.

    Attributes:
        entry: its name.
        detail: '*' may be in it.
        partition: the column by which it is cut.
    """

    entry: str
    table: TableName
    mask: Mapping[str, MaskRule]
    groups: Sequence[Column]
    figures: Sequence[Aggregation]
    detail: Sequence[Column]
    where: str | None
    order_by: Sequence[str]
    partition: str | None
    allow: Allow

    @property
    def star(self) -> bool:
        """Whether the detail rows have all columns of the table."""
        return any(column.expr == ALL_COLUMNS for column in self.detail)

    @property
    def datasets(self) -> Iterator[list[tuple[Place, Output]]]:
        """The outputs of each statement, in order, with their places in the entry; '*' is none."""
        groups = [(("group_by", place), key) for place, key in enumerate(self.groups)]
        yield [*groups, *((("aggregations", place), figure) for place, figure in enumerate(self.figures))]
        yield [
            (("select_fields", place), field) for place, field in enumerate(self.detail) if field.expr != ALL_COLUMNS
        ]

    @property
    def outputs(self) -> list[tuple[Place, Output]]:
        """Those of both."""
        return [output for dataset in self.datasets for output in dataset]

    @property
    def rules(self) -> dict[str, MaskRule]:
        """Masks by outputs' names without case."""
        return {name.casefold(): rule for name, rule in self.mask.items()}


def sql_of(output: Output) -> str:
    """What an output is made of, its columns in backticks."""
    if isinstance(output, Column):
        return to_sql(output.expr)
    if output.expr is not None:
        return to_sql(output.expr)
    argument = "1" if output.field in (None, ALL_COLUMNS) else str(output.field)
    argument = to_sql(argument) if is_plain_word(argument) else argument
    return f"COUNT(DISTINCT {argument})" if output.function == "COUNT DISTINCT" else f"{output.function}({argument})"


def fragments(asked: Asked) -> Iterator[tuple[Place, str]]:
    """The SQL of an entry, each piece with its place."""
    yield from ((place, sql_of(output)) for place, output in asked.outputs)
    if asked.where is not None:
        yield ("where",), asked.where
    yield from ((("order_by", place), to_sql(split_direction(item)[0])) for place, item in enumerate(asked.order_by))


def _folded(name: str | None) -> str | None:
    return None if name is None else fold(name)
