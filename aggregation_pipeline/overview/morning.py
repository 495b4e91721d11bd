"""What people want to know in the morning: is anything wrong, and what; and how the last days went.

Three answers are kept, each made in a thread of its own, so that one server that is away hides nothing of the other:
what Dagster knows, what batch_jobs says of today and yesterday, and what it says of the days before. A `Morning` puts
them together; it holds no words but those of errors, and is the same for all who ask.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal
from zoneinfo import ZoneInfo

from aggregation_pipeline.overview.batches import Batch
from aggregation_pipeline.overview.concerns import Concern, ConcernCode
from aggregation_pipeline.overview.history import Counts, Day, Hours
from aggregation_pipeline.overview.schedules import NextTick
from aggregation_pipeline.overview.table_lines import TableLine
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
        away: what cannot be read now. What was read before is shown for a minute (days before yesterday: longer); after
            that it is missing, and the rest is shown all the same. "config": aggregation.yaml cannot be read, and the
            tables are those that were read last.
        concerns: what is wrong, the weightiest first; empty if nothing is.
        concern_counts: how many of each code there are, in the same order.
        tables: all configured tables, in the order of the configuration; `table_list.select_tables` filters, sorts and
            pages them. Empty while "dagster" was never known.
        today: today's batches by table and hour; None while "batch_jobs" is not known.
        days: the last DAYS days, the oldest first, today last; days without a batch are there with zeros. Empty while
            "batch_jobs" is not known; only yesterday and today while "history" is not.
        days_from: from when on rows were read. Later than the first day began where there are very many rows.
        usual_rows: of rows a day, over the days before today.
        usual_seconds: of seconds a day, in the same way.
        open_batches: those that run or wait, the newest first, at most 50; `running` and `queued` count those of
            yesterday and today, and None while "batch_jobs" is not known.
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
    open_batches: Sequence[Batch]
    running: int | None
    queued: int | None
    schedules: Sequence[NextTick]
    table_days: Mapping[str, Mapping[date, Counts]]
