"""A run from the terminal while Dagster's services run: the UI shows it and can execute it again.

It has one row in batch_jobs and one message.
"""

import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from dagster import DagsterEventType, DagsterRunStatus

from aggregation_pipeline_tests.support.dev import Dev, deployed_dev, make_orders
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.sink import Sink, new_sink
from aggregation_pipeline_tests.support.waiting import until

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import MySQLServer, PostgresServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
# Schedules that do not tick while the test runs.
CONFIG = """
    tables:
      orders: {select_fields: [id], schedule: none}
      late: {select_fields: [id], schedule: none}
"""
# The query of the pages Overview and Jobs.
OF_THE_LOCATION = """{ runsOrError(filter: {pipelineName: "aggregate_by_hand", tags: [
    {key: ".dagster/repository", value: "__repository__@aggregation_pipeline"}]}) {
        ... on Runs { results { runId status } } } }"""
AGAIN = """mutation($run: String!, $how: ReexecutionStrategy!) {
    launchRunReexecution(reexecutionParams: {parentRunId: $run, strategy: $how}) {
        __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    with new_sink().serving() as found:
        yield found


@pytest.fixture(scope="module")
def dev(sink: Sink, mariadb: "MySQLServer", postgres: "PostgresServer", server_folder: Path) -> Iterator[Dev]:
    source = make_orders(mariadb, ["(1, 'new', '2026-11-01 10:00:00')", "(2, 'paid', '2026-11-02 10:00:00')"])
    with deployed_dev(server_folder / "own", CONFIG, source, postgres.fresh_database()) as found:
        found.environment = {**found.environment, "ALERT_URLS": sink.webhook, "ALERT_WINDOW_SECONDS": "5"}
        found.start()
        yield found


def run(dev: Dev) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from aggregation_pipeline.cli.main import main; main()", "run"]
    return subprocess.run(
        command, env=dict(dev.environment), cwd=REPOSITORY, capture_output=True, text=True, timeout=200, check=False
    )


def again(dev: Dev, run_id: str, how: str) -> str:
    """Execute the run again, as the button does, and wait for its success; return the id of the new run."""
    answer = dev.ask(AGAIN, run=run_id, how=how)["data"]["launchRunReexecution"]
    assert answer["__typename"] == "LaunchRunSuccess", answer
    launched = str(answer["run"]["runId"])
    wanted = dev.instance.get_run_by_id(launched)
    assert wanted is not None
    until("the run's success", lambda: dev.status(wanted) == DagsterRunStatus.SUCCESS, 120, said=dev.log)
    return launched


def steps(dev: Dev, run_id: str) -> set[str | None]:
    return {
        entry.dagster_event.step_key
        for entry in dev.instance.all_logs(run_id, of_type=DagsterEventType.STEP_START)
        if entry.dagster_event
    }


def counted(dev: Dev, query: str, **values: Any) -> int:
    engine = sa.create_engine(dev.url)
    with engine.connect() as connection:
        count = int(connection.execute(sa.text(query), values).scalar_one())
    engine.dispose()
    return count


def test_a_run_from_the_terminal_is_shown_has_one_message_and_can_be_executed_again(
    dev: Dev, sink: Sink, mariadb: "MySQLServer"
):
    failed = run(dev)
    assert failed.returncode == 1, failed.stderr
    shown = dev.ask(OF_THE_LOCATION)["data"]["runsOrError"]["results"]
    assert len(shown) == 1, failed.stderr
    first = shown[0]["runId"]
    assert shown[0]["status"] == "FAILURE"
    told = partial(
        counted,
        dev,
        "SELECT count(*) FROM aggregation_alerts.incidents WHERE kind = 'run_failed' AND message IS NOT NULL",
    )
    until("the alert", lambda: sink.received and told(), 120, said=dev.log)

    with mariadb.connect(database=dev.environment["DB_NAME"]) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE late (id INT PRIMARY KEY)")
    rest = again(dev, first, "FROM_FAILURE")
    assert steps(dev, rest) == {"aggregate_late"}
    whole = again(dev, first, "ALL_STEPS")
    assert steps(dev, whole) == {"aggregate_late", "aggregate_orders"}

    until("their rows", lambda: all(dev.row(run_id, "completed") for run_id in (rest, whole)), 60, said=dev.log)
    assert dev.row(first, "failed") is not None
    assert counted(dev, "SELECT count(*) FROM public.batch_jobs") == 3
    assert told() == 1
    assert sum("late" in str(one.body) and first in str(one.body) for one in sink.received) == 1
