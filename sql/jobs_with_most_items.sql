-- 查看处理项目最多的批次: the ten runs that processed the most items.
SELECT id, total_items, platforms_processed, created_at
FROM batch_jobs
ORDER BY total_items DESC
LIMIT 10;
