"""A deployment under `serve` for the tests of a module."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from aggregation_pipeline_tests.support.dev import DAILY_ORDERS, Supervised, deployed_dev, make_orders

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import MySQLServer, PostgresServer

DAYS = [f"2026-11-{day:02}" for day in range(1, 4)]


@pytest.fixture(scope="module")
def services(
    request: pytest.FixtureRequest, mariadb: "MySQLServer", postgres: "PostgresServer", server_folder: Path
) -> Iterator[Supervised]:
    source = make_orders(mariadb, [f"({number}, 'new', '{day} 10:00:00')" for number, day in enumerate(DAYS)])
    with deployed_dev(
        server_folder / request.path.stem, DAILY_ORDERS, source, postgres.fresh_database(), Supervised
    ) as dev:
        path = Path(dev.environment["DAGSTER_HOME"]) / "dagster.yaml"
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        # As shipped, but without waiting for a minute, and with one run at a time.
        config["run_coordinator"]["config"]["user_code_failure_retry_delay"] = 2
        config["concurrency"]["runs"]["max_concurrent_runs"] = 1
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        dev.start()
        yield dev
