-- For a table batch_jobs that is older than aggregation_pipeline, which never alters it by itself. Read this before you run it: it shuts out
-- everything that uses the table with the anonymous key, as the old Node.js service did. Together with record_batch_job.sql (rows that never
-- go back, by REST) an old table then has what a new one has. Running it twice changes nothing.

-- Supabase serves everything in `public` to the internet. Row-level security without a policy lets in only the table's owner and roles
-- that bypass it (service_role, postgres).
ALTER TABLE public.batch_jobs ENABLE ROW LEVEL SECURITY;

DO $$
DECLARE
  name text;
BEGIN
  REVOKE ALL ON public.batch_jobs FROM PUBLIC;
  FOR name IN SELECT rolname FROM pg_roles WHERE rolname IN ('anon', 'authenticated') LOOP
    EXECUTE format('REVOKE ALL ON public.batch_jobs FROM %I', name);
  END LOOP;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'service_role') THEN
    GRANT SELECT, INSERT, UPDATE, DELETE ON public.batch_jobs TO service_role;
  END IF;
END
$$;

-- The reconciler reads the open rows every ten seconds, however many others the table has.
CREATE INDEX IF NOT EXISTS idx_batch_jobs_open ON public.batch_jobs (created_at DESC) WHERE status IN ('pending', 'in_progress');
