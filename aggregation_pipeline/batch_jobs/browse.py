"""Reading batch_jobs for people: everybody's rows, whoever wrote them, so nothing is expected of what stands in
them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from aggregation_pipeline.batch_jobs.table import batch_jobs
from aggregation_pipeline.errors import MirrorBusyError, MirrorError
from aggregation_pipeline.postgres.engine import safe_reason, transaction

JobRow = Mapping[str, Any]


@dataclass(frozen=True)
class RowFilter:
    """Which rows: None is any. `id` is the beginning of one, of hexadecimal digits and hyphens."""

    job_type: str | None = None
    status: str | None = None
    id: str | None = None
    most: int = 10


@dataclass(frozen=True)
class DayTrend:
    """A day of the seed's trend. `avg_items` is None where no job of the day has a number."""

    date: date
    total_jobs: int
    successful: int
    failed: int
    avg_items: float | None


# sql/daily_trend.sql with a time zone of its own: that of the session is UTC.
_TREND = sa.text("""
    SELECT (created_at AT TIME ZONE :zone)::date AS date, count(*) AS total_jobs,
           count(*) FILTER (WHERE status = 'completed') AS successful, count(*) FILTER (WHERE status = 'failed') AS failed,
           avg(total_items) AS avg_items
    FROM public.batch_jobs
    WHERE job_type = :kind AND (created_at AT TIME ZONE :zone)::date > (now() AT TIME ZONE :zone)::date - :days
    GROUP BY 1 ORDER BY 1 DESC
""")


def list_rows(connection: sa.Connection, wanted: RowFilter) -> Sequence[JobRow]:
    """The rows, the newest first. Raises MirrorError, MirrorBusyError."""
    conditions = {"job_type": wanted.job_type, "status": wanted.status}
    query = sa.select(batch_jobs).where(
        *(batch_jobs.c[name] == value for name, value in conditions.items() if value is not None)
    )
    if wanted.id is not None:
        query = query.where(sa.cast(batch_jobs.c.id, sa.Text).startswith(wanted.id))
    found = _read(connection, query.order_by(batch_jobs.c.created_at.desc()).limit(wanted.most), {})
    return [dict(row) for row in found]


def trend(connection: sa.Connection, job_type: str, zone: str, days: int) -> Sequence[DayTrend]:
    """The days that had jobs, the newest first. Raises MirrorError, MirrorBusyError."""
    return [day_of(row) for row in _read(connection, _TREND, {"kind": job_type, "zone": zone, "days": days})]


def day_of(found: Mapping[Any, Any]) -> DayTrend:
    """A day as any of the ways gives it."""
    average = found["avg_items"]
    numbers = {name: int(found[name]) for name in ("total_jobs", "successful", "failed")}
    return DayTrend(found["date"], **numbers, avg_items=None if average is None else round(float(average), 1))


def _read(connection: sa.Connection, query: sa.Executable, arguments: Mapping[str, Any]) -> Sequence[sa.RowMapping]:
    try:
        with transaction(connection):
            return connection.execute(query, arguments).mappings().all()
    except sa.exc.OperationalError as error:
        raise MirrorBusyError(f"batch_jobs cannot be read: it does not answer ({safe_reason(error)})") from error
    except sa.exc.SQLAlchemyError as error:
        raise MirrorError(
            f"batch_jobs cannot be read ({safe_reason(error)}). Check that the table is there and that the user may read it"
        ) from error
