"""`collect_all` on real servers, and a run whose process is killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from dagster import DagsterInstance

import aggregation_pipeline
from aggregation_pipeline.automation.batch_jobs_sensors import build_sensors
from aggregation_pipeline.batch_jobs.repository import repository_opener
from aggregation_pipeline.errors import ConfigError, LockError
from aggregation_pipeline.postgres.engine import create_engine
from aggregation_pipeline.settings.base import load_settings
from aggregation_pipeline_tests.support.runs import rows, tick
from aggregation_pipeline_tests.support.waiting import until

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import MySQLServer

CONFIG = """
tables:
  baidu: {group_by: [name], aggregations: [{function: COUNT, alias: n}]}
  weibo: {table: missing, group_by: [name], aggregations: [{function: COUNT, alias: n}]}
"""


@pytest.fixture
def deployment(mariadb: "MySQLServer", postgres: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "MySQLServer":
    """Make a deployment of two tables, of which the second does not exist."""
    name = mariadb.fresh_database()
    with mariadb.connect(database=name) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE baidu (id INT PRIMARY KEY, name VARCHAR(20))")
        cursor.execute("INSERT INTO baidu VALUES (1, 'a'), (2, 'a'), (3, 'b')")
    (tmp_path / "aggregation.yaml").write_text(CONFIG)
    (tmp_path / "dagster.yaml").write_text(
        "storage: {postgres: {postgres_url: {env: DAGSTER_PG_URL}}}\ntelemetry: {enabled: false}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    values = {
        "DB_SOCKET": mariadb.unix_socket, "DB_USER": mariadb.user, "DB_NAME": name,
        "DAGSTER_PG_URL": postgres.fresh_database(),
        "AGGREGATION_CONFIG": "aggregation.yaml", "OUTPUT_FORMAT": "json,csv",
        # Then processes that the test starts run the same package as the test.
        "PYTHONPATH": str(Path(aggregation_pipeline.__file__).parents[1]),
    }  # fmt: skip
    for variable, value in values.items():
        monkeypatch.setenv(variable, value)
    return mariadb


@contextmanager
def dagster() -> Iterator[DagsterInstance]:
    with DagsterInstance.from_config(str(Path.cwd())) as instance:
        yield instance


def test_collect_all_returns_the_id_of_the_row_and_the_result_of_each_table(deployment: Any):
    result = aggregation_pipeline.collect_all(formats="csv")
    assert (result.status, result.total_items) == ("failed", 2), result.results
    assert (result.results["baidu"].status, result.results["baidu"].items) == ("completed", 2)
    assert result.results["weibo"].status == "failed"
    assert "missing" in str(result.results["weibo"].error)
    assert [file["format"] for file in result.files] == ["csv"]
    row = rows(create_engine(os.environ["DAGSTER_PG_URL"], application_name="test"))[result.batch_job_id]
    assert (row.status, row.total_items, row.platforms_processed) == ("failed", 2, ["baidu"])
    assert aggregation_pipeline.collect_all(tables="baidu", formats=["csv"]).status == "completed"
    with pytest.raises(ConfigError, match=r"no table named 'zhihu' is configured; there are baidu, weibo"):
        aggregation_pipeline.collect_all(tables=["zhihu"])
    with pytest.raises(ConfigError, match="formats: expected one or more of json"):
        aggregation_pipeline.collect_all(formats=["pdf"])


def test_a_run_of_this_process_is_one_of_the_code_location_and_its_sensors_leave_its_row_as_it_is(deployment: Any):
    open_repository, platforms = (
        repository_opener(load_settings(), application_name="test"),
        {"baidu": "baidu", "weibo": "weibo"},
    )
    made = {
        sensor.name: sensor
        for sensor in build_sensors(open_repository=open_repository, deployment="default", platforms=platforms)
    }
    with dagster() as instance:
        cursor = tick(made["internal_batch_jobs_failure"], instance).cursor
    run_id = aggregation_pipeline.collect_all().batch_job_id
    engine = create_engine(os.environ["DAGSTER_PG_URL"], application_name="test")
    written = rows(engine)
    with dagster() as instance:
        run = instance.get_run_by_id(run_id)
        assert run is not None
        assert run.remote_job_origin is not None
        assert run.remote_job_origin.repository_origin.get_label() == "__repository__@aggregation_pipeline"
        (reaction,) = tick(made["internal_batch_jobs_failure"], instance, cursor).dagster_run_reactions
        assert (reaction.dagster_run.run_id, reaction.error) == (run_id, None)
        tick(made["internal_batch_jobs_reconcile"], instance)
    assert rows(engine) == written
    assert list(written) == [run_id]


def test_importing_the_package_imports_nothing_heavy():
    code = (
        "import sys, aggregation_pipeline; print([m for m in ('dagster', 'pyarrow', 'sqlalchemy') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
    with pytest.raises(AttributeError, match="no attribute 'collect'"):
        _ = aggregation_pipeline.collect


@pytest.mark.slow
def test_a_run_whose_process_is_killed_is_failed_in_dagster_and_in_batch_jobs(deployment: Any):
    url = os.environ["DAGSTER_PG_URL"]
    with dagster():
        # Dagster makes its tables.
        engine = create_engine(url, application_name="test")
    holder = deployment.connect(database=os.environ["DB_NAME"])
    with holder, holder.cursor() as cursor:
        # The run waits for the table, so that it is killed in the middle of its work.
        cursor.execute("LOCK TABLES baidu WRITE")
        code = "import aggregation_pipeline; aggregation_pipeline.collect_all(tables='baidu')"
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until("the row of the run", lambda: process.poll() is None and _statuses(engine) == ["in_progress"])
            settings = load_settings()
            sensors = build_sensors(
                open_repository=repository_opener(settings, application_name="test"),
                deployment="default",
                platforms={"baidu": "baidu"},
                locks_url=url,
            )
            reconciler = next(sensor for sensor in sensors if sensor.name == "internal_batch_jobs_reconcile")
            with dagster() as instance:
                tick(reconciler, instance)
                assert _statuses(engine) == ["in_progress"], "its process lives"
                process.send_signal(signal.SIGKILL)
                process.wait()
                until("the row closed", lambda: tick(reconciler, instance) and _statuses(engine) == ["failed"])
        finally:
            process.kill()
            process.wait()
    (row,) = rows(engine).values()
    assert row.metadata["dagster"]["status"] == "FAILURE"
    assert "The process of this run is gone" in row.metadata["errors"][0]["error"]


def test_a_postgresql_that_is_down_is_reported_before_anything_runs(deployment: Any, monkeypatch: pytest.MonkeyPatch):
    from aggregation_pipeline.runs.heartbeat import hold_heartbeat

    with (
        pytest.raises(LockError, match=r"The heartbeat of run r cannot begin.*Check DAGSTER_PG_URL"),
        hold_heartbeat("postgresql://a@127.0.0.1:1/x", "r"),
    ):
        pass


def _statuses(engine: sa.Engine) -> list[str]:
    with engine.connect() as connection:
        if connection.exec_driver_sql("SELECT to_regclass('public.batch_jobs')").scalar_one() is None:
            return []
        return list(connection.exec_driver_sql("SELECT status FROM batch_jobs").scalars())
