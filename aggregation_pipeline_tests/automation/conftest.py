"""A shop of its own for each test, on one Dagster storage for all: making its tables takes a second."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from aggregation_pipeline_tests.support.servers.handles import MySQLServer, PostgresServer
    from aggregation_pipeline_tests.support.shop import Shop


@pytest.fixture(scope="package")
def stored_runs(postgres: "PostgresServer") -> "Iterator[tuple[str, DagsterInstance]]":
    from aggregation_pipeline_tests.support.runs import open_instance

    url = postgres.fresh_database()
    with open_instance(url) as instance:
        yield url, instance


@pytest.fixture
def shop(mysql: "MySQLServer", stored_runs: "tuple[str, DagsterInstance]", tmp_path: Path) -> "Iterator[Shop]":
    """A database without tables."""
    from aggregation_pipeline_tests.support.shop import Shop

    url, instance = stored_runs
    yield Shop(mysql, mysql.fresh_database(), url, tmp_path, instance)
    instance.wipe()
