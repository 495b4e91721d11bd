-- 查看最近的批次任务: the ten latest runs.
SELECT * FROM batch_jobs
WHERE job_type = 'data_collection'
ORDER BY created_at DESC
LIMIT 10;
