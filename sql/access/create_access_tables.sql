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
