"""By REST the rows follow the same rules as by a connection. PostgreSQL executes every call, as the key's role."""

import functools
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from dagster import DagsterEventType, DagsterInstance
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from aggregation_pipeline.automation.batch_jobs_sensors import build_sensors
from aggregation_pipeline.batch_jobs import supabase
from aggregation_pipeline.batch_jobs.browse import RowFilter
from aggregation_pipeline.batch_jobs.projection import row_id
from aggregation_pipeline.batch_jobs.repository import postgres_repository, repository_opener
from aggregation_pipeline.batch_jobs.supabase import SupabaseRepository, supabase_repository
from aggregation_pipeline.batch_jobs.table import create_sql
from aggregation_pipeline.embedded.postgres import THROWAWAY_OPTIONS, start_postgres
from aggregation_pipeline.errors import MirrorBusyError, MirrorError, SettingsError
from aggregation_pipeline.postgres.engine import create_engine
from aggregation_pipeline.runs.model import Owner
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline_tests.batch_jobs.test_live_updates import live_updates
from aggregation_pipeline_tests.batch_jobs.test_writer import HISTORY, NOON, PROD, RUN_ID, reading
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.runs import FakeTable, create, report, rows, run
from aggregation_pipeline_tests.support.servers.postgrest import FakePostgrest, serving

SQL = REPOSITORY / "sql"
TOKENS = {"service-key": "service_role", "anon-key": "anon"}


def execute(engine: sa.Engine, *names: str) -> None:
    with engine.begin() as connection:
        for name in names:
            connection.exec_driver_sql(
                (SQL / name).read_text(encoding="utf-8"), execution_options={"no_parameters": True}
            )


@pytest.fixture(scope="module")
def database(server_folder: Path) -> Iterator[sa.Engine]:
    """A server of its own: roles belong to all databases of one. They are made as Supabase makes them."""
    server = start_postgres(
        server_folder / "supabase", report=print, timezone="Asia/Shanghai", options=THROWAWAY_OPTIONS
    )
    engine = create_engine(server.url(), application_name="aggregation test")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE ROLE anon; CREATE ROLE authenticated; CREATE ROLE service_role BYPASSRLS")
        connection.exec_driver_sql(
            "ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO anon, authenticated, service_role"
        )
    yield engine
    server.stop()


@pytest.fixture
def engine(database: sa.Engine) -> sa.Engine:
    """A table that we made, with the functions beside it."""
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
def api(engine: sa.Engine) -> Iterator[FakePostgrest]:
    with serving(engine, TOKENS) as fake:
        yield fake


@pytest.fixture
def rest(api: FakePostgrest) -> Iterator[SupabaseRepository]:
    with supabase_repository(api.url, "service-key", 60) as opened:
        yield opened


def anonymous(api: FakePostgrest) -> Any:
    return supabase_repository(api.url, "anon-key", 60)


def test_a_row_goes_there_and_back_as_it_is(engine: sa.Engine, rest: SupabaseRepository):
    assert rest.ensure_table() is False
    assert [rest.record(reading(5)), rest.record(reading(5)), rest.record(reading(4))] == [True, False, False]
    found = rows(engine)[RUN_ID]
    assert (found.status, found.total_items, found.platforms_processed, found.started_at) == (
        "in_progress",
        10,
        ["baidu"],
        NOON,
    )
    assert list(rest.read_rows(PROD, [row_id(RUN_ID)])) == [reading(5)]
    assert rest.row_states(PROD, [row_id(RUN_ID)])[row_id(RUN_ID)].updated == (NOON + timedelta(seconds=5)).isoformat()
    assert set(rest.open_row_states(PROD)) == {row_id(RUN_ID)}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(order=st.lists(st.integers(1, len(HISTORY)), min_size=1, max_size=8))
def test_readings_in_any_order_leave_the_newest_by_rest_too(
    engine: sa.Engine, rest: SupabaseRepository, order: list[int]
):
    with engine.begin() as connection:
        connection.exec_driver_sql("TRUNCATE batch_jobs")
    newest = 0
    for length in order:
        assert rest.record(reading(length)) is (length > newest)
        newest = max(newest, length)
    assert rows(engine)[RUN_ID].metadata["dagster"]["last_event"] == newest


def test_a_run_writes_its_own_row_by_rest_too(engine: sa.Engine, api: FakePostgrest, dagster_instance: DagsterInstance):
    row = live_updates(functools.partial(supabase_repository, api.url, "service-key"))
    done = create(dagster_instance, [FakeTable("baidu", 30)], DagsterEventType.RUN_START)
    row.start(dagster_instance, done.run_id)
    assert rows(engine)[done.run_id].status == "in_progress"
    api.faults += [503] * 6
    report(dagster_instance, done, DagsterEventType.RUN_SUCCESS)
    assert rows(engine)[done.run_id].status == "in_progress", "an outage is the reconciler's to make good"


