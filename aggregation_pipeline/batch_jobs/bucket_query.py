"""The query of buckets.py. sql/record_batch_job.sql has the same one as a function, for Supabase.

It goes along the index on (job_type, created_at DESC), and opens the metadata of the rows between the first and the
last of `bounds`, at most `scan` of them. Any program may have written a row: nothing of `metadata` is taken for what it
should be. Rows of other deployments are left out; those of other programs have none.
"""

from typing import Final

BUCKETS: Final = """
  WITH scanned AS MATERIALIZED (
    SELECT j.id, j.status, j.created_at, j.started_at, j.completed_at, j.total_items, j.platforms_processed, j.metadata
    FROM public.batch_jobs AS j
    WHERE j.job_type = :kind
      AND j.created_at >= (CAST(:bounds AS timestamptz[]))[1]
      AND j.created_at < (CAST(:bounds AS timestamptz[]))[cardinality(CAST(:bounds AS timestamptz[]))]
    ORDER BY j.created_at DESC
    LIMIT :scan
  ), batch AS MATERIALIZED (
    SELECT s.id, s.created_at, s.status, s.platforms_processed, m.results,
      CASE WHEN jsonb_typeof(m.results) = 'object' THEN NULL ELSE s.metadata END AS foreign_metadata,
      width_bucket(s.created_at, CAST(:bounds AS timestamptz[])) AS bucket,
      s.status IN ('completed', 'failed') AS has_ended,
      CASE WHEN isfinite(s.completed_at) THEN s.completed_at ELSE s.created_at END AS ended_at,
      CASE WHEN isfinite(s.started_at) AND isfinite(s.completed_at) AND s.completed_at >= s.started_at
        THEN extract(epoch FROM s.completed_at) - extract(epoch FROM s.started_at) END AS seconds,
      least(greatest(CASE WHEN jsonb_typeof(m.summary -> 'rows') = 'number' THEN (m.summary -> 'rows')::numeric
        ELSE s.total_items END, 0), 1e15) AS items,
      left(m.errors #>> '{-1,error}', 2000) AS error
    FROM scanned AS s
    LEFT JOIN LATERAL jsonb_to_record(CASE WHEN jsonb_typeof(s.metadata) = 'object' THEN s.metadata END)
      AS m (results jsonb, summary jsonb, dagster jsonb, errors jsonb) ON true
    WHERE coalesce(m.dagster ->> 'deployment', :deployment) = :deployment
  ), part AS MATERIALIZED (
    SELECT b.id, b.created_at, b.ended_at, b.has_ended, b.bucket, left(p.name, 200) AS name, p.status,
      b.status = 'failed' AS batch_failed,
      CASE WHEN jsonb_typeof(p.items) = 'number' THEN least(greatest(p.items::numeric, 0), 1e15) END AS items,
      CASE WHEN jsonb_typeof(p.seconds) = 'number' THEN least(greatest(p.seconds::numeric, 0), 1e15) END AS seconds,
      CASE WHEN jsonb_typeof(p.bytes) = 'number' THEN least(greatest(p.bytes::numeric, 0), 1e15) END AS bytes,
      coalesce(left(p.error, 2000), b.error) AS error
    FROM batch AS b
    CROSS JOIN LATERAL (
      SELECT coalesce(t.key, r.key) AS name, f.found ->> 'status' AS status, f.found -> 'items' AS items,
        f.found -> 'seconds' AS seconds, f.found -> 'bytes' AS bytes, r.value ->> 'error' AS error
      FROM jsonb_each(CASE jsonb_typeof(b.results) WHEN 'object' THEN b.results ELSE '{}' END) AS r
      LEFT JOIN LATERAL jsonb_each(
        CASE jsonb_typeof(r.value -> 'by_table') WHEN 'object' THEN r.value -> 'by_table' ELSE '{}' END) AS t ON true
      CROSS JOIN LATERAL (SELECT coalesce(t.value, r.value) AS found) AS f
      UNION ALL
      SELECT each.name, b.status, b.foreign_metadata -> (each.name || '_items'), NULL, NULL, NULL
      FROM (SELECT DISTINCT unnest(b.platforms_processed) AS name LIMIT 500) AS each
      WHERE jsonb_typeof(b.results) IS DISTINCT FROM 'object' AND each.name IS NOT NULL
    ) AS p
  )
  SELECT json_build_object(
    'oldest', (SELECT min(created_at) FROM scanned HAVING count(*) >= :scan),
    'totals', (
      SELECT coalesce(json_agg(json_build_array(bucket, completed, failed, 0, open, other, items, seconds, 0)), '[]')
      FROM (
        SELECT bucket, count(*) FILTER (WHERE status = 'completed') AS completed,
          count(*) FILTER (WHERE status = 'failed') AS failed,
          count(*) FILTER (WHERE status IN ('pending', 'in_progress')) AS open,
          count(*) FILTER (
            WHERE coalesce(status, '') NOT IN ('completed', 'failed', 'pending', 'in_progress')) AS other,
          sum(items) FILTER (WHERE has_ended) AS items, sum(seconds) FILTER (WHERE has_ended) AS seconds
        FROM batch GROUP BY bucket
      ) AS each
    ),
    'tables', (
      SELECT coalesce(json_agg(json_build_array(
        name, bucket, completed, failed, skipped, open, other, items, seconds, bytes)), '[]')
      FROM (
        SELECT name, bucket, count(*) FILTER (WHERE status = 'completed') AS completed,
          count(*) FILTER (WHERE status = 'failed') AS failed,
          count(*) FILTER (WHERE status = 'skipped') AS skipped,
          count(*) FILTER (WHERE status IN ('pending', 'in_progress')) AS open,
          count(*) FILTER (
            WHERE coalesce(status, '') NOT IN ('completed', 'failed', 'skipped', 'pending', 'in_progress')) AS other,
          sum(items) FILTER (WHERE has_ended) AS items, sum(seconds) FILTER (WHERE has_ended) AS seconds,
          sum(bytes) FILTER (WHERE has_ended) AS bytes
        FROM part GROUP BY name, bucket LIMIT 100000
      ) AS each
    ),
    'newest', (
      SELECT coalesce(json_agg(json_build_array(name, id, status, created_at, ended_at, error)), '[]')
      FROM (
        SELECT DISTINCT ON (name) name, id, created_at, ended_at,
          CASE WHEN status = 'skipped' AND batch_failed THEN 'failed' ELSE status END AS status,
          CASE WHEN status IN ('failed', 'skipped') AND batch_failed THEN error END AS error
        FROM part WHERE has_ended AND status IN ('completed', 'failed', 'skipped')
        ORDER BY name, created_at DESC, id DESC LIMIT 10000
      ) AS each
    )
  )
"""
