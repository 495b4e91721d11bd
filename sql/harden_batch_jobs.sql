-- For a batch_jobs that was there before aggregation_pipeline, which never alters it by itself. Read it before you run it:
-- whoever reached the table with the anonymous key, as the old Node.js service did, is shut out by it. Together with
-- record_batch_job.sql (rows that never go back, by REST) it gives an old table what a new one has. Running it twice changes nothing.

-- On Supabase everything in `public` is served to the internet. Row-level security without a policy lets in nobody but the table's
-- owner and roles that bypass it (service_role, postgres).
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

-- The reconciler asks for open rows every ten seconds, whatever else fills the table.
CREATE INDEX IF NOT EXISTS idx_batch_jobs_open ON public.batch_jobs (created_at DESC) WHERE status IN ('pending', 'in_progress');
