"""When a table runs, and how old its data may become."""

from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, model_validator

from aggregation_pipeline.config.base_model import ConfigModel
from aggregation_pipeline.config.cron import to_five_fields
from aggregation_pipeline.config.durations import NONE, Duration, parse_duration
from aggregation_pipeline.config.one_or_more import as_tuple
from aggregation_pipeline.errors import ConfigError


def _without_none(schedule: object) -> object:
    return () if isinstance(schedule, str) and schedule.strip().lower() == NONE else as_tuple(schedule)


def _checked_crons(crons: tuple[str, ...]) -> tuple[str, ...]:
    for cron in crons:
        try:
            to_five_fields(cron)
        except ConfigError as error:
            raise ValueError(str(error)) from None
    return tuple(dict.fromkeys(crons))


Schedule = Annotated[tuple[str, ...], BeforeValidator(_without_none), AfterValidator(_checked_crons)]


class Freshness(ConfigModel):
    """`freshness: {fail_after: 26h, warn_after: 25h}`: the age of the newest data at which Dagster marks the table."""

    fail_after: Duration
    """The table is overdue after this time without new data: 26h."""
    warn_after: Duration | None = None
    """A warning comes after this time. It has to be shorter than fail_after."""

    @model_validator(mode="after")
    def _warning_comes_first(self) -> Self:
        if self.warn_after is not None and parse_duration(self.warn_after) >= parse_duration(self.fail_after):
            raise ValueError("warn_after has to be shorter than fail_after, or the warning would come too late")
        return self
