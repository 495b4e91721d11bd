"""`batch-jobs test` on real servers: what it finds, and that nothing of it stays, also after a kill."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from aggregation_pipeline.batch_jobs.repository import repository_opener
from aggregation_pipeline.cli.main import main
from aggregation_pipeline.doctor.trials import place
from aggregation_pipeline.doctor.trials.connection import _stages
from aggregation_pipeline.doctor.trials.logic import InventedRun
from aggregation_pipeline.doctor.trials.rows import JOB_TYPE, new_owner, one_test_at_a_time
from aggregation_pipeline.postgres.engine import create_engine
from aggregation_pipeline.runs.model import Owner
from aggregation_pipeline.settings.base import load_settings
from aggregation_pipeline_tests.batch_jobs.supabase.conftest import api, database, engine
from aggregation_pipeline_tests.doctor.conftest import new_shop
from aggregation_pipeline_tests.support.deployment import Deployment, use_environment
from aggregation_pipeline_tests.support.oss_deployment import oss_variables
from aggregation_pipeline_tests.support.servers.handles import MySQLServer, PostgresServer
from aggregation_pipeline_tests.support.servers.oss import OssServer
from aggregation_pipeline_tests.support.servers.postgrest import FakePostgrest
from aggregation_pipeline_tests.support.waiting import until

__all__ = ["api", "database", "engine"]


def outcome(*options: str) -> tuple[int, dict[tuple[str, str], dict[str, Any]]]:
    """The exit code, and each finding by its subject and name."""
    result = CliRunner().invoke(main, ["batch-jobs", "test", "--json", *options])
    assert "Traceback" not in result.output
    document = json.loads(result.stdout)
    assert document["ok"] == (result.exit_code == 0)
    return result.exit_code, {(each["subject"], each["name"]): each for each in document["findings"]}


def statuses(found: dict[tuple[str, str], dict[str, Any]]) -> set[str]:
    return {each["status"] for each in found.values()}


def count(url: str, query: str) -> int:
    with create_engine(url, application_name="test").connect() as connection:
        return int(connection.execute(sa.text(query)).scalar_one())


@pytest.fixture
def small(mariadb: MySQLServer, dagster_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """Two tables, of which one has no partition yet that is complete."""
    shop = new_shop(mariadb, dagster_database, tmp_path, monkeypatch)
    shop.configure("tables: {users: {}, orders: {partition: {column: created_at, every: month, start: 2099-01-01}}}")
    shop.execute("INSERT INTO users VALUES (1), (2), (3)")
    return shop


def test_the_logic_needs_neither_database_nor_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    use_environment(monkeypatch, {"PATH": os.environ["PATH"]})
    code, found = outcome("--logic")
    assert code == 0
    assert found["logic", "tables"]["status"] == "warning"
    assert "baidu and weibo" in found["logic", "tables"]["text"]
    assert len(found) == 8
    assert statuses(found) == {"ok", "warning"}


def test_the_logic_is_tried_with_the_platforms_that_are_configured(small: Deployment, monkeypatch: pytest.MonkeyPatch):
    small.configure("tables: {a: {platform: 淘宝}, b: {platform: 淘宝}, c: {}}")
    small.enter(monkeypatch)
    code, found = outcome("--logic")
    assert code == 0
    assert found["logic", "tables"]["text"].endswith("淘宝, c")
    assert "3,000 items" in found["logic", "complete"]["text"]


def test_wrong_logic_is_a_failure(small: Deployment, monkeypatch: pytest.MonkeyPatch):
    small.enter(monkeypatch)
    row = InventedRun.row
    monkeypatch.setattr(InventedRun, "row", lambda self, _, events: row(self, "STARTED", events))
    code, found = outcome("--logic")
    assert code == 1
    assert found["logic", "complete"]["text"] == "status is 'in_progress', and 'completed' was expected"
    assert "report it" in found["logic", "complete"]["remedy"]


def test_a_row_lives_and_goes_and_rows_of_others_stay(
    small: Deployment, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
):
    url = postgres.fresh_database()
    small.enter(monkeypatch, BATCH_JOBS_URL=url)
    code, found = outcome()
    assert code == 0
    assert {of for of, _ in found} == {"logic", "connection"}
    assert found["connection", "table"]["text"].startswith("it was missing")
    assert statuses(found) == {"ok"}
    settings = load_settings()
    real, dead = new_owner("another"), new_owner("test")
    with repository_opener(settings, application_name="test")(30) as rows:
        # One that a killed test left open, one of another deployment, and one of a run that was given our job type.
        for owner in (dead, real, Owner("test", "an instance")):
            rows.record(_stages(owner).working)
    code, found = outcome("--connection")
    assert code == 0
    assert found["connection", "left over"]["text"] == "1 rows of earlier tests were deleted"
    assert count(url, f"SELECT count(*) FROM batch_jobs WHERE job_type = '{JOB_TYPE}'") == 2


def test_a_database_that_refuses_or_is_away_is_a_failure_with_a_remedy(
    small: Deployment, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
):
    url = postgres.fresh_database()
    small.enter(monkeypatch, BATCH_JOBS_URL=url)
    outcome("--connection")
    with create_engine(url, application_name="test").begin() as connection:
        connection.exec_driver_sql("ALTER TABLE batch_jobs ADD CHECK (status <> 'in_progress')")
    code, found = outcome("--connection")
    assert code == 1
    assert found["connection", "create"]["status"] == "ok"
    assert "constraints and triggers" in found["connection", "update"]["text"]
    assert found["connection", "clean up"]["status"] == "ok"
    assert count(url, "SELECT count(*) FROM batch_jobs") == 0
    small.enter(monkeypatch, BATCH_JOBS_URL="postgresql://somebody:canary-secret@127.0.0.1:1/none")
    code, found = outcome("--connection")
    assert code == 1
    assert "Check BATCH_JOBS_URL" in found["connection", "stopped"]["text"]
    assert "canary-secret" not in json.dumps(list(found.values()))


@pytest.mark.parametrize("key", ["service-key", "anon-key"])
def test_supabase_is_tried_by_rest_and_a_key_that_may_not_delete_leaves_no_row(
    key: str, api: FakePostgrest, engine: sa.Engine, dagster_database: str, monkeypatch: pytest.MonkeyPatch
):
    use_environment(
        monkeypatch,
        {
            "PATH": os.environ["PATH"],
            "AGGREGATION_ENV_FILE": os.devnull,
            "SUPABASE_URL": api.url,
            "SUPABASE_KEY": key,
            "DAGSTER_PG_URL": dagster_database,
        },
    )
    code, found = outcome("--connection")
    assert found["connection", "target"]["text"].startswith(f"Supabase by REST at {api.url}")
    if key == "service-key":
        assert (code, statuses(found)) == (0, {"ok"})
    else:
        assert code == 1
        assert "SUPABASE_KEY" in found["connection", "stopped"]["text"]
        assert ("connection", "create") not in found
    with engine.begin() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM batch_jobs").scalar_one() == 0


def test_one_test_at_a_time(small: Deployment, monkeypatch: pytest.MonkeyPatch):
    small.enter(monkeypatch)
    with one_test_at_a_time(load_settings()):
        code, found = outcome("--connection")
    assert code == 1
    assert "another test of batch_jobs is at work: aggregation cli" in found["connection", "stopped"]["text"]


def test_a_full_collection_leaves_nothing(small: Deployment, monkeypatch: pytest.MonkeyPatch):
    small.enter(monkeypatch)
    assert CliRunner().invoke(main, ["run", "--tables", "users"]).exit_code == 0
    before = left_by(small)
    code, found = outcome("--full")
    assert code == 0, found
    assert found["full", "tables.users"]["text"].startswith("1 rows, ")
    assert found["full", "tables.orders"]["status"] == "warning"
    assert "size and checksum are as their manifests say" in found["full", "files"]["text"]
    (row,) = [each for (_, name), each in found.items() if name.startswith("row ")]
    assert row["text"] == "completed, 1 items; platforms processed: users"
    assert left_by(small) == before
    assert os.environ["DAGSTER_PG_URL"] == small.postgres_url


@pytest.mark.slow
def test_secrets_in_files_are_used_as_they_are(small: Deployment, monkeypatch: pytest.MonkeyPatch):
    secret = small.folder / "dagster_pg_url"
    secret.write_text(small.postgres_url, encoding="utf-8")
    small.enter(monkeypatch, DAGSTER_PG_URL="", DAGSTER_PG_URL_FILE=str(secret))
    assert CliRunner().invoke(main, ["run", "--tables", "users"]).exit_code == 0
    before = left_by(small)
    code, found = outcome("--connection", "--full")
    assert code == 0, found
    assert left_by(small) == before


def left_by(shop: Deployment) -> tuple[object, ...]:
    """All that a test might leave: files, rows, runs, events, schemas."""
    url = shop.postgres_url
    files = sorted(str(path) for name in ("exports", "temp") for path in (shop.folder / name).rglob("*"))
    tables = ("batch_jobs", "runs", "event_logs", "asset_keys", "instance_info")
    schemas = count(url, f"SELECT count(*) FROM pg_namespace WHERE nspname = '{place.SCHEMA}'")
    return files, [count(url, f"SELECT count(*) FROM public.{table}") for table in tables], schemas


@pytest.mark.slow
def test_a_table_that_fails_is_named_and_what_is_in_the_bucket_stays(
    small: Deployment, oss_server: OssServer, monkeypatch: pytest.MonkeyPatch
):
    small.enter(monkeypatch, **oss_variables(oss_server), OSS_PREFIX="daily")
    assert CliRunner().invoke(main, ["run", "--tables", "users"]).exit_code == 0
    before = dict(oss_server.bucket.objects)
    # Files of `compat: node` lie outside of OSS_PREFIX.
    small.configure("compat: node\ntables: {users: {}, gone: {}}")
    code, found = outcome("--full")
    assert code == 1
    assert found["full", "place"]["text"].startswith("files go to the prefix daily/_tests/")
    assert found["full", "tables.users"]["status"] == "ok"
    assert "gone" in found["full", "tables.gone"]["text"]
    assert found["full", "clean up"]["status"] == "ok"
    assert dict(oss_server.bucket.objects) == before


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_what_a_killed_test_leaves_is_removed_by_the_next(
    how: signal.Signals, small: Deployment, oss_server: OssServer, monkeypatch: pytest.MonkeyPatch
):
    small.enter(monkeypatch, **oss_variables(oss_server), OSS_PREFIX="daily")
    assert CliRunner().invoke(main, ["run", "--tables", "users"]).exit_code == 0
    before = left_by(small)
    small.execute("CREATE VIEW slowly AS SELECT id, SLEEP(20) AS waited FROM users")
    small.configure("tables: {users: {}, slowly: {}}")
    program = "from aggregation_pipeline.cli.main import main; main()"
    command = [sys.executable, "-c", program, "batch-jobs", "test", "--full"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    row = f"SELECT count(*) FROM batch_jobs WHERE job_type = '{JOB_TYPE}' AND status = 'in_progress'"
    until("its row", lambda: count(small.postgres_url, row))
    process.send_signal(how)
    output, _ = process.communicate(timeout=120)
    if how == signal.SIGKILL:
        assert count(small.postgres_url, row) == 1
        small.configure("tables: {users: {}}")
        code, found = outcome("--full")
        assert code == 0, found
        assert found["full", "left over"]["text"] == "1 rows of earlier tests were deleted"
    else:
        # Of which table it says so, and how, depends on what was at work in that moment.
        assert re.search(r"^failure  full +tables\.(users|slowly): ", output, re.MULTILINE), output
        assert "clean up: 1 rows" in output
    assert process.returncode != 0, output
    assert left_by(small) == before
    assert [key for key in oss_server.bucket.objects if "_tests" in key] == []


def test_a_schema_of_the_same_name_is_left_alone(small: Deployment, monkeypatch: pytest.MonkeyPatch):
    small.enter(monkeypatch)
    with create_engine(small.postgres_url, application_name="test").begin() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {place.SCHEMA}")
    try:
        code, found = outcome("--full")
        assert code == 1
        assert "no test has made" in found["full", "stopped"]["text"]
        assert left_by(small)[-1] == 1
    finally:
        with create_engine(small.postgres_url, application_name="test").begin() as connection:
            connection.exec_driver_sql(f"DROP SCHEMA {place.SCHEMA}")


def test_tables_belong_to_a_full_test():
    result = CliRunner().invoke(main, ["batch-jobs", "test", "--tables", "users"])
    assert result.exit_code == 2
    assert "add --full" in result.output
