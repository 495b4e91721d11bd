"""A shop with its table for each test."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from aggregation_pipeline_tests.support.servers.handles import MySQLServer
    from aggregation_pipeline_tests.support.shop import Shop


@pytest.fixture
def shop(mariadb: "MySQLServer", stored_runs: "tuple[str, DagsterInstance]", tmp_path: Path) -> "Iterator[Shop]":
    from aggregation_pipeline_tests.support.shop import CREATE, Shop

    url, instance = stored_runs
    shop = Shop(mariadb, mariadb.fresh_database(), url, tmp_path, instance)
    shop.execute(*CREATE)
    yield shop
    instance.wipe()
