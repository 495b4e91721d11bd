"""What an entry says of shards, tables that are read as one: their names, and the column that tells them apart."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from aggregation_pipeline.config.columns import ALL_COLUMNS, Alias, Column
from aggregation_pipeline.config.messages.found_values import unexpected
from aggregation_pipeline.config.messages.likely_causes import NOT_FILLED_IN, is_template
from aggregation_pipeline.config.messages.located_issues import KeyPath, LocatedIssue, LocatedIssuesError
from aggregation_pipeline.config.sql.expressions import output_name
from aggregation_pipeline.config.sql.merging import refuse_unmergeable_calls, refuse_windows, split_aggregate
from aggregation_pipeline.config.sql.shards import split_tables
from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.config.sql.tokens import ExpressionError


def _joined(value: object) -> object:
    """A list of names as one text."""
    if not isinstance(value, (list, tuple)):
        return value
    for name in value:
        if not isinstance(name, str):
            raise unexpected(name, "the name of a table", "; put it in quotes")
    return ", ".join(value)


def _checked(text: str) -> str:
    split_tables(text)
    if is_template(text):
        raise ValueError(f"a table's name is expected, and this is a template: {NOT_FILLED_IN}")
    return text


SourceTables = Annotated[str, BeforeValidator(_joined), AfterValidator(_checked)]
ShardColumn = Alias | None


def is_shard_column(column: Column, shard_column: str | None) -> bool:
    """Whether an item of a list is the column that names the shard."""
    return shard_column is not None and output_name(column.expr).casefold() == shard_column.casefold()


def shard_name_sql(shard: TableName, shards: Sequence[TableName]) -> str:
    """SQL of a shard's name: with its database if any of the shards is named with one."""
    name = str(shard) if any(each.database for each in shards) else shard.name
    if re.fullmatch(r"[\w$.-]+", name):
        return f"'{name}'"
    return f"CONVERT(0x{name.encode().hex()} USING utf8mb4)"


def refuse_unmergeable(figures: Sequence[str], key: KeyPath, fields: Mapping[str, Any]) -> None:
    """Refuse figures of shards that cannot be computed from each shard's own.

    Args:
        figures: their SQL.
        key: the list in which they stand.
        fields: of the entry.

    Raises:
        LocatedIssuesError: says of each why.
    """
    _refuse_each(split_aggregate, figures, key, fields)


def refuse_windows_of_rows(values: Sequence[str], key: KeyPath, fields: Mapping[str, Any]) -> None:
    """Refuse values of detail rows, or orders of them, that a shard cannot tell for all; arguments as above.

    Raises:
        LocatedIssuesError: says of each why.
    """
    _refuse_each(refuse_windows, values, key, fields)


def _refuse_each(
    refuse: Callable[[str], object], texts: Sequence[str], key: KeyPath, fields: Mapping[str, Any]
) -> None:
    found = []
    for place, text in enumerate(texts if shards_in(fields) > 1 else ()):
        try:
            refuse(text)
        except ExpressionError as error:
            found.append(LocatedIssue((*key, place), str(error)))
    if found:
        raise LocatedIssuesError(found, from_root=False)


def refuse_unmergeable_condition(condition: str | None, fields: Mapping[str, Any]) -> None:
    """Refuse a condition on groups of shards that needs a figure which cannot be computed from each shard's own.

    Raises:
        ExpressionError: says why.
    """
    if condition is not None and shards_in(fields) > 1:
        refuse_unmergeable_calls(condition)


def checked_shard_column(name: str | None, fields: Mapping[str, Any]) -> str | None:
    """The name of the column, if there are shards to tell apart, and a list that holds it.

    Raises:
        ValueError: says what is missing.
    """
    lists = [fields.get(key) for key in ("table", "group_by", "select_fields")]
    if name is None or None in lists:  # a refused key is an issue of its own
        return name
    if shards_in(fields) == 1:
        raise ValueError(f"{fields['table']} is one table, so there are no shards to tell apart; leave it out")
    if not any(is_shard_column(item, name) or item.expr == ALL_COLUMNS for items in lists[1:] for item in items or ()):
        raise ValueError(f"{name} is in none of the files; add it to select_fields or group_by, or leave it out")
    return name


def shards_in(fields: Mapping[str, Any]) -> int:
    """How many tables an entry reads as one; 1 if its `table` was refused."""
    return len(split_tables(fields["table"])) if "table" in fields else 1
