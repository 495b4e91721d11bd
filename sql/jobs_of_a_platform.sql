-- 查看特定平台的处理情况: the runs that processed one platform. Put your own platforms in place of baidu and weibo.
SELECT
  id,
  platforms_processed,
  metadata->>'baidu_items' as baidu_items,
  metadata->>'weibo_items' as weibo_items,
  created_at
FROM batch_jobs
WHERE 'baidu' = ANY(platforms_processed)
ORDER BY created_at DESC;
