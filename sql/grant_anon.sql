-- Only if SUPABASE_KEY must be the anonymous key of Supabase, as in the old service. The key of service_role is better, and needs none of
-- this. The anonymous key is public wherever a browser uses it: whoever has it can then write and read the rows of aggregation_pipeline
-- through these two functions. The table itself stays closed, and nobody can delete rows.
-- Run it after record_batch_job.sql. To undo it, write REVOKE for GRANT and FROM for TO.
GRANT EXECUTE ON FUNCTION public.record_batch_job(jsonb) TO anon;
GRANT EXECUTE ON FUNCTION public.read_batch_jobs(text, text, uuid[], boolean) TO anon;
