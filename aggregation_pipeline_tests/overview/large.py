"""Rows of batch_jobs, of 500 tables: small batches, and one of all tables each day. Usually 200,000 of 90 days."""

from datetime import UTC, datetime

import sqlalchemy as sa

from aggregation_pipeline_tests.batch_jobs.any_rows import our_row, write

ROWS, TABLES, DAYS = 200_000, 500, 90
NAMES = [f"table_{number:03}" for number in range(TABLES)]
# Copies of a batch of two tables, with other names. One in fifty failed.
_SMALL = """
INSERT INTO batch_jobs
  (id, job_type, status, platforms_processed, total_items, metadata, started_at, completed_at, created_at)
SELECT gen_random_uuid(), job_type, CASE WHEN n % 50 = 1 THEN 'failed' ELSE status END,
  ARRAY['table_' || lpad((n % 500)::text, 3, '0'), 'table_' || lpad((n * 7 % 500)::text, 3, '0')], total_items,
  replace(replace(replace(metadata::text, '"table_000"', '"table_' || lpad((n % 500)::text, 3, '0') || '"'),
    '"table_001"', '"table_' || lpad((n * 7 % 500)::text, 3, '0') || '"'),
    '"completed"', CASE WHEN n % 50 = 1 THEN '"failed"' ELSE '"completed"' END)::jsonb,
  moment, moment + interval '10 s', moment
FROM (SELECT * FROM batch_jobs ORDER BY length(metadata::text) LIMIT 1) AS first,
  LATERAL (SELECT n, now() - n * interval '1 day' * :days / :rows AS moment FROM generate_series(1, :rows) AS n) AS m
"""
# Copies of the batch of all tables, one a day.
_WHOLE = """
INSERT INTO batch_jobs
  (id, job_type, status, platforms_processed, total_items, metadata, started_at, completed_at, created_at)
SELECT gen_random_uuid(), job_type, status, platforms_processed, total_items, metadata,
  moment, moment + interval '10 min', moment
FROM (SELECT * FROM batch_jobs ORDER BY length(metadata::text) DESC LIMIT 1) AS first,
  LATERAL (SELECT now() - n * interval '1 day' AS moment FROM generate_series(1, :days) AS n) AS m
"""


def fill(engine: sa.Engine, rows: int = ROWS, days: int = DAYS) -> None:
    """Write so many rows, evenly over the days before now."""
    now = datetime.now(UTC)
    write(engine, [our_row(1, now, tables=NAMES[:2]), our_row(2, now, tables=NAMES)])
    with engine.begin() as connection:
        # On a busy machine it takes longer than our engines allow.
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        connection.execute(sa.text(_WHOLE), {"days": days})
        connection.execute(sa.text(_SMALL), {"rows": rows - days - 2, "days": days})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("SET statement_timeout = 0")
        connection.exec_driver_sql("VACUUM ANALYZE batch_jobs")
