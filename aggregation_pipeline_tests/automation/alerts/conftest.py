"""Dagster's storage on PostgreSQL, empty for each test, a web server that is told, and the sensor between them."""

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from aggregation_pipeline_tests.automation.alerts.sensor_runner import SensorRunner
    from aggregation_pipeline_tests.support.servers.handles import PostgresServer
    from aggregation_pipeline_tests.support.sink import Sink


@pytest.fixture(scope="package")
def storage(postgres: "PostgresServer") -> "Iterator[DagsterInstance]":
    from aggregation_pipeline_tests.support.runs import open_instance

    with open_instance(postgres.fresh_database()) as opened:
        yield opened


@pytest.fixture
def instance(storage: "DagsterInstance", monkeypatch: pytest.MonkeyPatch) -> "DagsterInstance":
    storage.wipe()
    storage.wipe_all_schedules()
    monkeypatch.setattr("aggregation_pipeline.alerts.detect_failed_runs._UNDECIDED", timedelta(0))
    return storage


@pytest.fixture
def sink() -> "Iterator[Sink]":
    from aggregation_pipeline_tests.support.sink import new_sink

    with new_sink().serving() as serving:
        yield serving


@pytest.fixture
def runner(instance: "DagsterInstance", postgres: "PostgresServer", sink: "Sink") -> "SensorRunner":
    from aggregation_pipeline_tests.automation.alerts.sensor_runner import SensorRunner

    return SensorRunner(instance, postgres.fresh_database(), sink)
