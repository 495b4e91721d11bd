"""Which outputs of an entry hide personal data, and whether another output would show it all the same.

A mask names an output. What has to stay hidden is the column of the database behind it: an expression, a MAX or a GROUP_CONCAT over
that column is refused unless it is masked too, or kept on purpose. Figures that no single value can be read from (COUNT, SUM, AVG,
STDDEV, VARIANCE) are free.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

import sqlglot
from sqlglot import exp

from aggregation_pipeline.config.columns import ALL_COLUMNS, Aggregation, Column
from aggregation_pipeline.config.expressions import is_column, is_plain_word, name_of, split_direction
from aggregation_pipeline.config.nearest import nearest

MaskRule = Literal["partial", "hash", "drop", "keep"]

_FIGURES: Final = (
    exp.Count,
    exp.Sum,
    exp.Avg,
    exp.Stddev,
    exp.StddevPop,
    exp.StddevSamp,
    exp.Variance,
    exp.VariancePop,
    exp.ApproxDistinct,
)
_FIGURE_FUNCTIONS: Final = frozenset(("COUNT", "COUNT DISTINCT", "SUM", "AVG", "STDDEV", "VARIANCE"))


def check_masks(
    masks: Mapping[str, MaskRule],
    summary: Sequence[Column | Aggregation],
    detail: Sequence[Column],
    order_by: Iterable[str],
) -> None:
    """Refuse masks that hide nothing, or less than they seem to.

    Raises:
        ValueError: a mask of no output, an output or an order that gives a masked column away, a dataset of which nothing is left.
    """
    star = any(column.expr == ALL_COLUMNS for column in detail)
    named = [*summary, *(column for column in detail if column.expr != ALL_COLUMNS)]
    rules = {name.casefold(): rule for name, rule in masks.items()}
    if len(rules) < len(masks):
        raise ValueError("two masks differ in case only, and outputs do not; keep one")
    outputs = {output.name.casefold(): output.name for output in named}
    for name in masks:
        if name.casefold() not in outputs and not star:
            hint = nearest(name, outputs.values())
            raise ValueError(
                f"{name} is no output of this entry, so nothing would be masked.{hint} Outputs are {', '.join(outputs.values())}"
            )
    hidden = hidden_columns(masks, named, star=star)
    for output in named:
        shown = sorted(_exposed(output) & hidden)
        if shown and output.name.casefold() not in rules:
            raise ValueError(
                f"the output {output.name} shows {', '.join(shown)}, which another output masks. Mask it as well, or write "
                f"{{{output.name}: keep}} under mask if it may be seen"
            )
    if star and (open_columns := sorted(hidden - rules.keys())):
        raise ValueError(
            f"select_fields '*' shows {', '.join(open_columns)}, from which a masked output is made. Mask it as well, or write "
            f"{{{open_columns[0]}: keep}} under mask if it may be seen"
        )
    _check_order(order_by, rules, hidden)
    for dataset, columns in (("summary", summary), ("detail", detail)):
        if columns and all(rules.get(column.name.casefold()) == "drop" for column in columns):
            raise ValueError(f"every output of the {dataset} is dropped; leave the {dataset} out instead")


def hidden_columns(masks: Mapping[str, MaskRule], outputs: Iterable[Column | Aggregation], *, star: bool) -> frozenset[str]:
    """The columns of the database, in lower case, whose values masks hide."""
    masked = {name.casefold() for name, rule in masks.items() if rule != "keep"}
    named = {output.name.casefold(): output for output in outputs}
    behind = frozenset[str]().union(*(_exposed(output) for name, output in named.items() if name in masked))
    # What no output is called is a column that '*' brings.
    return behind | (masked - named.keys() if star else set())


def _check_order(order_by: Iterable[str], rules: Mapping[str, MaskRule], hidden: frozenset[str]) -> None:
    for item in order_by:
        expression, _ = split_direction(item)
        by_alias = rules.get(name_of(expression).casefold(), "keep") != "keep"
        if by_alias or columns_of(expression) & hidden:
            raise ValueError(f"order_by {item} would tell the order of values that are masked; order by another column")


def _exposed(output: Column | Aggregation) -> frozenset[str]:
    """The columns whose single values an output can show."""
    if isinstance(output, Aggregation) and output.function is not None:
        return frozenset() if output.function in _FIGURE_FUNCTIONS else columns_of(str(output.field))
    return columns_of(str(output.expr))


def columns_of(expression: str) -> frozenset[str]:
    """The columns of a checked expression, in lower case, those inside figures excepted."""
    if is_plain_word(expression):
        return frozenset((expression.casefold(),))
    tree = sqlglot.parse_one(f"SELECT ({expression})", read="mysql")
    return frozenset(column.name.casefold() for column in tree.find_all(exp.Column) if is_column(column) and not _in_figure(column))


def _in_figure(column: exp.Expression) -> bool:
    figure = column.find_ancestor(*_FIGURES)
    # With OVER a figure belongs to a row: SUM(salary) OVER (PARTITION BY id) is the salary.
    return figure is not None and figure.find_ancestor(exp.Window) is None
