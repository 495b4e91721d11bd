"""Generated expressions: Dagster ticks at the minutes that a plain reading of the fields gives, over 14 months."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import Final, NamedTuple

import pytest
from dagster._utils.schedules import cron_string_iterator, reverse_cron_string_iterator
from hypothesis import assume, given, reject
from hypothesis import strategies as st

from aggregation_pipeline.config.cron import to_five_fields
from aggregation_pipeline.config.cron_fields import DAYS as WEEKDAYS
from aggregation_pipeline.config.cron_fields import MONTHS
from aggregation_pipeline.errors import ConfigError

# A leap year, so that both lengths of February come.
START: Final = datetime(2027, 12, 15, tzinfo=UTC)
DAYS: Final = 430
WEEKS: Final = ("1-7", "8-14", "15-21", "22-28", "29-31")


class Part(NamedTuple):
    text: str
    numbers: frozenset[int]


def parts(low: int, high: int, names: Sequence[str] = ()) -> st.SearchStrategy[Part]:
    """One number, a range, or either with a step; a number in one of its forms."""

    def text(number: int, form: int) -> str:
        if not names or form == 0:
            return str(number)
        name = names[(number - low) % len(names)]
        return (name.title(), name.upper(), name[:3], name[:3].upper())[form % 4]

    def part(first: int, last: int, step: int, form: int) -> Part:
        first, last = sorted((first, last))
        shown = text(first, form) if first == last else f"{text(first, form)}-{text(last, form)}"
        if step == 1 or first == last:
            return Part(shown, frozenset(range(first, last + 1)))
        return Part(f"{shown}/{step}", frozenset(range(first, last + 1, step)))

    number = st.integers(low, high)
    return st.builds(part, number, number, st.integers(1, high), st.integers(0, 4))


def fields(low: int, high: int, names: Sequence[str] = ()) -> st.SearchStrategy[Part]:
    """`*`, `*/n`, or a list of parts."""
    last = high if names != WEEKDAYS else 6
    every = st.integers(1, high).map(lambda step: Part(f"*/{step}", frozenset(range(low, last + 1, step))))
    listed = st.lists(parts(low, high, names), min_size=1, max_size=3).map(
        lambda some: Part(",".join(part.text for part in some), frozenset().union(*(part.numbers for part in some)))
    )
    return st.one_of(st.just(Part("*", frozenset(range(low, last + 1)))), every, listed)


def whole_weeks() -> st.SearchStrategy[Part]:
    def days(weeks: list[str]) -> Part:
        bounds = [tuple(map(int, week.split("-"))) for week in weeks]
        return Part(",".join(weeks), frozenset(day for first, last in bounds for day in range(first, last + 1)))

    return st.lists(st.sampled_from((*WEEKS, "25-31", "24-30")), min_size=1, max_size=3, unique=True).map(days)


DAY: Final = st.one_of(fields(1, 31), whole_weeks(), st.just(Part("?", frozenset(range(1, 32)))))
MONTH: Final = st.one_of(fields(1, 12, MONTHS), st.sampled_from([Part("1,3,5", frozenset({1, 3, 5}))]))
WEEKDAY: Final = fields(0, 7, WEEKDAYS)


ALL: Final = Part("*", frozenset(range(60)))
TWO: Final = Part("0", frozenset({0})), Part("2", frozenset({2}))


def plain_ticks(minute: Part, hour: Part, day: Part, month: Part, weekday: Part, *, days: int = DAYS) -> list[datetime]:
    """All minutes whose numbers are in all fields; node-cron asks no more of them."""
    weekdays = {number % 7 for number in weekday.numbers}
    dates = (START + timedelta(days=passed) for passed in range(days))
    return [
        date.replace(hour=each, minute=part)
        for date in dates
        if date.day in day.numbers and date.month in month.numbers and date.isoweekday() % 7 in weekdays
        for each in sorted(hour.numbers & set(range(24)))
        for part in sorted(minute.numbers)
    ]


def ticks_of(five: str, *, days: int = DAYS) -> list[datetime]:
    end = START + timedelta(days=days)
    return list(takewhile(lambda tick: tick < end, cron_string_iterator(START.timestamp(), five, "UTC")))


@given(fields(0, 59), fields(0, 23))
def test_minutes_and_hours_tick_where_both_match(minute: Part, hour: Part):
    five = to_five_fields(f"0 {minute.text} {hour.text} * * *").cron
    assert ticks_of(five, days=2) == plain_ticks(minute, hour, ALL, ALL, ALL, days=2)


@given(DAY, MONTH, WEEKDAY)
def test_days_of_six_fields_tick_where_all_of_them_match(day: Part, month: Part, weekday: Part):
    try:
        five = to_five_fields(f"0 0 2 {day.text} {month.text} {weekday.text}").cron
    except ConfigError:
        reject()
    ticks = plain_ticks(*TWO, day, month, weekday)
    assert ticks_of(five) == ticks
    backwards = reverse_cron_string_iterator((START + timedelta(days=DAYS)).timestamp(), five, "UTC")
    assert list(islice(backwards, len(ticks[-4:]))) == ticks[:-5:-1]


@pytest.mark.slow
@given(DAY, MONTH, WEEKDAY)
def test_two_days_in_five_fields_are_refused_with_what_to_write(day: Part, month: Part, weekday: Part):
    assume(day.text not in ("*", "?") and weekday.text != "*")
    with pytest.raises(ConfigError) as error:
        to_five_fields(f"0 2 {day.text} {month.text} {weekday.text}")
    words = str(error.value)
    assume("are both given" in words)
    crons = re.findall("'([^']+)'", words.split("schedule: [")[1])[:2]
    either = {tick for cron in crons for tick in ticks_of(to_five_fields(cron).cron)}
    assert either == {*plain_ticks(*TWO, day, month, ALL), *plain_ticks(*TWO, ALL, month, weekday)}
    if both := re.search("both write '([^']+)'", words):
        assert ticks_of(to_five_fields(both[1]).cron) == plain_ticks(*TWO, day, month, weekday)
