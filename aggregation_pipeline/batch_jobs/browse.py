"""Reading batch_jobs for people: rows of all owners. Other programs may have written them, with any content."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from aggregation_pipeline.batch_jobs.postgres_errors import mirror_errors
from aggregation_pipeline.batch_jobs.table import batch_jobs
from aggregation_pipeline.postgres.engine import transaction

JobRow = Mapping[str, Any]


@dataclass(frozen=True)
class RowFilter:
    """Which rows are wanted; None means any. `id` is the beginning of an id, of hexadecimal digits and hyphens."""

    job_type: str | None = None
    status: str | None = None
    id: str | None = None
    limit: int = 10


@dataclass(frozen=True)
class DayTrend:
    """The jobs of one day. `avg_items` is None where no job of the day has a number of items."""

    date: date
    total_jobs: int
    successful: int
    failed: int
    avg_items: float | None


# sql/daily_trend.sql, with a time zone as a parameter: that of the session is UTC.
_TREND = sa.text("""
    SELECT (created_at AT TIME ZONE :zone)::date AS date, count(*) AS total_jobs,
           count(*) FILTER (WHERE status = 'completed') AS successful,
           count(*) FILTER (WHERE status = 'failed') AS failed,
           avg(total_items) AS avg_items
    FROM public.batch_jobs
    WHERE job_type = :kind AND (created_at AT TIME ZONE :zone)::date > (now() AT TIME ZONE :zone)::date - :days
    GROUP BY 1 ORDER BY 1 DESC
""")


def list_rows(connection: sa.Connection, wanted: RowFilter) -> Sequence[JobRow]:
    """Return the rows, the newest first. Raises MirrorError, MirrorBusyError."""
    conditions = {"job_type": wanted.job_type, "status": wanted.status}
    query = sa.select(batch_jobs).where(
        *(batch_jobs.c[name] == value for name, value in conditions.items() if value is not None)
    )
    if wanted.id is not None:
        query = query.where(sa.cast(batch_jobs.c.id, sa.Text).startswith(wanted.id))
    found = _read(connection, query.order_by(batch_jobs.c.created_at.desc()).limit(wanted.limit), {})
    return [dict(row) for row in found]


def trend(connection: sa.Connection, job_type: str, zone: str, days: int) -> Sequence[DayTrend]:
    """Return the days that had jobs, the newest first. Raises MirrorError, MirrorBusyError."""
    return [day_trend(row) for row in _read(connection, _TREND, {"kind": job_type, "zone": zone, "days": days})]


def day_trend(found: Mapping[Any, Any]) -> DayTrend:
    """Make a day of a row of the trend, from PostgreSQL or from Supabase."""
    average = found["avg_items"]
    numbers = {name: int(found[name]) for name in ("total_jobs", "successful", "failed")}
    return DayTrend(found["date"], **numbers, avg_items=None if average is None else round(float(average), 1))


def _read(connection: sa.Connection, query: sa.Executable, arguments: Mapping[str, Any]) -> Sequence[sa.RowMapping]:
    refused = "batch_jobs cannot be read ({reason}). Check that the table is there and that the user may read it"
    with mirror_errors(refused=refused), transaction(connection):
        return connection.execute(query, arguments).mappings().all()
