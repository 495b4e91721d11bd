"""A database as Supabase makes it, and a server for PostgREST's calls before it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import sqlalchemy as sa

    from aggregation_pipeline.batch_jobs.supabase import SupabaseRepository
    from aggregation_pipeline_tests.support.servers.postgrest import FakePostgrest

TOKENS = {"service-key": "service_role", "anon-key": "anon"}


@pytest.fixture(scope="package")
def database(server_folder: Path) -> "Iterator[sa.Engine]":
    """A server of its own: roles belong to all databases of one. They are made as Supabase makes them."""
    from aggregation_pipeline.embedded.postgres import THROWAWAY_OPTIONS, start_postgres
    from aggregation_pipeline.postgres.engine import create_engine

    # pytest makes it once more when tests of other folders come in between.
    folder = Path(tempfile.mkdtemp(prefix="supabase-", dir=server_folder))
    server = start_postgres(folder, report=print, timezone="Asia/Shanghai", options=THROWAWAY_OPTIONS)
    engine = create_engine(server.url(), application_name="aggregation test")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE ROLE anon; CREATE ROLE authenticated; CREATE ROLE service_role BYPASSRLS")
        connection.exec_driver_sql(
            "ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO anon, authenticated, service_role"
        )
    yield engine
    server.stop()


@pytest.fixture
def engine(database: "sa.Engine") -> "sa.Engine":
    """A table that we made, with the functions beside it."""
    from aggregation_pipeline.batch_jobs.table import create_sql
    from aggregation_pipeline_tests.batch_jobs.supabase.scripts import execute

    with database.begin() as connection:
        connection.exec_driver_sql("DROP TABLE IF EXISTS batch_jobs")
        connection.exec_driver_sql(
            "DROP FUNCTION IF EXISTS record_batch_job; DROP FUNCTION IF EXISTS read_batch_jobs; DROP FUNCTION IF EXISTS"
            " prune_batch_jobs"
        )
        connection.exec_driver_sql(create_sql())
    execute(database, "record_batch_job.sql")
    return database


@pytest.fixture
def api(engine: "sa.Engine") -> "Iterator[FakePostgrest]":
    from aggregation_pipeline_tests.support.servers.postgrest import serving

    with serving(engine, TOKENS) as fake:
        yield fake


@pytest.fixture
def rest(api: "FakePostgrest") -> "Iterator[SupabaseRepository]":
    from aggregation_pipeline.batch_jobs.supabase import supabase_repository

    with supabase_repository(api.url, "service-key", 60) as opened:
        yield opened
