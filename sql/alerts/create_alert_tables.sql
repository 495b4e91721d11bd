-- What people have to be told, and what they were told: the outbox of alerts, in the database of batch_jobs, in a schema of its own
-- (Supabase serves `public` to the internet; this is nobody's business there).
-- Run by itself where the tables are missing. To run it by hand: psql "$BATCH_JOBS_URL" -f sql/alerts/create_alert_tables.sql
-- Tables that are already there are left as they are.

CREATE SCHEMA IF NOT EXISTS aggregation_alerts;

-- One row a cause: a table that failed in a run, a check that failed, a deadline that passed, a sensor that keeps failing, a recovery.
CREATE TABLE IF NOT EXISTS aggregation_alerts.causes (
  deployment TEXT NOT NULL,                      -- DEPLOYMENT_NAME
  key TEXT NOT NULL,                             -- the same for the same cause, however often it is found
  kind TEXT NOT NULL,                            -- run_failed, check_failed, table_late, entry_broken, sensor_failing, recovered
  subject TEXT NULL,                             -- what is broken until it recovers
  facts JSONB NOT NULL,                          -- name, owners, error (one cleaned line), run_id, asset, files, ...
  occurred_at TIMESTAMP WITH TIME ZONE NOT NULL, -- by Dagster's clock
  found_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
  recovered_at TIMESTAMP WITH TIME ZONE NULL,
  message UUID NULL,                             -- the message that tells of it; null while its window is open
  CONSTRAINT causes_pkey PRIMARY KEY (deployment, key)
);

CREATE INDEX IF NOT EXISTS idx_causes_unsaid ON aggregation_alerts.causes (deployment, kind, found_at) WHERE message IS NULL;
CREATE INDEX IF NOT EXISTS idx_causes_open ON aggregation_alerts.causes (deployment, occurred_at DESC)
WHERE recovered_at IS NULL AND subject IS NOT NULL;

-- One row a message and channel. A channel is named by its scheme and eight digits of its URL's hash: never by the URL, which is a secret.
CREATE TABLE IF NOT EXISTS aggregation_alerts.deliveries (
  message UUID NOT NULL,
  channel TEXT NOT NULL,
  deployment TEXT NOT NULL,
  kind TEXT NOT NULL,
  title TEXT NOT NULL,
  body TEXT NOT NULL,
  causes INTEGER NOT NULL,                       -- how many it tells of
  sealed_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
  due_at TIMESTAMP WITH TIME ZONE NOT NULL,      -- the next attempt is not made before this
  attempts INTEGER NOT NULL DEFAULT 0,
  attempted_at TIMESTAMP WITH TIME ZONE NULL,
  error TEXT NULL,                               -- why the last attempt was in vain
  delivered_at TIMESTAMP WITH TIME ZONE NULL,    -- the channel said that it has it
  moved_at TIMESTAMP WITH TIME ZONE NULL,        -- the channel left ALERT_URLS; those that are there took it over
  CONSTRAINT deliveries_pkey PRIMARY KEY (message, channel)
);

CREATE INDEX IF NOT EXISTS idx_deliveries_waiting ON aggregation_alerts.deliveries (deployment, channel, due_at)
WHERE delivered_at IS NULL AND moved_at IS NULL;
CREATE INDEX IF NOT EXISTS idx_deliveries_attempted ON aggregation_alerts.deliveries (channel, attempted_at);
