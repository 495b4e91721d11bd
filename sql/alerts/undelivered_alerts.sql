-- Messages that wait for a channel, the oldest first.
SELECT created_at, channel, title, attempts, due_at, error
FROM aggregation_alerts.deliveries
WHERE delivered_at IS NULL AND moved_at IS NULL
ORDER BY created_at;
