"""The expressions of an entry, each with its key in the config."""

from collections.abc import Iterator

from aggregation_pipeline.config.columns import ALL_COLUMNS
from aggregation_pipeline.config.sql.expressions import split_direction, to_sql
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.source.mysql.figures import figure_sql, group_condition


def expressions_of(entry: TableEntry) -> Iterator[tuple[str, str]]:
    """Yield (key, SQL) of each expression, as in `group_by[0]`; `*` is not one."""
    yield from ((f"group_by[{place}]", to_sql(key.expr)) for place, key in enumerate(entry.group_by))
    yield from ((f"aggregations[{place}]", figure_sql(figure)) for place, figure in enumerate(entry.aggregations))
    for place, field in enumerate(entry.select_fields):
        if field.expr != ALL_COLUMNS:
            yield f"select_fields[{place}]", to_sql(field.expr)
    if entry.where is not None:
        yield "where", entry.where
    if condition := group_condition(entry):
        yield "having", condition
    if entry.refresh is not None:
        yield from ((f"refresh.key[{place}]", key) for place, key in enumerate(entry.refresh.key))
    yield from (
        (f"order_by[{place}]", to_sql(split_direction(item)[0])) for place, item in enumerate(entry.order_by or ())
    )
