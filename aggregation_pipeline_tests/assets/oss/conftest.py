"""A deployment that publishes to the OSS test server: its database, its environment, its job in this process."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from dagster import DagsterInstance, ExecuteInProcessResult

    from aggregation_pipeline_tests.support.servers.handles import MySQLServer, PostgresServer
    from aggregation_pipeline_tests.support.servers.oss.server import OssServer

ORDERS = (
    "CREATE TABLE orders (id BIGINT PRIMARY KEY, status VARCHAR(10), price DECIMAL(20,4))",
    "INSERT INTO orders VALUES (9007199254740993, 'paid', 12345678901234.5678), (2, 'paid', 0.0001), (3, '退款', NULL)",
)
# All that may write a secret or a link into a log, and "" for the root.
LOGGERS = ("", "dagster", "aggregation_pipeline", "oss2", "oss2.api", "oss2.http", "oss2.auth", "urllib3", "requests")


@pytest.fixture(scope="package")
def dagster_url(postgres: "PostgresServer") -> str:
    return postgres.fresh_database()


@pytest.fixture(scope="package")
def instance(dagster_url: str) -> "Iterator[DagsterInstance]":
    from aggregation_pipeline_tests.support.runs import open_instance

    with open_instance(dagster_url) as opened:
        yield opened


@pytest.fixture
def database(mariadb: "MySQLServer") -> str:
    name = mariadb.fresh_database()
    with mariadb.connect(database=name) as connection, connection.cursor() as cursor:
        for statement in ORDERS:
            cursor.execute(statement)
    return name


@pytest.fixture
def environment(
    oss_server: "OssServer", tmp_path: Path, mariadb: "MySQLServer", database: str, dagster_url: str
) -> dict[str, str]:
    from aggregation_pipeline_tests.support.oss_deployment import variables

    return variables(oss_server, tmp_path, mariadb, database, dagster_url)


@pytest.fixture
def run(
    environment: dict[str, str], instance: "DagsterInstance", monkeypatch: pytest.MonkeyPatch
) -> "Iterator[Callable[..., ExecuteInProcessResult]]":
    """Run the job in this process, configured by `environment` and what is given. A failing step is not tried again."""
    from aggregation_pipeline.instance import log_handlers
    from aggregation_pipeline.settings.base import load_settings
    from aggregation_pipeline_tests.support.oss_deployment import run_job

    monkeypatch.setattr("aggregation_pipeline.assets.retries.MAX_RETRIES", 0)
    monkeypatch.setattr("aggregation_pipeline.export.publishing.PAUSES", (0.1, 0.1))

    def once(**changes: str) -> "ExecuteInProcessResult":
        for name, value in {**environment, **changes}.items():
            monkeypatch.setenv(name, value)
        log_handlers.configure(load_settings(), terminal=False)
        return run_job(instance)

    yield once
    ours = logging.getLogger("aggregation_pipeline")  # back to how it was before
    for handler in list(ours.handlers):
        ours.removeHandler(handler)
        handler.close()
    ours.propagate = True


@pytest.fixture
def everything_written(
    instance: "DagsterInstance", tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> Callable[[str], str]:
    """All that a run leaves where others read: stored events, log files, and every library's log lines at DEBUG."""
    from dagster._serdes import serialize_value

    for name in LOGGERS:
        caplog.set_level(logging.DEBUG, logger=name)

    def collected(run_id: str) -> str:
        events = [serialize_value(entry) for entry in instance.all_logs(run_id)]
        files = [path.read_text(encoding="utf-8") for path in (tmp_path / "logs").glob("*.log")]
        assert len(events) > 10
        return "\n".join([*events, *files, caplog.text])

    return collected
