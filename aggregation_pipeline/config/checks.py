"""What must be true of a table's rows before they are published."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from aggregation_pipeline.config.messages.suggestions import did_you_mean
from aggregation_pipeline.config.options import OptionsModel

Severity = Literal["error", "warn"]


def _listed(columns: Any) -> Any:  # noqa: ANN401  # whatever the YAML holds
    return (columns,) if isinstance(columns, str) else columns


Columns = Annotated[tuple[str, ...], BeforeValidator(_listed)]


class Checks(OptionsModel):
    """`checks: {min_rows: 1, not_null: [id], blocking: true}`, or a list of such groups, each with a severity of its
    own.

    Columns are named as in the files. A check looks at the detail rows where the table has such a column there, else at
    the summary.
    """

    model_config = ConfigDict(use_attribute_docstrings=True)

    min_rows: Annotated[int, Field(ge=0)] | None = None
    """At least so many rows: detail rows where the table has them, else those of the summary."""
    max_rows: Annotated[int, Field(ge=0)] | None = None
    """At most so many."""
    not_null: Columns = ()
    """Columns without NULL."""
    unique: Columns = ()
    """Columns in which no value is there twice; several columns together are written as one: a, b."""
    values: Annotated[dict[str, tuple[str | int | bool | None, ...]], Field(default_factory=dict)]
    """The only values that a column may have, NULL always among them: {status: [active, inactive]}."""
    change_percent: Annotated[float, Field(gt=0)] | None = None
    """By how many percent the number of rows may differ from the window before: 50."""
    severity: Severity = "error"
    """How Dagster shows a failure of these: error, or warn."""
    blocking: bool = False
    """true: when one of these fails nothing of the window is published, and the run fails."""

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.min_rows is not None and self.max_rows is not None and self.min_rows > self.max_rows:
            raise ValueError("min_rows is greater than max_rows, so no number of rows would do")
        if not self.names:
            raise ValueError(f"at least one check is expected: {', '.join(CHECK_NAMES)}")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The checks of this group, in order."""
        return tuple(name for name in CHECK_NAMES if getattr(self, name) not in (None, (), {}))


def refuse_unknown_columns(groups: Sequence[Checks], outputs: Sequence[str]) -> None:
    """Prove that checks name outputs of the entry.

    Raises:
        ValueError: names the column, the check, and the outputs that there are.
    """
    for group in groups:
        named = {
            "not_null": group.not_null,
            "unique": [part.strip() for one in group.unique for part in one.split(",")],
            "values": group.values,
        }
        for check, columns in named.items():
            for column in columns:
                if column not in outputs:
                    there = f"there are {', '.join(outputs)}.{did_you_mean(column, outputs)}".removesuffix(".")
                    raise ValueError(f"{check} names {column!r}, which is no column of the files; {there}")


CHECK_NAMES: Final = ("min_rows", "max_rows", "not_null", "unique", "values", "change_percent")


def listed_groups(checks: Any) -> Any:  # noqa: ANN401  # whatever the YAML holds
    """One group or a list of them, as a tuple."""
    return (checks,) if isinstance(checks, (Mapping, Checks)) else checks


CheckGroups = Annotated[tuple[Checks, ...], BeforeValidator(listed_groups)]
