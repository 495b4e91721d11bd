"""What a user writes about masks: the rule of each output, and what may be used in spite of masks."""

from typing import Annotated, Literal

from pydantic import AfterValidator

from aggregation_pipeline.config.base_model import ConfigModel
from aggregation_pipeline.config.sql.references import comparable_name, same_table
from aggregation_pipeline.config.sql.table_names import TableName, checked_table, split_table

MaskRule = Literal["partial", "hash", "drop", "keep"]


class Allow(ConfigModel):
    """What an entry may use in a file that masks columns, although it is not known what this shows of them."""

    tables: tuple[Annotated[str, AfterValidator(checked_table)], ...] = ()
    """Tables with masked columns that sub-selects, and views, may read. What a sub-select shows of them is masked or
    kept, as elsewhere.
    """
    functions: tuple[Annotated[str, AfterValidator(checked_table)], ...] = ()
    """Stored functions that may be called, because their results show no masked column: [net_price, shop.net_price]."""

    def table(self, table: TableName) -> bool:
        """Whether a table is listed."""
        return any(same_table(table, split_table(text)) for text in self.tables)

    def function(self, function: TableName) -> bool:
        """Whether a stored function is listed as it is called, with its database or without."""
        return any(_comparable(function) == _comparable(split_table(text)) for text in self.functions)


def _comparable(name: TableName) -> tuple[str | None, ...]:
    return tuple(None if part is None else comparable_name(part) for part in name)
