"""When a table runs, and how old its data may become."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self, get_args

from pydantic import AfterValidator, BeforeValidator, model_validator

from aggregation_pipeline.config.base_model import ConfigModel
from aggregation_pipeline.config.cron import to_five_fields
from aggregation_pipeline.config.durations import NONE, Duration, parse_duration
from aggregation_pipeline.config.messages.found_values import found
from aggregation_pipeline.config.messages.located_issues import LocatedIssue, LocatedIssuesError
from aggregation_pipeline.config.one_or_more import as_tuple
from aggregation_pipeline.errors import ConfigError


def _without_none(schedule: object) -> object:
    if isinstance(schedule, dict):  # split_schedule has left it
        raise LocatedIssuesError(_issues_of_mapping(schedule), from_root=False)
    return () if isinstance(schedule, str) and schedule.strip().lower() == NONE else as_tuple(schedule)


def _checked_crons(crons: tuple[str, ...]) -> tuple[str, ...]:
    for cron in crons:
        try:
            to_five_fields(cron)
        except ConfigError as error:
            raise ValueError(str(error)) from None
    return tuple(dict.fromkeys(crons))


def _issues_of_mapping(schedule: Mapping[object, object]) -> list[LocatedIssue]:
    issues = [
        LocatedIssue(("schedule", str(key)), "unknown key. Known are cron and runs, as in " + _EXAMPLE)
        for key in schedule
        if key not in KEYS_OF_SCHEDULE
    ]
    if "runs" in schedule and schedule["runs"] not in get_args(Runs):
        issues.append(
            LocatedIssue(("schedule", "runs"), f"per_tick or per_table is expected, {found(schedule['runs'])}")
        )
    return issues


Schedule = Annotated[tuple[str, ...], BeforeValidator(_without_none), AfterValidator(_checked_crons)]
Runs = Literal["per_tick", "per_table"]
# The keys of `schedule` where it is a mapping, by the keys of the entry that they stand for.
KEYS_OF_SCHEDULE: Final = {"cron": "schedule", "runs": "runs"}
_EXAMPLE: Final = "{cron: 0 2 * * *, runs: per_table}"


def split_schedule(entry: object) -> object:
    """An entry whose `schedule: {cron: ..., runs: ...}` is written as the two keys that it stands for.

    A mapping with other keys stays, and the key `schedule` is refused.
    """
    if not isinstance(entry, dict) or not isinstance(schedule := entry.get("schedule"), dict):
        return entry
    if "runs" in entry and "runs" in schedule:
        raise ValueError("runs stands in the entry and in its schedule; leave one of them out")
    if _issues_of_mapping(schedule):
        return entry
    others = {key: value for key, value in entry.items() if key != "schedule"}
    return others | {KEYS_OF_SCHEDULE[key]: value for key, value in schedule.items()}


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
