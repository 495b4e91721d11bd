"""Turns cron expressions of Node.js schedulers, which have seconds, into the five fields of Dagster.

The check here is stricter than Dagster's parser: whatever passes has the same meaning in Dagster as in node-cron 4.
"""

from typing import Final, NamedTuple

from aggregation_pipeline.config.cron_days import both_days, days_that_never_come
from aggregation_pipeline.config.cron_fields import DAY, FIELDS, MONTH, WEEKDAY, FieldError, ReadField
from aggregation_pipeline.config.messages.likely_causes import foreign_sign
from aggregation_pipeline.errors import ConfigError

_MACROS: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


class FiveFields(NamedTuple):
    """A cron expression in Dagster's form.

    Attributes:
        cron: minute, hour, day of the month, month, weekday; at most one of the two days is not `*`.
        note: says that it was rewritten, or that it may not mean what the user meant.
        surprising: whether the note tells of something that is easily meant otherwise.
    """

    cron: str
    note: str | None = None
    surprising: bool = False


def to_five_fields(cron: str) -> FiveFields:
    """Read a cron expression of five fields, or of six with the second first, or @daily and the like.

    Names of months and days, short or in full and in any case, 7 for Sunday, lists, ranges, steps, `?` for `*`, L for
    the last day of the month, `1#2` for the second Monday and `5L` or `L5` for the last Friday are accepted.

    A day of the month and a weekday in six fields are joined by "and", as node-cron does. They are refused where
    Dagster has no words for such days, and in five fields, which Dagster and crontab join by "or".

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
    try:
        read = [field.read(text) for field, text in zip(FIELDS, five, strict=True)]
    except FieldError as error:
        raise _refused(cron, str(error)) from None
    if days_that_never_come(days=read[DAY].values, months=read[MONTH].values):
        raise _refused(cron, "no such month has this day, so it would never run")
    joined = read[DAY].text != "*" and read[WEEKDAY].text != "*"
    texts = _both_days(cron, read, is_node_cron=seconds is not None) if joined else [field.text for field in read]
    return _with_note(cron, seconds, " ".join(texts), read, joined=joined)


def _both_days(cron: str, read: list[ReadField], *, is_node_cron: bool) -> list[str]:
    """The five fields for days that are both the day of the month and the weekday.

    Raises:
        ConfigError: Dagster cannot run so, or it is not clear that this is meant.
    """
    texts = [field.text for field in read]
    both = both_days(read[DAY], read[MONTH], read[WEEKDAY])
    fields = None if both is None else [*texts[:DAY], both.day, texts[MONTH], both.weekday]
    if fields is not None and is_node_cron:
        return fields
    minute, hour, day, month, weekday = texts
    either = [f"{minute} {hour} {day} {month} *", f"{minute} {hour} * {month} {weekday}"]
    remedies = [] if fields is None else [f"for days that are both write {' '.join(fields)!r}"]
    why = (
        "node-cron runs on days that are both, Dagster and crontab on days that are either"
        if fields is not None
        else "node-cron runs on days that are both, and Dagster can do so only for whole weeks: days 1-7, 8-14, 15-21,"
        " 22-28 or 29-31 of the month"
    )
    remedies.append(f"for days that are either write a list of two in the entry, schedule: {either}")
    if fields is None:
        remedies.append("for one of the two alone write * for the other")
    raise _refused(
        cron,
        f"the day of the month {day!r} and the day of the week {weekday!r} are both given. {why}. Expected is one of"
        f" the two: {'; '.join(remedies)}",
    )


def _with_note(cron: str, seconds: str | None, five: str, read: list[ReadField], *, joined: bool) -> FiveFields:
    notes = []
    minute, hour, *days = five.split()
    if five != " ".join(cron.split()):
        notes.append(f"{cron.strip()!r} runs as {five!r}, which is how Dagster writes it.")
    if joined:
        notes.append("It runs on days that are both the day of the month and the weekday, as with node-cron.")
    if seconds is not None and int(seconds) > 0:
        notes.append(f"It starts at second 0, not {int(seconds)}: Dagster's smallest step is a minute.")
    if seconds is not None and minute == "*":
        often, rarely = (
            ("every minute", "every hour") if hour == "*" else ("every minute of those hours", "once in each")
        )
        notes.append(
            f"The first field is the second, so that is {often}, not {rarely}; {rarely} is"
            f" '0 0 {hour} {' '.join(days)}'."
        )
    notes += [
        f"node-cron 3 takes the {field.title} {field.text!r} for {_listed(other)}; here, as in node-cron 4, it is"
        f" {_listed(field.values) or 'counted in the month'}."
        for field in read
        if (other := field.in_version_3) is not None and other != field.values
    ]
    return FiveFields(five, " ".join(notes) or None, surprising=joined or minute == "*")


def _listed(numbers: frozenset[int]) -> str:
    return ",".join(map(str, sorted(numbers)))


def _refused(cron: str, why: str) -> ConfigError:
    if cause := foreign_sign(cron):
        why = f"{why.removesuffix('.')}; {cause}"
    return ConfigError(f"the cron expression {cron!r} cannot be used: {why}")
