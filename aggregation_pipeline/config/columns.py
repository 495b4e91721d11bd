"""The items in the lists of a table entry: group keys, selected fields, aggregations. Each is one column of a file."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, Self, get_args

from pydantic import AfterValidator, BeforeValidator, PrivateAttr, field_validator, model_validator

from aggregation_pipeline.config.base_model import ConfigModel
from aggregation_pipeline.config.messages.found_values import unexpected
from aggregation_pipeline.config.sql.dialect import Dialect
from aggregation_pipeline.config.sql.expressions import (
    as_column,
    output_name,
    read_column,
    read_expression,
    read_item,
    read_order,
    split_items,
)
from aggregation_pipeline.config.sql.in_use import dialect_in_use
from aggregation_pipeline.config.sql.roles import Role
from aggregation_pipeline.config.sql.table_names import has_unprintable

Function = Literal["COUNT", "COUNT DISTINCT", "SUM", "AVG", "MIN", "MAX", "STDDEV", "VARIANCE", "GROUP_CONCAT"]
FUNCTIONS: Final[tuple[str, ...]] = get_args(Function)
ALL_COLUMNS: Final = "*"
# MySQL's limit on an alias in a SELECT.
_MAX_ALIAS: Final = 256


def _checked_alias(alias: str) -> str:
    if has_unprintable(alias) or alias != alias.strip() or not alias:
        raise ValueError(
            "a name without line ends or other unprintable characters, and without spaces around it, is expected"
        )
    if len(alias) > _MAX_ALIAS:
        raise ValueError(
            f"at most {_MAX_ALIAS} characters are expected, because servers take no longer name; found {len(alias)}"
        )
    return alias


def _refuse_long_name(name: str) -> None:
    if len(name) > _MAX_ALIAS:
        raise ValueError(
            f"without an alias the text is the name, and this one has over {_MAX_ALIAS} characters; add an alias"
        )


def refuse_duplicate_names(names: Sequence[str], where: str) -> None:
    """Refuse two outputs of one name; Excel and many readers of the files take `Total` and `total` for the same.

    Raises:
        ValueError: names the output that is there twice.
    """
    counted = Counter(name.casefold() for name in names)
    for name in names:
        if counted[name.casefold()] > 1:
            raise ValueError(
                f"outputs of {where} need different names, whatever their case, and {name!r} is there twice; give an"
                " alias"
            )


Alias = Annotated[str, AfterValidator(_checked_alias)]


class _WithSql(ConfigModel):
    _dialect: Dialect = PrivateAttr(default_factory=dialect_in_use)

    @property
    def dialect(self) -> Dialect:
        """In which its SQL is written."""
        # Asked for hundreds of times an entry; the attribute itself is found slowly.
        private: Mapping[str, Dialect] = self.__pydantic_private__ or {}
        return private["_dialect"]


class Column(_WithSql):
    """A group key or a selected field: `status`, `DATE(created_at)`, or `{expr: DATE(created_at), alias: day}`."""

    expr: str
    """A column by its name (unusual names in backticks), or one SQL expression. MySQL's words for a value
    (CURRENT_DATE, CURRENT_TIMESTAMP, CURRENT_USER, UTC_DATE, TRUE, NULL and the like) are that value here; a column of
    that name stands in backticks. A plain word as an item of the list is always a column.
    """
    alias: Alias | None = None
    """Its name in the files. Default: the column's name, or the text of the expression."""

    @property
    def name(self) -> str:
        """The name of the output."""
        return self.alias or output_name(self.expr, self.dialect)

    def checked(self, role: Role) -> Self:
        """The same column after its expression was checked for its role.

        Raises:
            ValueError: the expression does not suit the role, or its text is too long for a name.
        """
        star = role == "field" and self.expr.strip() == ALL_COLUMNS and not self.alias
        checked = self.model_copy(update={"expr": ALL_COLUMNS if star else read_item(self.expr, role)})
        _refuse_long_name(checked.name)
        return checked


def _as_column(value: object) -> object:
    if isinstance(value, str):
        return {"expr": as_column(value)}
    if not isinstance(value, (dict, Column)):
        remedy = "; take the empty item out, or put a column of that name in quotes" if value is None else ""
        remedy = "; put it in quotes" if isinstance(value, (bool, int, float)) else remedy
        raise unexpected(value, "a column name, an expression in quotes, or {expr: ..., alias: ...}", remedy)
    return value


