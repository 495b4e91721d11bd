"""When a table runs, what is made good after a downtime, and how old its data may grow."""

import re
from datetime import timedelta
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, model_validator

from aggregation_pipeline.config.cron import to_five_fields
from aggregation_pipeline.config.options import OptionsModel
from aggregation_pipeline.errors import ConfigError

NONE: Final = "none"
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LENGTH: Final = re.compile(r"(\d{1,5})\s*([mhdw])")


def to_timedelta(length: str) -> timedelta:
    """`26h` -> 26 hours; m, h, d and w are known.

    Raises:
        ValueError: it is no length of time, or none at all.
    """
    match = _LENGTH.fullmatch(length.strip().lower())
    if match is None or int(match[1]) == 0:
        raise ValueError("a length of time such as 90m, 26h, 7d or 2w is expected")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _checked_length(length: str) -> str:
    to_timedelta(length)
    return length


def _checked_length_or_none(length: str) -> str:
    return NONE if length.strip().lower() == NONE else _checked_length(length)


Length = Annotated[str, AfterValidator(_checked_length)]
CatchUp = Annotated[str, AfterValidator(_checked_length_or_none)]


def _listed(schedule: Any) -> Any:  # noqa: ANN401  # whatever the YAML holds
    if isinstance(schedule, str):
        return () if schedule.strip().lower() == NONE else (schedule,)
    return schedule


def _checked_crons(crons: tuple[str, ...]) -> tuple[str, ...]:
    for cron in crons:
        try:
            to_five_fields(cron)
        except ConfigError as error:
            raise ValueError(str(error)) from None
    return tuple(dict.fromkeys(crons))


Schedule = Annotated[tuple[str, ...], BeforeValidator(_listed), AfterValidator(_checked_crons)]


class Freshness(OptionsModel):
    """`freshness: {fail_after: 26h, warn_after: 25h}`: how old the newest data may be before Dagster marks the
    table.
    """

    model_config = ConfigDict(use_attribute_docstrings=True)

    fail_after: Length
    """The table is overdue after this time without new data: 26h."""
    warn_after: Length | None = None
    """A warning comes after this time, which is shorter."""

    @model_validator(mode="after")
    def _warns_first(self) -> Self:
        if self.warn_after is not None and to_timedelta(self.warn_after) >= to_timedelta(self.fail_after):
            raise ValueError("warn_after has to be shorter than fail_after, or the warning would come too late")
        return self
