"""EXECUTOR: the same job, its tables one after the other or in processes of their own."""

import subprocess
import sys
from pathlib import Path

import pytest
from dagster import DagsterEventType

from aggregation_pipeline.postgres.engine import create_engine
from aggregation_pipeline_tests.support.deployment import Deployment
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.runs import open_instance, rows
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

CONFIG = """
    tables:
      users: {select_fields: [id]}
      orders: {table: users, aggregations: [{function: COUNT}]}
"""


@pytest.mark.slow
@pytest.mark.parametrize(("executor", "processes"), [("in_process", 1), ("multiprocess", 3)])
def test_a_run_computes_its_tables_in_as_many_processes_as_asked(
    executor: str, processes: int, mariadb: MySQLServer, dagster_database: str, tmp_path: Path
):
    deployment = Deployment(tmp_path, mariadb, mariadb.fresh_database(), dagster_database)
    deployment.execute("CREATE TABLE users (id INT PRIMARY KEY)", "INSERT INTO users VALUES (1), (2)")
    deployment.configure(CONFIG)
    (tmp_path / "dagster.yaml").write_text((REPOSITORY / "dagster.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    variables = deployment.variables(EXECUTOR=executor, DAGSTER_HOME=str(tmp_path), PYTHONPATH=str(REPOSITORY))
    command = [
        sys.executable,
        "-m",
        "dagster",
        "job",
        "execute",
        "-m",
        "aggregation_pipeline.definitions",
        "-j",
        "aggregate",
    ]
    done = subprocess.run(command, env=variables, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    with open_instance(dagster_database) as instance:
        (run,) = instance.get_runs(limit=1)
        events = [entry.dagster_event for entry in instance.all_logs(run.run_id) if entry.dagster_event]
    assert len({event.pid for event in events if event.pid}) == processes
    assert len([event for event in events if event.event_type == DagsterEventType.STEP_SUCCESS]) == 2
    assert len(list(deployment.exports.glob("*/*/manifest.json"))) == 2
    # No daemon has looked yet: the run has written it.
    row = rows(create_engine(dagster_database, application_name="aggregation test"))[run.run_id]
    assert (row.status, row.total_items, sorted(row.platforms_processed)) == ("completed", 3, ["orders", "users"])
