"""The SQL of an entry's figures, and of the condition on its groups. Pure."""

from collections.abc import Sequence
from typing import Final

from aggregation_pipeline.config.columns import ALL_COLUMNS, COUNT_ROWS, Aggregation
from aggregation_pipeline.config.sql.expressions import to_sql
from aggregation_pipeline.config.sql.tokens import quote
from aggregation_pipeline.config.table_entry import TableEntry

# What STDDEV and VARIANCE mean in MySQL; in other databases the short names are those of a sample.
_SERVER_NAMES: Final = {"STDDEV": "STDDEV_POP", "VARIANCE": "VAR_POP"}


def figures_of(entry: TableEntry) -> Sequence[Aggregation]:
    """Return the figures of the summary; COUNT(*) for an entry without any columns."""
    return entry.aggregations or (() if entry.group_by else (COUNT_ROWS,))


def figure_sql(figure: Aggregation) -> str:
    """Return the SQL of an aggregation, without its name."""
    if figure.expr is not None:
        return to_sql(figure.expr)
    argument = ALL_COLUMNS if figure.field in (None, ALL_COLUMNS) else to_sql(str(figure.field))
    if figure.function == "COUNT DISTINCT":
        return f"COUNT(DISTINCT {argument})"
    if figure.function == "GROUP_CONCAT":
        # Without an order of its own the server would join the values in any order.
        return f"GROUP_CONCAT({argument} ORDER BY {argument})"
    return f"{_SERVER_NAMES.get(str(figure.function), figure.function)}({argument})"


def group_condition(entry: TableEntry) -> str:
    """Return the SQL of the entry's condition on groups, in parentheses; empty without one.

    It names no output: a figure stands there as it is computed, and a key as its MIN, because all rows of a group have
    the same. So neither the form in which an output is read nor its name decides what the condition means.
    """
    if entry.having is None:
        return ""
    from aggregation_pipeline.config.sql.group_conditions import with_outputs, with_qualified_columns

    keys = {key.name.casefold(): f"MIN({to_sql(key.expr)})" for key in entry.group_by}
    meanings = keys | {figure.name.casefold(): f"({figure_sql(figure)})" for figure in figures_of(entry)}
    return f"({with_qualified_columns(with_outputs(entry.having, meanings), quote(entry.source_table.name), meanings)})"
