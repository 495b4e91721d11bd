"""What must be true of a table's rows before they are published."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from aggregation_pipeline.config.base_model import ConfigModel
from aggregation_pipeline.config.messages.suggestions import existing_names
from aggregation_pipeline.config.one_or_more import ONE_OR_MORE

CHECK_NAMES: Final = ("min_rows", "max_rows", "not_null", "unique", "values", "change_percent")
Severity = Literal["error", "warn"]
Columns = Annotated[tuple[str, ...], ONE_OR_MORE]


class Checks(ConfigModel):
    """`checks: {min_rows: 1, not_null: [id], blocking: true}`, or a list of such groups, each with its own severity.

    Columns are named as in the files. A check reads the detail rows if they have the column, else the summary.
    """

    min_rows: Annotated[int, Field(ge=0)] | None = None
    """At least so many rows: detail rows if the entry has them, else rows of the summary."""
    max_rows: Annotated[int, Field(ge=0)] | None = None
    """At most so many rows."""
    not_null: Columns = ()
    """Columns without NULL."""
    unique: Columns = ()
    """Columns in which no value occurs twice. Several columns that are unique together are one item: 'a, b'."""
    values: Annotated[dict[str, tuple[str | int | bool | None, ...]], Field(default_factory=dict)]
    """The only values that a column may have: {status: [active, inactive]}. NULL is always allowed."""
    change_percent: Annotated[float, Field(gt=0)] | None = None
    """By how many percent the number of rows may differ from the window before: 50."""
    severity: Severity = "error"
    """How Dagster shows a failure of these checks: error, or warn."""
    blocking: bool = False
    """true: if one of these checks fails, nothing of the window is published, and the run fails."""

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        if self.min_rows is not None and self.max_rows is not None and self.min_rows > self.max_rows:
            raise ValueError("min_rows is greater than max_rows, so no number of rows is allowed")
        if not self.names:
            raise ValueError(f"at least one check is expected: {', '.join(CHECK_NAMES)}")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The checks of this group, in order."""
        return tuple(name for name in CHECK_NAMES if getattr(self, name) not in (None, (), {}))


def refuse_unknown_columns(groups: Sequence[Checks], outputs: Sequence[str]) -> None:
    """Refuse checks that name columns which the entry does not output.

    Raises:
        ValueError: names the column, the check, and the outputs of the entry.
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
                    names = existing_names(column, outputs)
                    raise ValueError(f"{check} names {column!r}, which is no column of the files; {names}")


def _groups_as_tuple(checks: object) -> object:
    return (checks,) if isinstance(checks, (Mapping, Checks)) else checks


CheckGroups = Annotated[tuple[Checks, ...], BeforeValidator(_groups_as_tuple)]
