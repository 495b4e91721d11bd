-- 查看成功的批次任务: every run that completed, the latest first.
SELECT * FROM batch_jobs
WHERE status = 'completed'
ORDER BY created_at DESC;
