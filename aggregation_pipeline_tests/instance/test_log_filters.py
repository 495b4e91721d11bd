"""The filter before the loggers of Dagster's services."""

import inspect
import logging
import os
import re
import subprocess
import sys

import psycopg2
import pytest
import sqlalchemy as sa
from dagster._cli import api
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.workspace import context
from dagster._daemon import asset_daemon, freshness
from dagster._daemon.auto_run_reexecution import event_log_consumer
from dagster._daemon.daemon import DagsterDaemon, IntervalDaemon
from dagster._daemon.run_coordinator import queued_run_coordinator_daemon
from dagster._grpc import server
from dagster._utils.error import serializable_error_info_from_exc_info
from dagster_postgres import utils as postgres_utils

from aggregation_pipeline.instance import log_filters
from aggregation_pipeline.settings import log_once
from aggregation_pipeline_tests.support.deployment import environment_without_settings
from aggregation_pipeline_tests.support.paths import REPOSITORY


def test_each_daemon_of_the_installed_dagster_has_the_filter_at_its_logger():
    # These modules hold the daemons that dagster._daemon.daemon does not.
    assert all((asset_daemon, freshness, event_log_consumer, queued_run_coordinator_daemon))
    daemons = {kind.__name__ for base in (DagsterDaemon, IntervalDaemon) for kind in base.__subclasses__()} - {
        "IntervalDaemon"
    }
    assert daemons == set(log_filters.DAEMONS)
    log_filters.install_log_filters()
    log_filters.install_log_filters()
    for name in daemons:
        assert logging.getLogger(f"dagster.daemon.{name}").filters.count(log_filters._FILTER) == 1


def test_dagsters_words_for_a_connection_that_is_tried_again_are_known(caplog):
    def fail() -> None:
        raise sa.exc.OperationalError("SELECT 1", {}, psycopg2.OperationalError("gone"))

    logging.getLogger().removeFilter(log_filters._FILTER)
    with pytest.raises(postgres_utils.DagsterPostgresException):
        postgres_utils.retry_pg_connection_fn(fail, retry_limit=0)
    log_filters.install_log_filters()
    assert log_filters._RETRYING in caplog.text


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> "Heard":
    # Nothing was said before.
    monkeypatch.delenv("AGGREGATION_LOG_RECORD", raising=False)
    return Heard()


