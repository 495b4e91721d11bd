"""When a cron of five fields ticks, in words that can be part of a job's name."""

import re
from collections.abc import Callable
from typing import Final

from aggregation_pipeline.config.cron_fields import DAYS, MONTHS

_WEEKS: Final = ("first", "second", "third", "fourth", "fifth")
_PLAIN: Final = re.compile(r"\d+(,\d+)*")
# Up to so many times of a day are listed one by one.
_MAX_TIMES: Final = 4


def cron_words(cron: str) -> str:
    """Say when a cron ticks: `at_0200`, `mondays_to_fridays_at_0600`, `day_1_of_january_at_0000`, `every_5_minutes`."""
    minute, hour, day, month, weekday = cron.lower().split()
    days = _days(day) if weekday == "*" else _items(weekday, _weekday)
    months = "" if month == "*" else f"{'of' if days else 'in'}_{_items(month, _month)}"
    return "_".join(filter(None, (days, months, _times(minute, hour))))


def _times(minute: str, hour: str) -> str:
    if not _PLAIN.fullmatch(minute):
        return _minutes(minute) + ("" if hour == "*" else f"_of_hours_{_items(hour, _two_digits)}")
    if _PLAIN.fullmatch(hour):
        times = [f"{_two_digits(each)}{_two_digits(part)}" for each in hour.split(",") for part in minute.split(",")]
        if len(times) <= _MAX_TIMES:
            return f"at_{'_'.join(times)}"
    at = f"at_{_items(minute, _two_digits)}"
    span, _, step = hour.partition("/")
    often = f"every_{int(step)}_hours" if step else "hourly"
    if span == "*":
        return f"{often}_{at}"
    if between := re.fullmatch(r"(\d+)-(\d+)", span):
        return f"{often}_{at}_from_{_two_digits(between[1])}_to_{_two_digits(between[2])}"
    return f"{at}_of_hours_{_items(hour, _two_digits)}"


def _minutes(minute: str) -> str:
    if minute == "*":
        return "every_minute"
    every = re.fullmatch(r"\*/(\d+)", minute)
    return f"every_{int(every[1])}_minutes" if every else f"minutes_{_items(minute, _two_digits)}"


def _days(day: str) -> str:
    if day in ("*", "l"):
        return "" if day == "*" else "last_day"
    every = re.fullmatch(r"\*/(\d+)", day)
    return f"every_{int(every[1])}_days" if every else f"{'day' if day.isdigit() else 'days'}_{_items(day, str)}"


def _items(text: str, shown: Callable[[str], str]) -> str:
    """The numbers, ranges and steps of a field, each number formatted by `shown`."""
    words = []
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        begin = "all" if first == "*" else shown(first)
        end = f"_to_{shown(last)}" if last else "_on" if step and first != "*" else ""
        words.append(begin + end + (f"_by_{int(step)}" if step else ""))
    return "_".join(words)


def _two_digits(number: str) -> str:
    return f"{int(number):02}"


def _weekday(day: str) -> str:
    """`mondays`, `first_mondays` for 1#1, `last_mondays` for L1."""
    name, _, which = day.removeprefix("l").partition("#")
    week = "last_" if day.startswith("l") else f"{_WEEKS[int(which) - 1]}_" if which else ""
    return f"{week}{DAYS[int(name) % 7] if name.isdigit() else _named(name, DAYS)}s"


def _month(month: str) -> str:
    return MONTHS[int(month) - 1] if month.isdigit() else _named(month, MONTHS)


def _named(short: str, names: tuple[str, ...]) -> str:
    return next(name for name in names if name.startswith(short))
