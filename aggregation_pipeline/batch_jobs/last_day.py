"""What the rows of batch_jobs say about the last day, table by table: one query, bounded in rows and in time.

Sums over a fixed time, not totals since ever: a prune, a restart of the reader and a second reader change nothing, and
a run that ends late counts from its end on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa

from aggregation_pipeline.batch_jobs.postgres_errors import mirror_errors
from aggregation_pipeline.postgres.engine import transaction
from aggregation_pipeline.runs.model import STAGES, Owner

_STATEMENT_MS: Final = 2000


@dataclass(frozen=True)
class TableFigures:
    """One table.

    The sums are over the runs that ended within the last 24 hours. `stages` are in seconds, by `STAGES`; the rest of
    `seconds` is waiting for a window's lock, and checks.

    Attributes:
        published: windows that are published.
        unpublished: windows that a run planned and did not publish, for whatever reason.
        failing: whether the newest result of the last seven days is a failure; None if there is none.
    """

    items: int = 0
    bytes: int = 0
    files: int = 0
    published: int = 0
    unpublished: int = 0
    seconds: float = 0.0
    stages: Mapping[str, float] = field(default_factory=dict)
    failing: bool | None = None


@dataclass(frozen=True)
class LastDay:
    """All of it.

    Attributes:
        completed: runs that ended well within the last 24 hours.
        failed: runs that did not, cancelled ones among them.
        tables: by the name of the entry, as the runs knew it.
    """

    completed: int
    failed: int
    tables: Mapping[str, TableFigures]


# In record_batch_job.sql there is the same as a function. The index idx_batch_jobs_job_type finds the rows: only those
# of the last seven days are read, so a run that took longer than that is left out. What is not made like our metadata
# is left out too: somebody may have edited a row by hand.
_LAST_DAY: Final = sa.text("""
    WITH recent AS MATERIALIZED (
        SELECT j.status, coalesce(j.completed_at, j.created_at) AS ended, j.metadata -> 'results' AS results
        FROM public.batch_jobs AS j
        WHERE j.job_type = :kind AND j.created_at >= now() - interval '7 days' AND j.status IN ('completed', 'failed')
          AND j.metadata #>> '{dagster,deployment}' = :deployment AND j.metadata #>> '{dagster,instance}' = :instance
    ), result AS (
        SELECT t.key AS name, t.value AS found, r.ended, r.ended >= now() - interval '1 day' AS counts
        FROM recent AS r
        CROSS JOIN LATERAL jsonb_each(CASE jsonb_typeof(r.results) WHEN 'object' THEN r.results ELSE '{}' END) AS p
        CROSS JOIN LATERAL jsonb_each(
            CASE jsonb_typeof(p.value -> 'by_table') WHEN 'object' THEN p.value -> 'by_table' ELSE '{}' END) AS t
        WHERE t.value @@ '
            $.items.type() == "number" && $.bytes.type() == "number" && $.files.type() == "number"
            && $.partitions.type() == "number" && $.planned_partitions.type() == "number"
            && $.seconds.type() == "number" && $.stages.read.type() == "number" && $.stages.render.type() == "number"
            && $.stages.publish.type() == "number"'
    ), by_table AS (
        SELECT name, jsonb_build_object(
            'items', sum((found -> 'items')::numeric) FILTER (WHERE counts),
            'bytes', sum((found -> 'bytes')::numeric) FILTER (WHERE counts),
            'files', sum((found -> 'files')::numeric) FILTER (WHERE counts),
            'published', sum((found -> 'partitions')::numeric) FILTER (WHERE counts),
            'unpublished', sum(greatest(0, (found -> 'planned_partitions')::numeric - (found -> 'partitions')::numeric))
                FILTER (WHERE counts),
            'seconds', sum((found -> 'seconds')::numeric) FILTER (WHERE counts),
            'read', sum((found #> '{stages,read}')::numeric) FILTER (WHERE counts),
            'render', sum((found #> '{stages,render}')::numeric) FILTER (WHERE counts),
            'publish', sum((found #> '{stages,publish}')::numeric) FILTER (WHERE counts),
            'newest', (array_agg(found ->> 'status' ORDER BY ended DESC)
                FILTER (WHERE found ->> 'status' IN ('completed', 'failed')))[1]) AS figures
        FROM result GROUP BY name
    )
    SELECT jsonb_build_object(
        'completed', count(*) FILTER (WHERE status = 'completed'), 'failed', count(*) FILTER (WHERE status = 'failed'),
        'tables', (SELECT coalesce(jsonb_object_agg(name, figures), '{}') FROM by_table))
    FROM recent WHERE ended >= now() - interval '1 day'
""")


def read_last_day(bind: sa.Engine | sa.Connection, owner: Owner, job_type: str) -> LastDay:
    """Return the figures of the owner's rows. Raises MirrorError, MirrorBusyError."""
    parameters = {"kind": job_type, "deployment": owner.deployment, "instance": owner.instance}
    with mirror_errors(refused="the figures of batch_jobs cannot be read ({reason})"), transaction(bind) as connection:
        # The server ends the statement itself. JIT would take longer to compile it than it runs.
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {_STATEMENT_MS}; SET LOCAL jit = off")
        return last_day_of(connection.execute(_LAST_DAY, parameters).scalar_one())


def last_day_of(found: Mapping[str, Any]) -> LastDay:
    """Return the figures that the query, or Supabase's function, has answered."""
    return LastDay(
        found["completed"], found["failed"], {name: _of_table(table) for name, table in found["tables"].items()}
    )


def _of_table(found: Mapping[str, Any]) -> TableFigures:
    return TableFigures(
        **{name: found[name] or 0 for name in ("items", "bytes", "files", "published", "unpublished", "seconds")},
        stages={stage: found[stage] or 0.0 for stage in STAGES},
        failing=None if found["newest"] is None else found["newest"] == "failed",
    )
