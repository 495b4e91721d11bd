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

-- By default everybody may call a new function, and Supabase also grants it to its roles by name.
DO $$
DECLARE
  name text;
  signature text;
BEGIN
  FOREACH signature IN ARRAY ARRAY[
    'public.record_batch_job(jsonb)', 'public.read_batch_jobs(text, text, uuid[], boolean)',
    'public.prune_batch_jobs(text, text, timestamptz)', 'public.list_batch_jobs(text, text, text, integer)',
    'public.trend_of_batch_jobs(text, text, integer)']
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
