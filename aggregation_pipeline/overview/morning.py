"""What people want to know in the morning: is anything wrong, and what; and how the last days went.

Three answers are kept, each made in a thread of its own, so that one server that is away hides nothing of the other:
what Dagster knows, what batch_jobs says of today and yesterday, and what it says of the days before. A `Morning` puts
them together; it holds no words but those of errors, and is the same for all who ask.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Literal
from zoneinfo import ZoneInfo

from aggregation_pipeline.batch_jobs.buckets import NO_COUNTS, Counts
from aggregation_pipeline.health.probe import Outcome, Probe
from aggregation_pipeline.overview.batches import Batch
from aggregation_pipeline.overview.concerns import Concern, ConcernCode, find_concerns
from aggregation_pipeline.overview.dagster_state import DagsterState
from aggregation_pipeline.overview.days import DAYS
from aggregation_pipeline.overview.history import Day, Days, Hours, Recent, usual_of, whole_days
from aggregation_pipeline.overview.kept import Known
from aggregation_pipeline.overview.schedules import NextTick
from aggregation_pipeline.overview.table_lines import TableLine, table_lines
from aggregation_pipeline.overview.usual import Usual

# What could not be read: Dagster's PostgreSQL, the recent rows of batch_jobs, its older rows, or aggregation.yaml.
Away = Literal["dagster", "batch_jobs", "history", "config"]


@dataclass(frozen=True)
class Morning:
    """All that the first screen shows.

    Attributes:
        at: the moment for which it was put together, in UTC.
        zone: the project's; days and hours are those of its clock.
        ages: for how many seconds each part has been known, by "dagster", "batch_jobs" and "history"; a part that is
            not known at all is missing.
        away: what cannot be read now. What was read before is shown for five minutes (days before yesterday: three
            hours); after that it is missing, and the rest is shown all the same. "config": aggregation.yaml cannot be
            read, and the tables are those that were read last, if any.
        concerns: what is wrong, the weightiest first; empty if nothing is.
        concern_counts: how many of each code there are, in the same order.
        tables: all configured tables, in the order of the configuration; `table_list.select_tables` filters, sorts and
            pages them. Empty while "dagster" was never known.
        today: today's batches by table and hour; None while "batch_jobs" is not known. Just after midnight it may be
            yesterday's for some seconds: see its date.
        days: the last DAYS days, the oldest first, today last; days without a batch are there with zeros. Empty while
            "batch_jobs" is not known; only yesterday and today while "history" is not.
        days_from: from when on rows were read, where there are so many that the first days are not whole; else None.
        usual_rows: of rows a day, over the days before today.
        usual_seconds: of seconds a day, in the same way.
        open_batches: those that run or wait, the newest first, at most 50; None while "batch_jobs" is not known.
        schedules: the soonest next tick first.
        table_days: by table, its counts by day; days and tables without a batch are missing. `OneTable` has them whole.
    """

    at: datetime
    zone: ZoneInfo
    ages: Mapping[str, float]
    away: Sequence[Away]
    concerns: Sequence[Concern]
    concern_counts: Mapping[ConcernCode, int]
    tables: Sequence[TableLine]
    today: Hours | None
    days: Sequence[Day]
    days_from: datetime | None
    usual_rows: Usual | None
    usual_seconds: Usual | None
    open_batches: Sequence[Batch] | None
    schedules: Sequence[NextTick]
    table_days: Mapping[str, Mapping[date, Counts]]


@dataclass(frozen=True)
class Parts:
    """What a morning is put together of; None is what is not known.

    Attributes:
        days: of `recent` and `past`, joined.
        failing: which of them cannot be read now.
    """

    dagster: Known[DagsterState] | None
    recent: Known[Recent] | None
    past: Known[Days] | None
    days: Days | None
    failing: Sequence[Away]


def put_together(parts: Parts, probes: Sequence[tuple[Probe, Outcome]], now: datetime, zone: ZoneInfo) -> Morning:
    """Return the morning. It asks nobody."""
    state = parts.dagster.value if parts.dagster else None
    recent = parts.recent.value if parts.recent else None
    found = parts.days
    open_tables = {} if recent is None else recent.open_tables
    tables = () if state is None else table_lines(state, None if found is None else found.newest, open_tables, now)
    concerns = find_concerns(tables, state, probes)
    days = () if found is None else whole_days(found.totals, now, zone, DAYS if parts.past else 2)
    usual_rows, usual_seconds = usual_of(days)
    ages = {"dagster": parts.dagster, "batch_jobs": parts.recent, "history": parts.past}
    config: Sequence[Away] = () if state is None or state.config_usable else ("config",)
    return Morning(
        at=now,
        zone=zone,
        ages={name: round(part.age, 3) for name, part in ages.items() if part is not None},
        away=(*parts.failing, *config),
        concerns=concerns,
        concern_counts=Counter(concern.code for concern in concerns),
        tables=tables,
        today=recent.today if recent else None,
        days=days,
        days_from=None if found is None else found.oldest,
        usual_rows=usual_rows,
        usual_seconds=usual_seconds,
        open_batches=recent.open_batches if recent else None,
        schedules=() if state is None else state.schedules,
        table_days={} if found is None else found.tables,
    )


def days_of_table(morning: Morning, name: str) -> Sequence[Day]:
    """Return a table's figures by day, for the days of the morning."""
    counts = morning.table_days.get(name, {})
    return [replace(day, counts=counts.get(day.date, NO_COUNTS)) for day in morning.days]
