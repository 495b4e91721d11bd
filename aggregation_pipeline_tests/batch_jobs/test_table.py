"""The table has the columns of the original one, is created once and never altered."""

import threading
from typing import Any

import pytest
import sqlalchemy as sa

from aggregation_pipeline.batch_jobs.table import batch_jobs, create_sql, ensure_table
from aggregation_pipeline.errors import MirrorBusyError, MirrorError
from aggregation_pipeline.postgres.engine import create_engine
from aggregation_pipeline_tests.support.paths import REPOSITORY

SQL = REPOSITORY / "sql"


@pytest.fixture
def empty(postgres: Any) -> sa.Engine:
    return create_engine(postgres.fresh_database(), application_name="aggregation test")


def columns(engine: sa.Engine) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        return [
            tuple(row)
            for row in connection.exec_driver_sql(
                "SELECT column_name, CASE data_type WHEN 'character varying' THEN 'varchar' || character_maximum_length"
                " ELSE data_type END, is_nullable, column_default FROM information_schema.columns WHERE table_name ="
                " 'batch_jobs' ORDER BY ordinal_position"
            )
        ]


def test_the_table_has_the_seeds_columns_constraint_and_index(empty: sa.Engine):
    assert ensure_table(empty) is True
    assert columns(empty) == [
        ("id", "uuid", "NO", "gen_random_uuid()"),
        ("job_type", "varchar50", "NO", None),
        ("status", "varchar50", "YES", "'pending'::character varying"),
        ("platforms_processed", "ARRAY", "YES", None),
        ("total_items", "integer", "YES", "0"),
        ("metadata", "jsonb", "YES", None),
        ("started_at", "timestamp with time zone", "YES", "now()"),
        ("completed_at", "timestamp with time zone", "YES", None),
        ("created_at", "timestamp with time zone", "YES", "now()"),
    ]
    assert [name for name, *_ in columns(empty)] == [column.name for column in batch_jobs.columns]
    with empty.connect() as connection:
        indexes: dict[str, str] = dict(
            connection.exec_driver_sql(
                "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'batch_jobs'"
            ).all()
        )
    assert indexes == {
        "batch_jobs_pkey": "CREATE UNIQUE INDEX batch_jobs_pkey ON public.batch_jobs USING btree (id)",
        "idx_batch_jobs_job_type": (
            "CREATE INDEX idx_batch_jobs_job_type ON public.batch_jobs USING btree (job_type, created_at DESC)"
        ),
    }


def test_the_package_carries_the_very_file_that_stands_under_sql():
    assert create_sql() == (SQL / "create_batch_jobs_table.sql").read_text(encoding="utf-8")


def test_a_table_that_exists_is_never_altered(empty: sa.Engine):
    columns_only = create_sql().partition("CREATE TABLE IF NOT EXISTS")[2].partition(";")[0]
    with empty.begin() as connection:
        connection.exec_driver_sql(
            f"CREATE TABLE {columns_only.replace('PRIMARY KEY (id)', 'PRIMARY KEY (id), owner_note TEXT')}"
        )
    before = columns(empty)
    assert ensure_table(empty) is False
    assert columns(empty) == before
    with empty.connect() as connection:
        assert (
            connection.exec_driver_sql("SELECT count(*) FROM pg_indexes WHERE tablename = 'batch_jobs'").scalar_one()
            == 1
        )


def test_a_table_that_lacks_a_column_is_refused_by_its_name(empty: sa.Engine):
    with empty.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE public.batch_jobs (id UUID PRIMARY KEY, job_type TEXT, status TEXT)")
    with pytest.raises(
        MirrorError,
        match=r"public.batch_jobs has no column completed_at, created_at, metadata.*never altered.*BATCH_JOBS_URL",
    ):
        ensure_table(empty)


def test_many_who_create_it_at_once_all_succeed(empty: sa.Engine):
    outcomes: list[object] = []
    start = threading.Barrier(8)

    def create() -> None:
        start.wait()
        try:
            outcomes.append(ensure_table(empty))
        except Exception as error:  # noqa: BLE001 - any is a failure of the test
            outcomes.append(error)

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(map(str, outcomes)) == ["False"] * 7 + ["True"]


def test_on_supabase_a_new_table_is_open_to_the_service_role_and_closed_to_everybody_else(empty: sa.Engine):
    with empty.begin() as connection:
        for role in ("anon", "service_role"):
            connection.exec_driver_sql(
                f"DO $$ BEGIN CREATE ROLE {role}; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
            )
        connection.exec_driver_sql("ALTER ROLE service_role BYPASSRLS")
    try:
        ensure_table(empty)
        with empty.begin() as connection:
            connection.exec_driver_sql("SET LOCAL ROLE service_role")
            connection.exec_driver_sql("INSERT INTO batch_jobs (job_type) VALUES ('x')")
        with pytest.raises(sa.exc.ProgrammingError, match="permission denied"), empty.begin() as connection:
            connection.exec_driver_sql("SET LOCAL ROLE anon; SELECT * FROM batch_jobs")
        with empty.begin() as connection:
            assert (
                connection.exec_driver_sql(
                    "SELECT relrowsecurity FROM pg_class WHERE relname = 'batch_jobs'"
                ).scalar_one()
                is True
            )
            connection.exec_driver_sql("ALTER TABLE batch_jobs DISABLE ROW LEVEL SECURITY")
            # Run by hand on a table that is there, the file leaves row-level security alone.
            connection.exec_driver_sql(create_sql())
            assert (
                connection.exec_driver_sql(
                    "SELECT relrowsecurity FROM pg_class WHERE relname = 'batch_jobs'"
                ).scalar_one()
                is False
            )
    finally:
        with empty.begin() as connection:
            connection.exec_driver_sql("DROP OWNED BY anon, service_role")
            connection.exec_driver_sql("DROP ROLE anon, service_role")


def test_who_may_not_create_it_is_told_which_file_to_run(empty: sa.Engine):
    with empty.begin() as connection:
        connection.exec_driver_sql("CREATE ROLE batch_jobs_guest LOGIN")
    guest = create_engine(
        empty.url.set(username="batch_jobs_guest").render_as_string(hide_password=False),
        application_name="aggregation test",
    )
    try:
        with pytest.raises(
            MirrorError,
            match=(
                r"could not be created: permission denied for schema public.*Run sql/create_batch_jobs_table.sql as a"
                r" user"
            ),
        ):
            ensure_table(guest)
    finally:
        with empty.begin() as connection:
            connection.exec_driver_sql("DROP ROLE batch_jobs_guest")


def test_a_server_that_is_down_is_named_by_its_variable():
    with pytest.raises(MirrorBusyError, match=r"batch_jobs cannot be reached.*Check BATCH_JOBS_URL"):
        ensure_table(create_engine("postgresql://ada@127.0.0.1:1/shop", application_name="aggregation test"))
