-- Functions that aggregation_pipeline calls by REST, where it has SUPABASE_URL and SUPABASE_KEY instead of a connection string: plain REST
-- cannot write a row "unless a newer version is there". Run this once in Supabase's SQL editor, after create_batch_jobs_table.sql. It
-- changes no table.
--
-- The functions run with the rights of their owner, so row-level security may close the table itself to everybody. service_role may call
-- them; for the anonymous key see grant_anon.sql.

-- Insert the row, or bring an older version of it up to date; false where an equal or newer version, or a row of another owner, is there.
CREATE OR REPLACE FUNCTION public.record_batch_job(job jsonb) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
  written boolean;
BEGIN
  IF job #>> '{metadata,dagster,deployment}' IS NULL OR job #>> '{metadata,dagster,instance}' IS NULL
     OR coalesce(jsonb_typeof(job #> '{metadata,dagster,version}'), '') <> 'array'
     OR coalesce(job ->> 'status', '') NOT IN ('pending', 'in_progress', 'completed', 'failed') THEN
    RAISE EXCEPTION 'not a row of aggregation_pipeline: status, metadata.dagster.deployment, .instance and .version are needed'
      USING ERRCODE = 'check_violation';
  END IF;
  INSERT INTO public.batch_jobs AS old
    (id, job_type, status, platforms_processed, total_items, metadata, started_at, completed_at, created_at)
  VALUES (
    (job ->> 'id')::uuid, left(job ->> 'job_type', 50), job ->> 'status',
    ARRAY(SELECT jsonb_array_elements_text(job -> 'platforms_processed')),
    greatest(0, least((job ->> 'total_items')::numeric, 2147483647))::integer, job -> 'metadata',
    (job ->> 'started_at')::timestamptz, (job ->> 'completed_at')::timestamptz, (job ->> 'created_at')::timestamptz
  )
  ON CONFLICT (id) DO UPDATE SET
    job_type = excluded.job_type, status = excluded.status, platforms_processed = excluded.platforms_processed,
    total_items = excluded.total_items, metadata = excluded.metadata, started_at = excluded.started_at,
    completed_at = excluded.completed_at, created_at = excluded.created_at
  WHERE old.metadata #>> '{dagster,deployment}' = excluded.metadata #>> '{dagster,deployment}'
    AND old.metadata #>> '{dagster,instance}' = excluded.metadata #>> '{dagster,instance}'
    AND coalesce(old.metadata #> '{dagster,version}', '[]') <= (excluded.metadata #> '{dagster,version}')
    AND (old.job_type, old.status, old.platforms_processed, old.total_items, old.metadata, old.started_at, old.completed_at, old.created_at)
        IS DISTINCT FROM (excluded.job_type, excluded.status, excluded.platforms_processed, excluded.total_items, excluded.metadata,
                          excluded.started_at, excluded.completed_at, excluded.created_at)
  RETURNING true INTO written;
  RETURN coalesce(written, false);
END
$$;

-- Rows of one deployment and Dagster storage: those with the ids given, or, without ids, those that have not ended.
-- `whole` adds every column to what the mirror compares. One array, because PostgREST silently cuts sets of rows at a thousand.
CREATE OR REPLACE FUNCTION public.read_batch_jobs(deployment text, instance text, ids uuid[] DEFAULT NULL, whole boolean DEFAULT false)
RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
  SELECT coalesce(jsonb_agg(jsonb_build_object(
      'id', j.id, 'status', j.status, 'run_id', j.metadata #>> '{dagster,run_id}', 'updated', j.metadata #>> '{dagster,updated}',
      'refused', j.metadata ? 'mirror_error')
    || CASE WHEN whole THEN to_jsonb(j) ELSE '{}' END ORDER BY j.created_at DESC), '[]')
  FROM public.batch_jobs AS j
  WHERE j.metadata #>> '{dagster,deployment}' = deployment AND j.metadata #>> '{dagster,instance}' = instance
    AND CASE WHEN ids IS NULL THEN j.status IN ('pending', 'in_progress') ELSE j.id = ANY (ids) END
$$;

-- Delete the rows of one deployment and Dagster storage that ended before then; returns how many.
CREATE OR REPLACE FUNCTION public.prune_batch_jobs(deployment text, instance text, before timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
  gone integer;
BEGIN
  DELETE FROM public.batch_jobs AS j
  WHERE j.metadata #>> '{dagster,deployment}' = deployment AND j.metadata #>> '{dagster,instance}' = instance
    AND j.status IN ('completed', 'failed') AND coalesce(j.completed_at, j.created_at) < before;
  GET DIAGNOSTICS gone = ROW_COUNT;
  RETURN gone;
END
$$;

-- For `aggregation-pipeline batch-jobs list` and `show`: rows of all owners, the newest first.
CREATE OR REPLACE FUNCTION public.list_batch_jobs(
  kind text DEFAULT NULL, state text DEFAULT NULL, wanted text DEFAULT NULL, most integer DEFAULT 10)
RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
  SELECT coalesce(jsonb_agg(to_jsonb(found) ORDER BY found.created_at DESC), '[]')
  FROM (
    SELECT *
    FROM public.batch_jobs AS j
    WHERE (kind IS NULL OR j.job_type = kind) AND (state IS NULL OR j.status = state) AND (wanted IS NULL OR starts_with(j.id::text, wanted))
    ORDER BY j.created_at DESC
    LIMIT most
  ) AS found
$$;

-- For `aggregation-pipeline batch-jobs trend`: 按天统计批次执行情况, for the last days in a time zone.
CREATE OR REPLACE FUNCTION public.trend_of_batch_jobs(kind text, zone text, days integer) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
  SELECT coalesce(jsonb_agg(to_jsonb(day) ORDER BY day.date DESC), '[]')
  FROM (
    SELECT (j.created_at AT TIME ZONE zone)::date AS date, count(*) AS total_jobs,
           count(*) FILTER (WHERE j.status = 'completed') AS successful, count(*) FILTER (WHERE j.status = 'failed') AS failed,
           avg(j.total_items) AS avg_items
    FROM public.batch_jobs AS j
    WHERE j.job_type = kind AND (j.created_at AT TIME ZONE zone)::date > (now() AT TIME ZONE zone)::date - days
    GROUP BY 1
  ) AS day
$$;

-- For `GET /metrics`: what the rows of one deployment and Dagster storage say about the last day, by table. batch_jobs/last_day.py has the same.
CREATE OR REPLACE FUNCTION public.last_day_of_batch_jobs(deployment text, instance text, kind text) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
  WITH recent AS MATERIALIZED (
      SELECT j.status, coalesce(j.completed_at, j.created_at) AS ended, j.metadata -> 'results' AS results
      FROM public.batch_jobs AS j
      WHERE j.job_type = kind AND j.created_at >= now() - interval '7 days' AND j.status IN ('completed', 'failed')
        AND j.metadata #>> '{dagster,deployment}' = deployment AND j.metadata #>> '{dagster,instance}' = instance
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
$$;

-- For `GET /status`: a page of rows of all owners, the newest first. It looks at `scan` rows along the index, and returns at most `most`.
CREATE OR REPLACE FUNCTION public.page_of_batch_jobs(
  kind text, states text[], platform text, entry text, since timestamptz, until timestamptz,
  before_at timestamptz, before_id uuid, scan integer, most integer)
RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
  WITH RECURSIVE kinds (name) AS (
    SELECT coalesce(CAST(kind AS text), (SELECT min(j.job_type) FROM public.batch_jobs AS j))
    UNION ALL
    SELECT (SELECT min(j.job_type) FROM public.batch_jobs AS j WHERE j.job_type > k.name)
    FROM kinds AS k
    WHERE k.name IS NOT NULL AND CAST(kind AS text) IS NULL
  ), scanned AS (
    SELECT found.*
    FROM (SELECT name FROM kinds WHERE name IS NOT NULL LIMIT 100) AS k
    CROSS JOIN LATERAL (
      SELECT j.id, j.created_at,
        (CAST(states AS text[]) IS NULL OR j.status = ANY (CAST(states AS text[])))
        AND (CAST(platform AS text) IS NULL OR (
          j.metadata -> 'results' -> CAST(platform AS text) IS NOT NULL
          AND coalesce(j.metadata #> ARRAY['results', CAST(platform AS text), 'tables'], '[]')
            @> to_jsonb(CAST(entry AS text))
        )) AS wanted
      FROM public.batch_jobs AS j
      WHERE j.job_type = k.name
        AND j.created_at >= coalesce(CAST(since AS timestamptz), '0001-01-02')
        AND j.created_at < coalesce(CAST(until AS timestamptz), '9999-12-30')
        AND j.created_at <= coalesce(CAST(before_at AS timestamptz), 'infinity')
        AND (CAST(before_at AS timestamptz) IS NULL
          OR (j.created_at, j.id) < (CAST(before_at AS timestamptz), CAST(before_id AS uuid)))
      ORDER BY j.created_at DESC, j.id DESC
      LIMIT scan
    ) AS found
    ORDER BY found.created_at DESC, found.id DESC
    LIMIT scan
  ), page AS (
    SELECT id FROM scanned WHERE wanted ORDER BY created_at DESC, id DESC LIMIT most
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
$$;

-- For `GET /status`: how many of the newest rows of a type run and wait, and how those created since then went.
CREATE OR REPLACE FUNCTION public.figures_of_batch_jobs(kind text, since timestamptz, scan integer) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
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
    SELECT status, total_items, created_at, created_at >= CAST(since AS timestamptz) AS is_recent,
      CASE WHEN status IN ('in_progress', 'pending')
        THEN created_at >= now() - interval '1 day' OR metadata #>> '{dagster,deployment}' IS NOT NULL END AS is_open,
      CASE WHEN isfinite(started_at) AND isfinite(completed_at) AND completed_at >= started_at
        THEN extract(epoch FROM completed_at) - extract(epoch FROM started_at) END AS seconds
    FROM public.batch_jobs
    WHERE job_type = kind AND created_at IS NOT NULL
    ORDER BY created_at DESC
    LIMIT scan
  ) AS j
$$;

-- For `/batches`: what batches did between each of `bounds` and the next, all of them and each table's part of them. It looks at `scan` rows
-- along the index, the newest first.
CREATE OR REPLACE FUNCTION public.buckets_of_batch_jobs(kind text, deployment text, bounds timestamptz[], scan integer) RETURNS json
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' SET jit = off AS $$
  WITH scanned AS MATERIALIZED (
    SELECT j.id, j.status, j.created_at, j.started_at, j.completed_at, j.total_items, j.platforms_processed, j.metadata
    FROM public.batch_jobs AS j
    WHERE j.job_type = kind
      AND j.created_at >= (CAST(bounds AS timestamptz[]))[1]
      AND j.created_at < (CAST(bounds AS timestamptz[]))[cardinality(CAST(bounds AS timestamptz[]))]
    ORDER BY j.created_at DESC
    LIMIT scan
  ), batch AS MATERIALIZED (
    SELECT s.id, s.created_at, s.status, s.platforms_processed, m.results,
      CASE WHEN jsonb_typeof(m.results) = 'object' THEN NULL ELSE s.metadata END AS foreign_metadata,
      width_bucket(s.created_at, CAST(bounds AS timestamptz[])) AS bucket,
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
    WHERE coalesce(m.dagster ->> 'deployment', deployment) = deployment
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
    'oldest', (SELECT min(created_at) FROM scanned HAVING count(*) >= scan),
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
$$;

-- By default everybody may call a new function, and Supabase also grants it to its roles by name.
DO $$
DECLARE
  name text;
  signature text;
BEGIN
  FOREACH signature IN ARRAY ARRAY[
    'public.record_batch_job(jsonb)', 'public.read_batch_jobs(text, text, uuid[], boolean)',
    'public.prune_batch_jobs(text, text, timestamptz)', 'public.list_batch_jobs(text, text, text, integer)',
    'public.trend_of_batch_jobs(text, text, integer)', 'public.last_day_of_batch_jobs(text, text, text)',
    'public.page_of_batch_jobs(text, text[], text, text, timestamptz, timestamptz, timestamptz, uuid, integer, integer)',
    'public.figures_of_batch_jobs(text, timestamptz, integer)', 'public.buckets_of_batch_jobs(text, text, timestamptz[], integer)']
  LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', signature);
    FOR name IN SELECT rolname FROM pg_roles WHERE rolname IN ('anon', 'authenticated') LOOP
      EXECUTE format('REVOKE ALL ON FUNCTION %s FROM %I', signature, name);
    END LOOP;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'service_role') THEN
      EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO service_role', signature);
    END IF;
  END LOOP;
END
$$;

-- Lets PostgREST find the new functions.
NOTIFY pgrst, 'reload schema';
