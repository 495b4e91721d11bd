-- The table batch_jobs: one row a run, written by the sensors of aggregation_pipeline.
-- The service runs this where the table is missing. By hand: psql "$BATCH_JOBS_URL" -f sql/create_batch_jobs_table.sql
-- An existing table is left as it is.

-- Remembers for the last statement whether the table was there before.
SELECT set_config('aggregation.batch_jobs_was_there', (to_regclass('public.batch_jobs') IS NOT NULL)::text, false);

CREATE TABLE IF NOT EXISTS public.batch_jobs (
  id UUID NOT NULL DEFAULT gen_random_uuid(),
  job_type VARCHAR(50) NOT NULL,
  status VARCHAR(50) NULL DEFAULT 'pending'::VARCHAR,
  platforms_processed TEXT[] NULL,
  total_items INTEGER NULL DEFAULT 0,
  metadata JSONB NULL,
  started_at TIMESTAMP WITH TIME ZONE NULL DEFAULT now(),
  completed_at TIMESTAMP WITH TIME ZONE NULL,
  created_at TIMESTAMP WITH TIME ZONE NULL DEFAULT now(),
  CONSTRAINT batch_jobs_pkey PRIMARY KEY (id)
);

CREATE INDEX IF NOT EXISTS idx_batch_jobs_job_type
ON public.batch_jobs
USING btree (job_type, created_at DESC);

-- Supabase (only there the role service_role exists) serves everything in `public` to the internet by REST, and gives new tables no grants.
-- So service_role gets its rights, and row-level security without a policy keeps everybody else out. On a table that is in use, row-level
-- security could shut people out without an error, so this is for a new table only.
DO $$
BEGIN
  IF current_setting('aggregation.batch_jobs_was_there') = 'false' AND EXISTS (SELECT FROM pg_roles WHERE rolname = 'service_role') THEN
    ALTER TABLE public.batch_jobs ENABLE ROW LEVEL SECURITY;
    GRANT SELECT, INSERT, UPDATE, DELETE ON public.batch_jobs TO service_role;
  END IF;
END
$$;

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

-- Sessions of people who have signed in, the audit log, and when tokens were last used. They lie in Dagster's database, in a schema of
-- their own. Accounts and tokens themselves are in AUTH_FILE.
-- The service runs this where the tables are missing. By hand: psql "$DAGSTER_PG_URL" -f sql/access/create_access_tables.sql
-- Existing tables are left as they are.

CREATE SCHEMA IF NOT EXISTS aggregation_access;

-- One row a session.
CREATE TABLE IF NOT EXISTS aggregation_access.sessions (
  secret_hash BYTEA NOT NULL,                    -- SHA-256 of what the cookie holds
  name TEXT NOT NULL,
  role TEXT NOT NULL,                            -- viewer, operator, admin: as it was at sign-in
  account_version INTEGER NULL,                  -- of AUTH_FILE; null for people without an account there
  address TEXT NOT NULL,                         -- from where they signed in
  started_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
  seen_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(), -- last use, within a minute
  CONSTRAINT sessions_pkey PRIMARY KEY (secret_hash)
);

CREATE INDEX IF NOT EXISTS idx_sessions_name ON aggregation_access.sessions (name);
CREATE INDEX IF NOT EXISTS idx_sessions_seen ON aggregation_access.sessions (seen_at);

-- One row a token that was used.
CREATE TABLE IF NOT EXISTS aggregation_access.token_use (
  name TEXT NOT NULL,                            -- owner/token
  used_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
  address TEXT NOT NULL,
  CONSTRAINT token_use_pkey PRIMARY KEY (name)
);

-- One row a thing that somebody did, or was refused. Rows are added; only those older than a year can be deleted.
CREATE TABLE IF NOT EXISTS aggregation_access.audit (
  id BIGINT GENERATED ALWAYS AS IDENTITY,
  at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
  who TEXT NOT NULL,
  what TEXT NOT NULL,
  address TEXT NOT NULL,
  result TEXT NOT NULL,                          -- ok, refused, failed
  details JSONB NOT NULL DEFAULT '{}',
  CONSTRAINT audit_pkey PRIMARY KEY (id)
);

CREATE INDEX IF NOT EXISTS idx_audit_at ON aggregation_access.audit (at);

CREATE OR REPLACE FUNCTION aggregation_access.keep_audit() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    -- Nobody chooses the time, or a row could be added that is old enough to be deleted.
    NEW.at := clock_timestamp();
    RETURN NEW;
  END IF;
  IF TG_OP = 'DELETE' AND OLD.at < clock_timestamp() - INTERVAL '1 year' THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'the audit log is append-only: rows are kept for a year' USING ERRCODE = 'insufficient_privilege';
END
$$;

DROP TRIGGER IF EXISTS keep_audit_rows ON aggregation_access.audit;
CREATE TRIGGER keep_audit_rows BEFORE INSERT OR UPDATE OR DELETE ON aggregation_access.audit
FOR EACH ROW EXECUTE FUNCTION aggregation_access.keep_audit();
DROP TRIGGER IF EXISTS keep_audit_table ON aggregation_access.audit;
CREATE TRIGGER keep_audit_table BEFORE TRUNCATE ON aggregation_access.audit
FOR EACH STATEMENT EXECUTE FUNCTION aggregation_access.keep_audit();

CREATE SCHEMA IF NOT EXISTS aggregation_launches;

CREATE TABLE aggregation_launches.requests (
	id UUID NOT NULL, 
	fingerprint TEXT NOT NULL, 
	requested_by TEXT NOT NULL, 
	plan JSONB NOT NULL, 
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	submitted_at TIMESTAMP WITH TIME ZONE, 
	PRIMARY KEY (id)
)

;
CREATE INDEX ix_aggregation_launches_requests_created_at ON aggregation_launches.requests (created_at);
