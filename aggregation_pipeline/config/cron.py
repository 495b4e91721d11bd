"""Turns cron expressions of Node.js schedulers, which have seconds, into the five fields of Dagster.

The check here is stricter than Dagster's parser: whatever passes has the same meaning in Dagster.
"""

import re
from typing import Final, NamedTuple

from aggregation_pipeline.config.messages.likely_causes import foreign_sign
from aggregation_pipeline.errors import ConfigError


class _Field(NamedTuple):
    title: str
    low: int
    high: int
    names: tuple[str, ...] = ()


MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: Final = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, ("", *MONTHS)),
    _Field("day of the week", 0, 7, DAYS),
)
_MACROS: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_PART: Final = re.compile(r"(?P<from>\*|\w+)(?:-(?P<to>\w+))?(?:/(?P<step>\d{1,2}))?", re.ASCII)
_LONGEST: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_LAST_DAY: Final = "l"


def to_five_fields(cron: str) -> tuple[str, str | None]:
    """A cron expression in Dagster's form, and a note if it was rewritten or may not mean what the user meant.

    Six fields, seconds first, become five; so do @daily and the like. Names of months and days in any case, 7 for
    Sunday, lists, ranges, steps, `?` for `*`, and L for the last day of the month are accepted.

    Raises:
        ConfigError: says which field is wrong and what is expected, or what Dagster cannot do.
    """
    fields = _MACROS.get(cron.strip().lower(), cron).split()
    if len(fields) not in (5, 6):
        hint = " Dagster has no field for the year." if len(fields) == 7 else ""
        raise _refused(
            cron,
            f"5 fields (minute hour day month weekday) or 6 (second first) are expected, found {len(fields)}.{hint}",
        )
    seconds, five = (fields[0], fields[1:]) if len(fields) == 6 else (None, fields)
    if seconds is not None and not (seconds.isascii() and seconds.isdigit() and int(seconds) <= 59):
        raise _refused(
            cron,
            f"the first of 6 fields is the second, and {seconds!r} is no plain number from 0 to 59. Dagster's smallest"
            " step is a minute: for every minute write '0 * * * * *' or '* * * * *'",
        )
    five = ["*" if field == "?" else field for field in five]
    values = [_values(cron, text.lower(), field) for text, field in zip(five, _FIELDS, strict=True)]
    _refuse_days_that_never_come(cron, days=values[2], months=values[3])
    rewritten = " ".join(five)
    return rewritten, _note(cron, seconds, five, rewritten)


def _note(cron: str, seconds: str | None, five: list[str], rewritten: str) -> str | None:
    notes = []
    if rewritten != " ".join(cron.split()):
        notes.append(f"{cron.strip()!r} runs as {rewritten!r}, which is how Dagster writes it.")
    if seconds is not None and int(seconds) > 0:
        notes.append(f"It starts at second 0, not {int(seconds)}: Dagster's smallest step is a minute.")
    if seconds is not None and five[0] == "*":
        often, rarely = (
            ("every minute", "every hour") if five[1] == "*" else ("every minute of those hours", "once in each")
        )
        notes.append(
            f"The first field is the second, so that is {often}, not {rarely}; {rarely} is '0 0 {' '.join(five[1:])}'."
        )
    if "*" not in (five[2], five[4]):
        notes.append(
            f"The day of the month {five[2]!r} and the day of the week {five[4]!r} are both given: it runs on each day"
            " that is one of the two. node-cron runs on days that are both; for one of them alone write * for the"
            " other."
        )
    return " ".join(notes) or None


def _values(cron: str, text: str, field: _Field) -> set[int]:
    """The numbers that a field stands for; 0 for L, whose day depends on the month."""
    if text == _LAST_DAY and field.title == "day of the month":
        return {0}
    values: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise _refused(
                cron,
                f"the {field.title} {text!r} is not understood; expected: *, numbers, lists 1,2, ranges 1-5, steps */5",
            )
        step = int(match["step"] or 1)
        every = match["from"] == "*"
        first = field.low if every else _number(cron, match["from"], field)
        last = field.high if every or match["step"] else first
        if match["to"]:
            # At the end of a range Sunday is 7.
            last = _number(cron, match["to"], field) or (7 if field.names == DAYS else 0)
        if (every and match["to"]) or first > last or not 1 <= step <= field.high:
            raise _refused(
                cron,
                f"the {field.title} {part!r} is no range; a range goes upwards, as 1-5, and a step is from 1 to"
                f" {field.high}",
            )
        values.update(range(first, last + 1, step))
    return values


def _number(cron: str, text: str, field: _Field) -> int:
    if text in field.names and text:
        return field.names.index(text)
    if text.isdigit() and len(text) <= 2 and field.low <= int(text) <= field.high:
        return int(text)
    names = f", or names as {field.names[1].upper()}" if field.names else ""
    raise _refused(
        cron, f"the {field.title} {text!r} is unknown; expected: numbers from {field.low} to {field.high}{names}"
    )


def _refuse_days_that_never_come(cron: str, *, days: set[int], months: set[int]) -> None:
    """Dagster accepts the 31st of April, and its daemon then fails at each tick."""
    if all(day > _LONGEST[month - 1] for day in days for month in months):
        raise _refused(cron, "no such month has this day, so it would never run")


def _refused(cron: str, why: str) -> ConfigError:
    if cause := foreign_sign(cron):
        why = f"{why.removesuffix('.')}; {cause}"
    return ConfigError(f"the cron expression {cron!r} cannot be used: {why}")