class Heard(logging.Handler):
    """What comes through a filter that has heard nothing yet."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.log = logging.Logger("dagster.daemon.SensorDaemon")  # noqa: LOG001 - outside the tree
        self.log.addHandler(self)
        self.log.addFilter(log_filters._RepetitionFilter())

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


def test_a_line_of_a_tick_is_said_once_and_what_is_new_is_said(heard: Heard):
    for number in (1, 1, 2):
        heard.log.info("Checking for new runs for sensor: %s", "internal_batch_jobs_success")
        heard.log.info("Sensor x launched run %s", number)
        heard.log.info(
            "Tick produced 0 runs and 3 asset evaluations for evaluation ID %d (0.%d seconds)", number * 7, number
        )
        heard.log.error("Something failed")
    assert heard.lines == [
        "Checking for new runs for sensor: internal_batch_jobs_success",
        "Sensor x launched run 1",
        "Tick produced 0 runs and 3 asset evaluations for evaluation ID 7 (0.1 seconds)",
        *("Something failed", "Something failed", "Sensor x launched run 2", "Something failed"),
    ]


REPLACED = """
import logging, sys
from aggregation_pipeline.instance.log_filters import install_log_filters
install_log_filters()
logging.getLogger("dagster.code_server").addHandler(logging.StreamHandler(sys.stderr))
logging.getLogger("dagster.code_server").warning("No heartbeat received in 20 seconds, shutting down")
logging.getLogger("dagster.code_server").warning("Something else")
"""


def test_that_a_code_server_was_replaced_is_said_once_by_all_of_them_together(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("AGGREGATION_LOG_RECORD", raising=False)
    log_once.begin_log_record()
    environment = {
        **environment_without_settings(),
        "PYTHONPATH": str(REPOSITORY),
        "AGGREGATION_LOG_RECORD": os.environ["AGGREGATION_LOG_RECORD"],
    }
    command = [sys.executable, "-c", REPLACED]
    said = ""
    for _ in range(2):
        said += subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60).stderr
    assert said.splitlines() == [
        "No heartbeat received in 20 seconds, shutting down",
        "Something else",
        "Something else",
    ]


def test_dagsters_words_for_a_code_server_that_was_replaced_are_known():
    source = inspect.getsource(server.DagsterApiServer)
    found = re.search(r'"(No heartbeat [^"]*)"', source)
    assert found is not None
    assert log_filters._REPLACED.search(found[1].replace("{heartbeat_timeout}", "20"))
    assert 'logging.getLogger("dagster.code_server")' in inspect.getsource(api)


AWAY = [
    psycopg2.OperationalError(
        'connection to server at "127.0.0.1", port 1 failed: Connection refused\n\tIs the server running?'
    ),
    psycopg2.OperationalError('connection to server on socket "/x" failed: FATAL:  sorry, too many clients already'),
    psycopg2.OperationalError("server closed the connection unexpectedly"),
    psycopg2.errors.AdminShutdown("terminating connection due to administrator command"),
    psycopg2.InterfaceError("connection already closed"),
]


@pytest.mark.parametrize("cause", AWAY, ids=lambda cause: str(cause)[:40])
def test_tracebacks_of_a_postgresql_that_is_away_are_one_line_a_minute(heard: Heard, cause: psycopg2.Error):
    """In each way in which Dagster logs an error: as a text, as an exception, as the error of a code server."""
    for _ in range(3):
        try:
            raise sa.exc.DBAPIError.instance("SELECT 1", {}, cause, psycopg2.Error)
        except sa.exc.DBAPIError:
            heard.log.error("Caught error:\n%s", serializable_error_info_from_exc_info(sys.exc_info()))  # noqa: TRY400 - as Dagster does
            heard.log.exception("Daemon controller failed")
            heard.log.warning("Retrying failed database connection: %s", sys.exc_info()[1])
    (line,) = heard.lines
    reason = str(cause).split("\n", 1)[0]
    assert line == f"PostgreSQL does not answer ({reason}). Whatever needs it waits, and continues by itself."


def test_a_location_that_cannot_be_loaded_without_its_code_server_is_one_line_and_other_errors_stay_whole(heard: Heard):
    source = inspect.getsource(context)
    assert 'f"Error loading repository location {location_name}:{error.to_string()}"' in source, "as Dagster words it"
    for kind in (DagsterUserCodeUnreachableError, DagsterUserCodeUnreachableError, ValueError):
        try:
            raise kind("Could not reach user code server")
        except (DagsterUserCodeUnreachableError, ValueError):
            text = serializable_error_info_from_exc_info(sys.exc_info()).to_string()
        heard.log.warning(
            "context.py:1174: UserWarning: Error loading repository location aggregation_pipeline:%s", text
        )
    one, other = heard.lines
    assert one == "The code server does not answer. Whatever needs it waits, and continues by itself."
    assert "ValueError: Could not reach" in other


def test_what_a_postgresql_refuses_is_no_outage(heard: Heard):
    for cause in (
        psycopg2.errors.UndefinedTable('relation "runs" does not exist'),
        psycopg2.errors.QueryCanceled("statement timeout"),
    ):
        try:
            raise sa.exc.DBAPIError.instance("SELECT 1", {}, cause, psycopg2.Error)
        except sa.exc.DBAPIError:
            heard.log.exception("Failed")
    assert len(heard.lines) == 2
    assert all("Traceback" in line for line in heard.lines)


AFTER_AN_OUTAGE = """
import logging, sys
from aggregation_pipeline.instance.log_filters import install_log_filters
install_log_filters()
dagster = logging.getLogger("dagster.daemon")
dagster.addHandler(logging.StreamHandler(sys.stderr))
logging.warning("Retrying failed database connection: %s", "psycopg2.OperationalError gone")
dagster.warning("one line")
logging.getLogger("another").warning("another line")
"""


def test_after_an_outage_no_line_of_the_daemon_comes_twice():
    environment = {**environment_without_settings(), "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", AFTER_AN_OUTAGE], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    first, *others = done.stderr.splitlines()
    assert "PostgreSQL does not answer" in first
    assert others == ["one line", "WARNING:another:another line"]
