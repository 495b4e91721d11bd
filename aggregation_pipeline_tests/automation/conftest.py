"""A shop of its own for each test, or Dagster without runs."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from aggregation_pipeline_tests.support.servers.handles import MySQLServer
    from aggregation_pipeline_tests.support.shop import Shop


@pytest.fixture
def shop(mysql: "MySQLServer", stored_runs: "tuple[str, DagsterInstance]", tmp_path: Path) -> "Iterator[Shop]":
    """A database without tables."""
    from aggregation_pipeline_tests.support.shop import Shop

    url, instance = stored_runs
    yield Shop(mysql, mysql.fresh_database(), url, tmp_path, instance)
    instance.wipe()


@pytest.fixture
def instance(stored_runs: "tuple[str, DagsterInstance]") -> "DagsterInstance":
    """Dagster without runs."""
    _, instance = stored_runs
    instance.wipe()
    return instance
