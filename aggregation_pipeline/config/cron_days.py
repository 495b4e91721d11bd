"""Which days come of a day of the month and a weekday together.

node-cron joins the two fields by "and", Dagster by "or". Dagster has words for some of the days that are both: the
first Monday (`1#1`) is the Monday of days 1 to 7, and the last (`L1`) that of the last seven days.
"""

from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

from aggregation_pipeline.config.cron_fields import DAYS, ReadField

_LENGTHS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class Days(NamedTuple):
    """A day of the month and a weekday as Dagster reads them; at least one is `*`."""

    day: str
    weekday: str


def days_that_never_come(*, days: AbstractSet[int], months: AbstractSet[int]) -> bool:
    """Whether no month has such a day. Dagster accepts the 31st of April, and its daemon then fails at each tick."""
    return bool(days) and all(day > _LENGTHS[month - 1] for day in days for month in months)


def both_days(day: ReadField, month: ReadField, weekday: ReadField) -> Days | None:
    """The days that are both `day` and `weekday`, for Dagster; None where it has no words for them."""
    if not day.values or not weekday.values:
        # L and 1#2: the month decides.
        return None
    if len(weekday.values) == len(DAYS):
        return Days(day.text, "*")
    longest = max(_LENGTHS[each - 1] for each in month.values)
    days = {each for each in day.values if each <= longest}
    if len(days) == longest:
        return Days("*", weekday.text)
    weeks = _weeks(days, longest, always=all(_LENGTHS[each - 1] == longest != 29 for each in month.values))
    if weeks is None:
        return None
    return Days("*", ",".join(week.format(each) for each in sorted(weekday.values) for week in weeks))


def _weeks(days: AbstractSet[int], longest: int, *, always: bool) -> list[str] | None:
    """How Dagster writes a weekday of `days`, which have to be whole weeks; None if they are not.

    The longest of the months has `longest` days; `always` says that all of them do, in every year.
    """
    # The fifth Monday is that of days 29 to 31, as many as the month has.
    blocks = {f"{{}}#{which}": set(range(7 * which - 6, min(7 * which, longest) + 1)) for which in range(1, 6)}
    weeks = [week for week, block in blocks.items() if block <= days]
    covered = set[int]().union(*(blocks[week] for week in weeks))
    last = set(range(longest - 6, longest + 1)) if always else set()
    if covered == days:
        return weeks
    if last <= days == covered | last:
        return [*(week for week in weeks if not blocks[week] <= last), "L{}"]
    return None
