-- 删除30天前的记录: delete the records older than 30 days.
DELETE FROM batch_jobs
WHERE created_at < NOW() - INTERVAL '30 days';
