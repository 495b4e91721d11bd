"""Lengths of time as a user writes them: `90m`, `26h`, `7d`, `2w`."""

import re
from datetime import timedelta
from typing import Annotated, Final

from pydantic import AfterValidator, Field

NONE: Final = "none"
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION: Final = re.compile(r"(\d{1,5})\s*([mhdw])")
# Five digits of weeks are a thousand years; more would be beyond what dates can hold.
_DAYS_OR_WEEKS: Final = re.compile(r"^[1-9][0-9]{0,4}[dw]$")


def parse_duration(text: str) -> timedelta:
    """`26h` -> 26 hours; the units are m, h, d and w.

    Raises:
        ValueError: the text is no length of time, or its length is zero.
    """
    match = _DURATION.fullmatch(text.strip().lower())
    if match is None or int(match[1]) == 0:
        raise ValueError("a length of time such as 90m, 26h, 7d or 2w is expected")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _checked_duration(text: str) -> str:
    parse_duration(text)
    return text


def _checked_duration_or_none(text: str) -> str:
    return NONE if text.strip().lower() == NONE else _checked_duration(text)


def _checked_days_or_weeks(text: str) -> str:
    if not _DAYS_OR_WEEKS.fullmatch(text):
        raise ValueError("a number of days or weeks is expected, such as 90d or 12w")
    return text


Duration = Annotated[str, AfterValidator(_checked_duration)]
DurationOrNone = Annotated[str, AfterValidator(_checked_duration_or_none)]
DaysOrWeeks = Annotated[
    str, Field(json_schema_extra={"pattern": _DAYS_OR_WEEKS.pattern}), AfterValidator(_checked_days_or_weeks)
]