GroupKey = Annotated[Column, BeforeValidator(_as_column), AfterValidator(lambda column: column.checked("group key"))]
SelectedField = Annotated[Column, BeforeValidator(_as_column), AfterValidator(lambda column: column.checked("field"))]


def _normalized_function(function: object) -> object:
    if not isinstance(function, str):
        return function
    words = re.sub(r"[\s_]+", " ", function.strip()).upper()
    return words.replace(" ", "_") if words == "GROUP CONCAT" else words


def _refuse_bare_text(value: object) -> object:
    if isinstance(value, str):
        raise unexpected(value, "{function: SUM, field: price, alias: revenue} or {expr: ..., alias: ...}")
    return value


class Aggregation(_WithSql):
    """`{function: SUM, field: price, alias: revenue}`, or custom: `{expr: SUM(price * quantity), alias: revenue}`."""

    function: Annotated[Function | None, BeforeValidator(_normalized_function)] = None
    """In upper or lower case. STDDEV and VARIANCE are those of a population, as in MySQL; for a sample write expr:
    STDDEV_SAMP(price).
    """
    field: str | None = None
    """The column or expression that the function is applied to; a plain word is a column. COUNT with * or without a
    field counts rows; COUNT of a field counts values that are not NULL.
    """
    expr: str | None = None
    """One SQL expression that aggregates, instead of function and field."""
    alias: Alias | None = None
    """Its name in the files. Default: its text, as in COUNT(id)."""

    @field_validator("field")
    @classmethod
    def _field_is_an_argument(cls, field: str | None) -> str | None:
        if field is None or field.strip() == ALL_COLUMNS:
            return field and ALL_COLUMNS
        return read_column(field, "argument")

    @field_validator("expr")
    @classmethod
    def _expr_aggregates(cls, expr: str | None) -> str | None:
        return None if expr is None else read_expression(expr, "aggregate")

    @model_validator(mode="after")
    def _is_function_or_expr(self) -> Self:
        if (self.function is None) == (self.expr is None):
            raise ValueError("either function (with field) or expr is expected, one of the two")
        if self.expr is not None and self.field is not None:
            raise ValueError("field belongs to function, not to expr; take one of the two out")
        if self.function not in (None, "COUNT") and self.field in (None, ALL_COLUMNS):
            raise ValueError(
                f"{self.function} needs a field, which is a column or an expression; only COUNT can do without"
            )
        if self.function is not None and self.dialect.figures.get(self.function) == "":
            raise ValueError(
                f"{self.dialect.title} has no function {self.function}; write what it has instead, as"
                " {expr: ..., alias: ...}"
            )
        _refuse_long_name(self.name)
        return self

    @property
    def name(self) -> str:
        """The name of the output."""
        if self.alias or self.expr:
            return self.alias or str(self.expr)
        argument = output_name(self.field or ALL_COLUMNS, self.dialect)
        return f"COUNT(DISTINCT {argument})" if self.function == "COUNT DISTINCT" else f"{self.function}({argument})"


AggregationItem = Annotated[Aggregation, BeforeValidator(_refuse_bare_text)]

# The only output of an entry without group_by, aggregations and select_fields.
COUNT_ROWS: Final = Aggregation(function="COUNT", alias="row_count")


def _as_items(value: object) -> object:
    return tuple(split_items(value)) if isinstance(value, str) else value


def _checked_order(items: tuple[str, ...] | None) -> tuple[str, ...] | None:
    return None if items is None else tuple(map(read_order, items))


OrderBy = Annotated[tuple[str, ...] | None, BeforeValidator(_as_items), AfterValidator(_checked_order)]


def read_group_condition(text: str, fields: Mapping[str, Any]) -> str:
    """A checked condition on the groups of an entry.

    Args:
        text: as the user wrote it.
        fields: the entry's lists of columns, without those that were refused.

    Raises:
        ValueError: there are no groups, or the condition names what a group has no single value of.
    """
    condition = read_expression(text, "group condition")
    lists = [fields.get(name) for name in ("group_by", "aggregations", "select_fields")]
    if None in lists:  # a refused list is an issue of its own
        return condition
    keys, figures, selected = (tuple(items or ()) for items in lists)
    if selected and not keys and not figures:
        raise ValueError(
            "it filters the groups of the summary, and this entry has none; write group_by or aggregations, or put the"
            " condition on rows under where"
        )
    from aggregation_pipeline.config.sql.group_conditions import refuse_unknown_names

    refuse_unknown_names(condition, [item.name for item in (*keys, *figures)] or [COUNT_ROWS.name])
    return condition
