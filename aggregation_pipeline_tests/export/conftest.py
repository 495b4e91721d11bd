"""Shops to plan: on each MySQL server, or on MariaDB alone."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.deployment import Deployment
    from aggregation_pipeline_tests.support.servers.handles import MySQLServer, PostgresServer


@pytest.fixture
def shop(
    mysql: "MySQLServer", postgres: "PostgresServer", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> "Deployment":
    from aggregation_pipeline_tests.export.planned_shop import shop_on

    return shop_on(mysql, postgres.fresh_database(), tmp_path, monkeypatch)


@pytest.fixture
def mariadb_shop(
    mariadb: "MySQLServer", postgres: "PostgresServer", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> "Deployment":
    """For what is the same whatever server is read."""
    from aggregation_pipeline_tests.export.planned_shop import shop_on

    return shop_on(mariadb, postgres.fresh_database(), tmp_path, monkeypatch)
