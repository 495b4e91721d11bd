-- For those who must use the anonymous key of Supabase in SUPABASE_KEY, as the old service did. Better: the key of service_role, which
-- needs nothing of this. The anonymous key is public wherever a browser uses it, and whoever has it may then write and read
-- the rows of aggregation_pipeline through the two functions. The table itself stays closed, and nobody may delete.
-- Run it after record_batch_job.sql; to take it back: REVOKE in place of GRANT, FROM in place of TO.
GRANT EXECUTE ON FUNCTION public.record_batch_job(jsonb) TO anon;
GRANT EXECUTE ON FUNCTION public.read_batch_jobs(text, text, uuid[], boolean) TO anon;
