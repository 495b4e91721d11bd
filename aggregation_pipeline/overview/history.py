"""Batches counted by day and by hour, for all tables and for each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from functools import reduce
from zoneinfo import ZoneInfo

from aggregation_pipeline.batch_jobs.buckets import NO_COUNTS, Buckets, Counts, NewestPart
from aggregation_pipeline.batch_jobs.repository import BatchJobRepository
from aggregation_pipeline.overview.batches import Batch, read_open_batches
from aggregation_pipeline.overview.days import end_of, hours_of, last_days, start_of
from aggregation_pipeline.overview.usual import Usual, usual


@dataclass(frozen=True)
class Day:
    """One day of the project's clock, from `start` on and before `end`, in the project's zone."""

    date: date
    start: datetime
    end: datetime
    counts: Counts


@dataclass(frozen=True)
class Hours:
    """A day's batches by table and hour.

    Attributes:
        starts: when each hour begins, in the project's zone: 24 of them, 23 or 25 when the clock changes. With an hour
            that the clock repeats, two have the same number.
        end: when the last one ends.
        tables: by table, its counts by the index of the hour; hours and tables without a batch are missing. A name is
            an entry's, or what a row of another program has in `platforms_processed`.
        totals: of batches, by the index of the hour.
    """

    date: date
    starts: Sequence[datetime]
    end: datetime
    tables: Mapping[str, Mapping[int, Counts]]
    totals: Mapping[int, Counts]


@dataclass(frozen=True)
class Days:
    """Some days.

    Attributes:
        first: the first of them.
        totals: of batches, by day; days without one are missing, also in `tables`.
        newest: of each table that any of these days has, its newest batch that has ended.
        oldest: from when on rows were read, where there were too many; None where all were.
    """

    first: date
    totals: Mapping[date, Counts]
    tables: Mapping[str, Mapping[date, Counts]]
    newest: Mapping[str, NewestPart]
    oldest: datetime | None


@dataclass(frozen=True)
class Recent:
    """Yesterday and today, today's hours, and the batches that run or wait, the newest first."""

    days: Days
    today: Hours
    open_batches: Sequence[Batch]

    @property
    def open_tables(self) -> Mapping[str, int]:
        """By table, how many batches run or wait."""
        return {name: sum(each.open for each in counts.values()) for name, counts in self.days.tables.items()}


def read_days(rows: BatchJobRepository, job_type: str, deployment: str, now: datetime, zone: ZoneInfo) -> Days:
    """Read the last days. Raises MirrorError."""
    days = last_days(now, zone)
    found = rows.buckets(job_type, deployment, [*(start_of(day, zone) for day in days), end_of(days[-1], zone)])
    return _by_day(found, days)


def read_recent(rows: BatchJobRepository, job_type: str, deployment: str, now: datetime, zone: ZoneInfo) -> Recent:
    """Read yesterday and today. Raises MirrorError."""
    yesterday, today = last_days(now, zone, 2)
    starts, end = hours_of(today, zone), end_of(today, zone)
    found = rows.buckets(job_type, deployment, [start_of(yesterday, zone), *starts, end])
    hours = Hours(
        date=today,
        starts=tuple(start.astimezone(zone) for start in starts),
        end=end.astimezone(zone),
        tables={name: part for name, counts in found.tables.items() if (part := _hours(counts))},
        totals=_hours(found.totals),
    )
    days = _by_day(found, [yesterday, *[today] * len(starts)])
    return Recent(days, hours, read_open_batches(rows, job_type))


def joined(past: Days | None, recent: Days) -> Days:
    """Return all days; of those that both have, `recent` says how they are."""
    if past is None:
        return recent
    names = past.tables.keys() | recent.tables.keys()
    newest = [*past.newest.items(), *recent.newest.items()]
    return Days(
        first=min(past.first, recent.first),
        totals=_followed(past.totals, recent.totals, recent.first),
        tables={
            name: _followed(past.tables.get(name, {}), recent.tables.get(name, {}), recent.first) for name in names
        },
        newest=dict(sorted(newest, key=lambda item: item[1].created_at)),
        oldest=past.oldest,
    )


def _followed(past: Mapping[date, Counts], recent: Mapping[date, Counts], first: date) -> Mapping[date, Counts]:
    return {**{day: counts for day, counts in past.items() if day < first}, **recent}


def whole_days(counts: Mapping[date, Counts], now: datetime, zone: ZoneInfo, number: int) -> Sequence[Day]:
    """Return the last days, today last; those without a batch have zeros."""
    return [
        Day(day, start_of(day, zone).astimezone(zone), end_of(day, zone).astimezone(zone), counts.get(day, NO_COUNTS))
        for day in last_days(now, zone, number)
    ]


def usual_of(days: Sequence[Day]) -> tuple[Usual | None, Usual | None]:
    """Return the usual rows and seconds of a day, over those before the last one that had a completed batch."""
    before = [day.counts for day in days[:-1] if day.counts.completed]
    return usual([float(counts.rows) for counts in before]), usual([counts.seconds for counts in before])


def _by_day(found: Buckets, days: Sequence[date]) -> Days:
    """`days` has the day of each time that was asked for."""
    return Days(
        first=days[0],
        totals=_sums(found.totals, days),
        tables={name: _sums(counts, days) for name, counts in found.tables.items()},
        newest=found.newest,
        oldest=found.oldest,
    )


def _sums(counts: Mapping[int, Counts], days: Sequence[date]) -> Mapping[date, Counts]:
    parts: dict[date, list[Counts]] = {}
    for index, each in counts.items():
        parts.setdefault(days[index], []).append(each)
    return {day: reduce(_sum, each) for day, each in parts.items()}


def _sum(one: Counts, other: Counts) -> Counts:
    return Counts(**{field.name: getattr(one, field.name) + getattr(other, field.name) for field in fields(Counts)})


def _hours(counts: Mapping[int, Counts]) -> Mapping[int, Counts]:
    return {index - 1: each for index, each in counts.items() if index > 0}
