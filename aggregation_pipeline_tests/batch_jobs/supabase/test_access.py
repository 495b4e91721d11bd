"""Who may do what by REST: keys, rights, addresses, and what is said when something is missing."""

from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import ValidationError

from aggregation_pipeline.batch_jobs.projection import row_id
from aggregation_pipeline.batch_jobs.supabase import SupabaseRepository, supabase_repository
from aggregation_pipeline.errors import MirrorError, SettingsError
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline_tests.batch_jobs.supabase.scripts import execute
from aggregation_pipeline_tests.batch_jobs.test_writer import NOON, PROD, RUN_ID, reading
from aggregation_pipeline_tests.support.servers.postgrest import FakePostgrest


def anonymous(api: FakePostgrest) -> Any:
    return supabase_repository(api.url, "anon-key", 60)


def test_the_anonymous_key_is_refused_with_the_file_that_would_let_it_in_and_then_let_in(
    engine: sa.Engine, api: FakePostgrest
):
    with anonymous(api) as opened:
        with pytest.raises(MirrorError, match=r"42501.*not the key of service_role.*run sql/grant_anon.sql"):
            opened.ensure_table()
        execute(engine, "grant_anon.sql")
        opened.ensure_table()
        assert opened.record(reading(3)) is True
        assert set(opened.open_row_states(PROD)) == {row_id(RUN_ID)}
        with pytest.raises(MirrorError, match=r"42501.*needs the key of service_role"):
            opened.prune(PROD, NOON)
    with pytest.raises(sa.exc.ProgrammingError, match="permission denied"), engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL ROLE anon; SELECT * FROM batch_jobs")


def test_what_is_missing_on_supabase_is_named(engine: sa.Engine, api: FakePostgrest, rest: SupabaseRepository):
    with (
        supabase_repository(api.url, "another-key", 60) as opened,
        pytest.raises(MirrorError, match="not a key of this project"),
    ):
        opened.ensure_table()
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE batch_jobs")
    with pytest.raises(MirrorError, match=r"42P01.*run sql/create_batch_jobs_table.sql"):
        rest.ensure_table()
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP FUNCTION read_batch_jobs")
    with pytest.raises(MirrorError, match=r"PGRST202.*sql/create_batch_jobs_table.sql and sql/record_batch_job.sql"):
        rest.ensure_table()


def test_hardening_shuts_the_anonymous_key_out_of_a_table_that_was_open(engine: sa.Engine):
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE batch_jobs DISABLE ROW LEVEL SECURITY; GRANT ALL ON batch_jobs TO anon")
    for _ in range(2):
        execute(engine, "harden_batch_jobs.sql")
    with pytest.raises(sa.exc.ProgrammingError, match="permission denied"), engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL ROLE anon; SELECT * FROM batch_jobs")
    with engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL ROLE service_role; INSERT INTO batch_jobs (job_type) VALUES ('x')")
        assert (
            connection.exec_driver_sql("SELECT relrowsecurity FROM pg_class WHERE relname = 'batch_jobs'").scalar_one()
            is True
        )


def test_the_address_of_the_project_is_checked_before_a_key_is_sent_anywhere():
    for wrong in (
        "postgresql://postgres:pw@db.abc.supabase.co:5432/postgres",
        "http://abc.supabase.co",
        "abc.supabase.co",
    ):
        with pytest.raises(ValidationError, match=r"https://<reference>.supabase.co.*BATCH_JOBS_URL") as caught:
            Settings(supabase_url=wrong, supabase_key="service-key")
        assert "service-key" not in str(caught.value)
    assert (
        Settings(supabase_url="https://abc.supabase.co/rest/v1/", supabase_key="k").supabase_url
        == "https://abc.supabase.co"
    )


def test_the_transaction_pooler_is_refused_for_batch_jobs_with_the_reason():
    from aggregation_pipeline.postgres.url import normalize_url

    with pytest.raises(SettingsError, match=r"BATCH_JOBS_URL leads to Supabase's transaction pooler.*5432"):
        normalize_url("postgresql://postgres.abc:pw@aws-0-eu.pooler.supabase.com:6543/postgres", name="BATCH_JOBS_URL")
