"""`upgrade` on real servers: a Dagster storage of an older version, and what keeps it from beginning."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from dagster import DagsterEventType, DagsterInstance
from dagster._core.storage.sql import run_alembic_downgrade
from dagster._daemon.types import DaemonHeartbeat
from dagster_postgres import run_storage
from dagster_postgres.utils import pg_alembic_config

from aggregation_pipeline.cli.main import main
from aggregation_pipeline.postgres.advisory_lock import AdvisoryLock
from aggregation_pipeline.postgres.engine import create_engine
from aggregation_pipeline.postgres.sole_session import sole_session
from aggregation_pipeline.upgrade import quiet
from aggregation_pipeline_tests.support.deployment import environment_without_settings, use_environment
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.runs import FakeTable, create, open_instance, report
from aggregation_pipeline_tests.support.servers.handles import PostgresServer
from aggregation_pipeline_tests.upgrade.first_format import sample_tables

# Before the columns and indexes of Dagster 1.9 and 1.10.
OLD = "16e3655b4d9b"


@pytest.fixture
def url(postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty database, and an environment that names it."""
    made = postgres.fresh_database()
    (tmp_path / "dagster.yaml").write_text((REPOSITORY / "dagster.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    use_environment(
        monkeypatch,
        {**environment_without_settings(), "DAGSTER_PG_URL": made, "AUTH_FILE": str(tmp_path / "auth.json")},
    )
    return made


@pytest.fixture
def old(url: str) -> str:
    """A storage with a run that has ended, as an older Dagster made it, and our first tables."""
    with open_instance(url) as instance:
        create(instance, [FakeTable("users")], DagsterEventType.RUN_START, DagsterEventType.RUN_SUCCESS)
    sample_tables(url)
    with sa.create_engine(url, isolation_level="AUTOCOMMIT").connect() as connection:
        run_alembic_downgrade(pg_alembic_config(run_storage.__file__), connection, OLD)
    assert "using_default_limit" not in columns(url)
    return url


def columns(url: str) -> set[str]:
    with create_engine(url, application_name="test").connect() as connection:
        found = connection.exec_driver_sql(
            "SELECT column_name FROM information_schema.columns WHERE table_name = 'concurrency_limits'"
        )
        return {name for (name,) in found}


def call(*options: str, **how: Any) -> Result:
    result = CliRunner().invoke(main, ["upgrade", *options], **how)
    assert "Traceback" not in result.output
    return result


def states(*options: str) -> tuple[int, dict[str, str]]:
    result = call("--json", *options)
    document = json.loads(result.stdout)
    assert document["ok"] == (result.exit_code == 0)
    return result.exit_code, {part["name"].split(" (")[0]: part["state"] for part in document["parts"]}


def test_an_empty_database_stays_empty(url: str):
    code, found = states("--check")
    assert code == 0
    assert set(found.values()) == {"absent"}
    with create_engine(url, application_name="test").connect() as connection:
        assert (
            connection.exec_driver_sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").scalar_one() == 0
        )


def test_an_old_storage_is_brought_to_the_newest_version_once(old: str):
    code, found = states("--check")
    assert code == 1
    assert found["Dagster's tables"] == found["aggregation_alerts"] == "pending"
    assert found["public.batch_jobs"] == "current"
    assert "using_default_limit" not in columns(old), "--check changes nothing"
    refused = call()
    assert refused.exit_code == 2
    assert "pg_dump --format=custom --file=before-upgrade-1.dump postgresql://" in refused.output
    assert "say so: --yes" in refused.output
    done = call("--yes")
    assert done.exit_code == 0, done.output
    assert "4 changed; all is as this version needs it" in done.output
    assert "using_default_limit" in columns(old)
    again = call("--yes")
    assert again.exit_code == 0
    assert "Nothing has to be changed" in again.output
    assert states("--check")[0] == 0


@pytest.mark.slow
def test_rows_that_dagster_has_to_migrate_are_a_part_of_it(old: str):
    assert call("--yes").exit_code == 0
    with create_engine(old, application_name="test").begin() as connection:
        connection.exec_driver_sql("DELETE FROM secondary_indexes WHERE name = 'run_partitions'")
    result = call("--check")
    assert result.exit_code == 1
    assert "what is in them has to be migrated: run_partitions" in result.output
    assert call("--yes").exit_code == 0
    assert states("--check")[0] == 0


@pytest.mark.slow
def test_tables_of_a_newer_version_stop_it_before_anything_is_changed(old: str):
    with create_engine(old, application_name="test").begin() as connection:
        connection.exec_driver_sql("COMMENT ON SCHEMA aggregation_alerts IS 'aggregation-pipeline 1.2.3, format 2'")
    result = call("--yes")
    assert result.exit_code == 1
    assert "which aggregation-pipeline 1.2.3 wrote" in result.output
    assert "Nothing was changed" in result.output
    assert "using_default_limit" not in columns(old)


@pytest.mark.slow
def test_tables_of_a_newer_dagster_are_left_alone(old: str):
    with create_engine(old, application_name="test").begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'fedcba987654'")
    result = call("--yes")
    assert result.exit_code == 1
    assert "of version fedcba987654, which the Dagster that is installed does not know" in result.output
    assert "Nothing was changed" in result.output


@pytest.mark.slow
def test_one_upgrade_at_a_time(old: str):
    with sole_session(old, AdvisoryLock.UPGRADE, what="upgrade", application_name="aggregation upgrade"):
        result = call("--yes")
    assert result.exit_code == 1
    assert "another upgrade is at work: aggregation upgrade" in result.output
    assert call("--yes").exit_code == 0


@pytest.mark.slow
def test_a_run_or_a_daemon_at_work_keeps_it_from_beginning(old: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(quiet, "_POLL_SECONDS", 0.01)
    with open_instance(old) as instance:
        run = create(instance, [FakeTable("users")], DagsterEventType.RUN_START)
        result = call("--yes")
        assert result.exit_code == 1
        assert f"runs are at work: {run.run_id[:8]}. Wait for their end" in result.output
        report(instance, run, DagsterEventType.RUN_SUCCESS)
        beat(instance, age=10)
        reads = iter(range(3))
        last = quiet._last_beat

        def beating(opened: DagsterInstance) -> float | None:
            if next(reads, None) is None:
                beat(instance, age=0)
            return last(opened)

        monkeypatch.setattr(quiet, "_last_beat", beating)
        result = call("--yes")
        assert result.exit_code == 1
        assert "Dagster's daemon is at work. Stop the services first" in result.output
        assert "using_default_limit" not in columns(old)
        monkeypatch.setattr(quiet, "_last_beat", last)
        # The last sign of life of a daemon that was stopped: it is enough to wait.
        beat(instance, age=quiet.BEAT_SECONDS - 0.2)
        assert call("--yes").exit_code == 0


def beat(instance: DagsterInstance, *, age: float) -> None:
    instance.add_daemon_heartbeat(DaemonHeartbeat(time.time() - age, "SENSOR", "a daemon", []))
