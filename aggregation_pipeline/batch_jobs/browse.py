"""Reading batch_jobs for people: rows of all owners. Other programs may have written them, with any content."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from aggregation_pipeline.batch_jobs import page_queries, pages
from aggregation_pipeline.batch_jobs.bucket_query import BUCKETS
from aggregation_pipeline.batch_jobs.buckets import BUCKETS_MS, Buckets, buckets_of, parameters_of
from aggregation_pipeline.batch_jobs.pages import Figures, Page, PageFilter, Position
from aggregation_pipeline.batch_jobs.postgres_errors import mirror_errors
from aggregation_pipeline.batch_jobs.table import batch_jobs
from aggregation_pipeline.postgres.engine import transaction

JobRow = Mapping[str, Any]
_MOMENTS = ("started_at", "completed_at", "created_at")


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
    jobs = batch_jobs.alias("jobs")
    conditions = {"job_type": wanted.job_type, "status": wanted.status}
    # As a text: PostgreSQL's driver cannot read every moment and number that a row may hold.
    whole = sa.cast(sa.func.to_jsonb(sa.literal_column("jobs")), sa.Text).label("row")
    query = sa.select(whole).select_from(jobs)
    query = query.where(*(jobs.c[name] == value for name, value in conditions.items() if value is not None))
    if wanted.id is not None:
        # The first of these conditions goes by the index of the primary key.
        digits = wanted.id.replace("-", "")[:32]
        ids = jobs.c.id.between(UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f")))
        query = query.where(ids, sa.cast(jobs.c.id, sa.Text).startswith(wanted.id))
    found = _read(connection, query.order_by(jobs.c.created_at.desc()).limit(wanted.limit), {})
    return [job_row(pages.read_json(each["row"])) for each in found]


def job_row(found: Mapping[str, Any]) -> JobRow:
    """Make a row of its JSON, with moments instead of their texts."""
    moments = {name: pages.moment(found[name]) for name in _MOMENTS}
    return {column.name: moments.get(column.name, found[column.name]) for column in batch_jobs.columns}


def read_page(connection: sa.Connection, wanted: PageFilter, after: Position | None, limit: int) -> Page:
    """Return a page of rows. Raises MirrorError, MirrorBusyError."""
    return pages.read_page(
        lambda parameters: _read_one(connection, page_queries.PAGE, parameters), wanted, after, limit
    )


def figures(connection: sa.Connection, job_type: str, since: datetime) -> Figures:
    """Return the figures of a job type since then. Raises MirrorError, MirrorBusyError."""
    parameters = {"kind": job_type, "since": since, "scan": pages.FIGURES_ROWS}
    return pages.figures_of(_read_one(connection, page_queries.FIGURES, parameters))


def buckets(connection: sa.Connection, job_type: str, deployment: str, bounds: Sequence[datetime]) -> Buckets:
    """Return what the batches between `bounds` did. Raises MirrorError, MirrorBusyError."""
    # JIT would take longer to compile it than it runs. Thirty days of many batches take longer than other questions.
    first = f"SET LOCAL jit = off; SET LOCAL statement_timeout = {BUCKETS_MS}"
    return buckets_of(_read_one(connection, BUCKETS, parameters_of(job_type, deployment, bounds), first))


def trend(connection: sa.Connection, job_type: str, zone: str, days: int) -> Sequence[DayTrend]:
    """Return the days that had jobs, the newest first. Raises MirrorError, MirrorBusyError."""
    return [day_trend(row) for row in _read(connection, _TREND, {"kind": job_type, "zone": zone, "days": days})]


def day_trend(found: Mapping[Any, Any]) -> DayTrend:
    """Make a day of a row of the trend, from PostgreSQL or from Supabase."""
    average = found["avg_items"]
    numbers = {name: int(found[name]) for name in ("total_jobs", "successful", "failed")}
    return DayTrend(found["date"], **numbers, avg_items=None if average is None else round(float(average), 1))


def _read_one(
    connection: sa.Connection, query: str, parameters: Mapping[str, Any], first: str | None = None
) -> pages.Json:
    (row,) = _read(connection, page_queries.query(query), parameters, first)
    return pages.read_json(row["answer"])


def _read(
    connection: sa.Connection, query: sa.Executable, arguments: Mapping[str, Any], first: str | None = None
) -> Sequence[sa.RowMapping]:
    """Return the rows of a query. `first` is a statement that comes before it, in its transaction."""
    refused = "batch_jobs cannot be read ({reason}). Check that the table is there and that the user may read it"
    with mirror_errors(refused=refused), transaction(connection):
        if first is not None:
            connection.exec_driver_sql(first)
        return connection.execute(query, arguments).mappings().all()
