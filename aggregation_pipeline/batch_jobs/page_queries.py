"""The queries of pages.py. sql/record_batch_job.sql has the same ones as functions, for Supabase.

The table has one index, on (job_type, created_at DESC), and an existing table is never altered. So each query goes
along that index, from the newest row on, and looks at `scan` rows at most. Rows are left out
whose `created_at` is missing, or no moment of Python's.

Any program may have written a row. So texts are cut, and nothing of `metadata` is taken for what it should be.
"""

from typing import Final

import sqlalchemy as sa

# Without a `kind`, the job types are found one after the other by the index, as few steps as there are types.
PAGE: Final = """
  WITH RECURSIVE kinds (name) AS (
    SELECT coalesce(CAST(:kind AS text), (SELECT min(j.job_type) FROM public.batch_jobs AS j))
    UNION ALL
    SELECT (SELECT min(j.job_type) FROM public.batch_jobs AS j WHERE j.job_type > k.name)
    FROM kinds AS k
    WHERE k.name IS NOT NULL AND CAST(:kind AS text) IS NULL
  ), scanned AS (
    SELECT found.*
    FROM (SELECT name FROM kinds WHERE name IS NOT NULL LIMIT 100) AS k
    CROSS JOIN LATERAL (
      SELECT j.id, j.created_at,
        (CAST(:states AS text[]) IS NULL OR j.status = ANY (CAST(:states AS text[])))
        AND (CAST(:platform AS text) IS NULL OR (
          j.metadata -> 'results' -> CAST(:platform AS text) IS NOT NULL
          AND coalesce(j.metadata #> ARRAY['results', CAST(:platform AS text), 'tables'], '[]')
            @> to_jsonb(CAST(:entry AS text))
        )) AS wanted
      FROM public.batch_jobs AS j
      WHERE j.job_type = k.name
        AND j.created_at >= coalesce(CAST(:since AS timestamptz), '0001-01-02')
        AND j.created_at < coalesce(CAST(:until AS timestamptz), '9999-12-30')
        AND j.created_at <= coalesce(CAST(:before_at AS timestamptz), 'infinity')
        AND (CAST(:before_at AS timestamptz) IS NULL
          OR (j.created_at, j.id) < (CAST(:before_at AS timestamptz), CAST(:before_id AS uuid)))
      ORDER BY j.created_at DESC, j.id DESC
      LIMIT :scan
    ) AS found
    ORDER BY found.created_at DESC, found.id DESC
    LIMIT :scan
  ), page AS (
    SELECT id FROM scanned WHERE wanted ORDER BY created_at DESC, id DESC LIMIT :most
  )
  SELECT jsonb_build_object(
    'scanned', (SELECT count(*) FROM scanned),
    'last', (SELECT jsonb_build_array(created_at, id) FROM scanned ORDER BY created_at, id LIMIT 1),
    'rows', (
      SELECT coalesce(jsonb_agg(jsonb_build_object(
        'id', j.id, 'job_type', j.job_type, 'status', j.status, 'total_items', j.total_items,
        'created_at', j.created_at, 'started_at', j.started_at, 'completed_at', j.completed_at,
        'processed', (
          SELECT jsonb_agg(left(name, 200)) FROM (SELECT unnest(j.platforms_processed) AS name LIMIT 500) AS each
        ),
        'planned', CASE WHEN jsonb_typeof(m.planned) = 'array' THEN (
          SELECT jsonb_agg(left(value #>> '{}', 200))
          FROM (SELECT value FROM jsonb_array_elements(m.planned) LIMIT 500) AS each
        ) END,
        'rows', left(m.summary ->> 'rows', 30),
        'deployment', left(m.dagster ->> 'deployment', 200),
        'run_id', left(m.dagster ->> 'run_id', 200),
        'partition', left(m.dagster ->> 'partition', 200),
        'schedule', left(m.dagster ->> 'schedule', 200),
        'tick', left(m.dagster ->> 'tick', 200),
        'error', left(m.errors #>> '{-1,error}', 2000),
        'error_table', left(coalesce(m.errors #>> '{-1,table}', m.errors #>> '{-1,platform}'), 200)
      ) ORDER BY j.created_at DESC, j.id DESC), '[]')
      FROM page
      JOIN public.batch_jobs AS j ON j.id = page.id
      LEFT JOIN LATERAL jsonb_to_record(CASE WHEN jsonb_typeof(j.metadata) = 'object' THEN j.metadata END)
        AS m (planned jsonb, summary jsonb, dagster jsonb, errors jsonb) ON true
    )
  )
"""

FIGURES: Final = """
  SELECT jsonb_build_object(
    'running', count(*) FILTER (WHERE j.status = 'in_progress' AND j.is_open),
    'queued', count(*) FILTER (WHERE j.status = 'pending' AND j.is_open),
    'completed', count(*) FILTER (WHERE j.status = 'completed' AND j.is_recent),
    'failed', count(*) FILTER (WHERE j.status = 'failed' AND j.is_recent),
    'avg_items', avg(j.total_items) FILTER (WHERE j.status = 'completed' AND j.is_recent),
    'avg_seconds', avg(j.seconds) FILTER (WHERE j.status = 'completed' AND j.is_recent),
    'oldest', min(j.created_at) FILTER (WHERE j.is_recent)
  )
  FROM (
    SELECT status, total_items, created_at, created_at >= CAST(:since AS timestamptz) AS is_recent,
      CASE WHEN status IN ('in_progress', 'pending')
        THEN created_at >= now() - interval '1 day' OR metadata #>> '{dagster,deployment}' IS NOT NULL END AS is_open,
      CASE WHEN isfinite(started_at) AND isfinite(completed_at) AND completed_at >= started_at
        THEN extract(epoch FROM completed_at) - extract(epoch FROM started_at) END AS seconds
    FROM public.batch_jobs
    WHERE job_type = :kind AND created_at IS NOT NULL
    ORDER BY created_at DESC
    LIMIT :scan
  ) AS j
"""


def query(text: str) -> sa.TextClause:
    """Return a query that answers its JSON as a text: PostgreSQL's driver could not read every number in it."""
    return sa.text(f"SELECT CAST(({text}) AS text) AS answer")
