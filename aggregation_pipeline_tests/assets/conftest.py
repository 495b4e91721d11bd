"""One Dagster storage for all tests of this folder: making its tables takes a second."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from aggregation_pipeline_tests.support.servers.handles import MySQLServer, PostgresServer
    from aggregation_pipeline_tests.support.shop import Shop


@pytest.fixture(scope="session")
def stored(postgres: "PostgresServer") -> "Iterator[tuple[str, DagsterInstance]]":
    from aggregation_pipeline_tests.support.runs import open_instance

    url = postgres.fresh_database()
    with open_instance(url) as instance:
        yield url, instance


@pytest.fixture
def shop(mariadb: "MySQLServer", stored: "tuple[str, DagsterInstance]", tmp_path: Path) -> "Iterator[Shop]":
    from aggregation_pipeline_tests.support.shop import CREATE, Shop

    url, instance = stored
    shop = Shop(mariadb, mariadb.fresh_database(), url, tmp_path, instance)
    shop.execute(*CREATE)
    yield shop
    instance.wipe()