def test_rows_of_others_are_neither_written_nor_read_nor_pruned(engine: sa.Engine, rest: SupabaseRepository):
    rest.record(reading(8))
    for other in (Owner("staging", "one"), Owner("prod", "two")):
        assert rest.record(reading(8, deployment=other.deployment, instance=other.instance, job_type="stolen")) is False
        assert (rest.row_states(other, [row_id(RUN_ID)]), list(rest.read_rows(other, [row_id(RUN_ID)]))) == ({}, [])
        assert rest.prune(other, NOON + timedelta(days=9)) == 0
    assert rows(engine)[RUN_ID].job_type == "data_collection"
    assert (rest.prune(PROD, NOON), rest.prune(PROD, NOON + timedelta(days=9))) == (0, 1)
    assert rows(engine) == {}


def test_a_row_that_is_refused_is_written_minimal_with_the_reason(engine: sa.Engine, rest: SupabaseRepository):
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE batch_jobs ADD CHECK (NOT metadata ? 'baidu_items')")
    assert rest.record(reading(8)) is True
    found = rows(engine)[RUN_ID]
    assert (found.status, set(found.metadata)) == ("completed", {"dagster", "mirror_error"})
    assert rest.row_states(PROD, [row_id(RUN_ID)])[row_id(RUN_ID)].refused


@pytest.mark.parametrize("fault", [503, 429, "reset", "lost"])
def test_a_passing_fault_is_tried_again_and_a_lost_answer_changes_nothing_twice(
    engine: sa.Engine, api: FakePostgrest, rest: SupabaseRepository, fault: int | str
):
    api.faults = [fault]
    assert rest.record(reading(8)) is (fault != "lost")
    assert (rows(engine)[RUN_ID].status, len(api.calls)) == ("completed", 2)


def test_a_fault_that_stays_is_told_with_the_project_but_not_the_key(api: FakePostgrest, rest: SupabaseRepository):
    api.faults = [503, 503, 503]
    with pytest.raises(
        MirrorBusyError, match=r"batch_jobs cannot be reached by http://127.*HTTP 503. Check SUPABASE_URL"
    ) as caught:
        rest.record(reading(8))
    assert "service-key" not in str(caught.value) + repr(caught.value)


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


def test_a_row_that_is_not_of_the_pipeline_is_refused_by_the_function(rest: SupabaseRepository):
    row = reading(8)
    with pytest.raises(MirrorError, match="not a row of aggregation_pipeline"):
        rest.record(replace(row, metadata={"dagster": {"deployment": "prod"}}))


def test_nothing_is_tried_when_the_time_is_up(api: FakePostgrest):
    with (
        supabase_repository(api.url, "service-key", 0) as opened,
        pytest.raises(MirrorBusyError, match="no time was left"),
    ):
        opened.record(reading(8))
    assert api.calls == []


def test_a_server_that_accepts_and_says_nothing_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch):
    import socket

    monkeypatch.setattr(supabase, "_READ_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with (
            supabase_repository(f"http://127.0.0.1:{silent.getsockname()[1]}", "k", 2) as opened,
            pytest.raises(MirrorBusyError),
        ):
            opened.record(reading(8))
        assert time.monotonic() - began < 5


def test_the_sensors_keep_their_rows_by_rest_where_only_supabase_is_configured(
    engine: sa.Engine, api: FakePostgrest, dagster_instance: Any
):
    from aggregation_pipeline_tests.support.runs import tick

    settings = Settings(
        supabase_url=api.url, supabase_key="service-key", dagster_pg_url="postgresql://ada@127.0.0.1:1/x"
    )
    run_id = run(dagster_instance, [FakeTable("baidu", 30)])
    sensors = build_sensors(
        open_repository=repository_opener(settings, application_name="test"),
        deployment="prod",
        platforms={"baidu": "baidu"},
    )
    tick(next(sensor for sensor in sensors if sensor.name == "internal_batch_jobs_reconcile"), dagster_instance)
    assert (rows(engine)[run_id].status, rows(engine)[run_id].total_items) == ("completed", 30)


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


def test_people_may_list_and_count_the_jobs_by_rest(engine: sa.Engine, rest: SupabaseRepository):
    rest.record(reading(8, created_at=datetime.now(UTC)))
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO batch_jobs (job_type, status, total_items) VALUES ('data_collection', 'failed', NULL)"
        )
    assert [row["status"] for row in rest.list_rows(RowFilter("data_collection"))] == ["failed", "completed"]
    assert [str(row["id"]) for row in rest.list_rows(RowFilter(status="completed"))] == [RUN_ID]
    assert list(rest.list_rows(RowFilter(id=RUN_ID, job_type="other"))) == []
    (day,) = rest.trend("data_collection", "Asia/Shanghai", 30)
    assert (day.total_jobs, day.successful, day.failed, day.avg_items) == (2, 1, 1, 10.0)
    assert day.date == datetime.now(ZoneInfo("Asia/Shanghai")).date()
    with postgres_repository(engine, 60) as direct:
        assert list(direct.trend("data_collection", "Asia/Shanghai", 30)) == [day]
        assert [row["status"] for row in direct.list_rows(RowFilter("data_collection"))] == ["failed", "completed"]
