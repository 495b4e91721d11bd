-- The table batch_jobs: one row a run, written by the sensors of aggregation_pipeline.
-- The service runs this where the table is missing. By hand: psql "$BATCH_JOBS_URL" -f sql/create_batch_jobs_table.sql
-- An existing table is left as it is.

-- Remembers for the last statement whether the table was there before.
SELECT set_config('aggregation.batch_jobs_was_there', (to_regclass('public.batch_jobs') IS NOT NULL)::text, false);

CREATE TABLE IF NOT EXISTS public.batch_jobs (
  id UUID NOT NULL DEFAULT gen_random_uuid(),
  job_type VARCHAR(50) NOT NULL,
  status VARCHAR(50) NULL DEFAULT 'pending'::VARCHAR,
  platforms_processed TEXT[] NULL,
  total_items INTEGER NULL DEFAULT 0,
  metadata JSONB NULL,
  started_at TIMESTAMP WITH TIME ZONE NULL DEFAULT now(),
  completed_at TIMESTAMP WITH TIME ZONE NULL,
  created_at TIMESTAMP WITH TIME ZONE NULL DEFAULT now(),
  CONSTRAINT batch_jobs_pkey PRIMARY KEY (id)
);

CREATE INDEX IF NOT EXISTS idx_batch_jobs_job_type
ON public.batch_jobs
USING btree (job_type, created_at DESC);

-- Supabase (only there the role service_role exists) serves everything in `public` to the internet by REST, and gives new tables no grants.
-- So service_role gets its rights, and row-level security without a policy keeps everybody else out. On a table that is in use, row-level
-- security could shut people out without an error, so this is for a new table only.
DO $$
BEGIN
  IF current_setting('aggregation.batch_jobs_was_there') = 'false' AND EXISTS (SELECT FROM pg_roles WHERE rolname = 'service_role') THEN
    ALTER TABLE public.batch_jobs ENABLE ROW LEVEL SECURITY;
    GRANT SELECT, INSERT, UPDATE, DELETE ON public.batch_jobs TO service_role;
  END IF;
END
$$;
