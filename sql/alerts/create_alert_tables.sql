-- The outbox of alerts: incidents, and the messages that tell people of them. It lies in the database of batch_jobs, in a schema of its
-- own, because Supabase serves `public` to the internet.
-- The service runs this where the tables are missing. By hand: psql "$BATCH_JOBS_URL" -f sql/alerts/create_alert_tables.sql
-- Existing tables are left as they are.

CREATE SCHEMA IF NOT EXISTS aggregation_alerts;

-- One row an incident: a table that failed in a run, a check that failed, a missed deadline, a sensor that keeps failing, a recovery.
CREATE TABLE IF NOT EXISTS aggregation_alerts.incidents (
  deployment TEXT NOT NULL,                      -- DEPLOYMENT_NAME
  key TEXT NOT NULL,                             -- identifies the incident, however often it is detected
  kind TEXT NOT NULL,                            -- run_failed, check_failed, table_late, entry_broken, sensor_failing, recovered
  subject TEXT NULL,                             -- what is broken until it recovers
  details JSONB NOT NULL,                        -- name, owners, error (one cleaned line), run_id, asset, files, ...
  occurred_at TIMESTAMP WITH TIME ZONE NOT NULL, -- by Dagster's clock
  found_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
  recovered_at TIMESTAMP WITH TIME ZONE NULL,
  message UUID NULL,                             -- the message that lists it; null while more incidents are collected
  CONSTRAINT incidents_pkey PRIMARY KEY (deployment, key)
);

CREATE INDEX IF NOT EXISTS idx_incidents_without_message ON aggregation_alerts.incidents (deployment, kind, found_at)
WHERE message IS NULL;
CREATE INDEX IF NOT EXISTS idx_incidents_open ON aggregation_alerts.incidents (deployment, occurred_at DESC)
WHERE recovered_at IS NULL AND subject IS NOT NULL;

-- One row a message and channel. A channel is named by its scheme and eight digits of its URL's hash: never by the URL, which is a secret.
CREATE TABLE IF NOT EXISTS aggregation_alerts.deliveries (
  message UUID NOT NULL,
  channel TEXT NOT NULL,
  deployment TEXT NOT NULL,
  kind TEXT NOT NULL,
  title TEXT NOT NULL,
  body TEXT NOT NULL,
  incidents INTEGER NOT NULL,                    -- how many incidents it lists
  created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(), -- when the message was made
  due_at TIMESTAMP WITH TIME ZONE NOT NULL,      -- no attempt before this
  attempts INTEGER NOT NULL DEFAULT 0,
  attempted_at TIMESTAMP WITH TIME ZONE NULL,
  error TEXT NULL,                               -- why the last attempt failed
  delivered_at TIMESTAMP WITH TIME ZONE NULL,    -- when the channel accepted it
  moved_at TIMESTAMP WITH TIME ZONE NULL,        -- when it was handed over, because the channel left ALERT_URLS
  CONSTRAINT deliveries_pkey PRIMARY KEY (message, channel)
);

CREATE INDEX IF NOT EXISTS idx_deliveries_waiting ON aggregation_alerts.deliveries (deployment, channel, due_at)
WHERE delivered_at IS NULL AND moved_at IS NULL;
CREATE INDEX IF NOT EXISTS idx_deliveries_attempted ON aggregation_alerts.deliveries (channel, attempted_at);
