"""One deployment with two workers for the tests of this folder."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aggregation_pipeline_tests.support.dev import make_orders
from aggregation_pipeline_tests.support.workers import Cluster, cluster

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import MySQLServer, PostgresServer

TABLES = [f"t{number:02}" for number in range(40)]
# A run of one waits at the source for about twice this time.
SLOW_TABLES = [f"slow{number}" for number in range(8)]
WAIT_SECONDS = 8
# More than any test has runs: Dagster leaves those in its own queue that the pool of their source has no place for.
POOL_LIMIT = 50
# A blocked table stays blocked for as long as a test takes on a busy machine.
CONFIG = "source_limits: {lock_wait_seconds: 900}\ntables:\n" + "".join(
    f"  {name}: {{table: {table}, select_fields: [id], schedule: none}}\n"
    for names, table in ((TABLES, "orders"), (SLOW_TABLES, "slowly"))
    for name in names
)


@pytest.fixture(scope="package")
def workers(mariadb: "MySQLServer", postgres: "PostgresServer", server_folder: Path) -> Iterator[Cluster]:
    """`serve`, and the workers `one` and `two` with two slots each."""
    source = make_orders(mariadb, ["(1, 'new', '2026-11-01 10:00:00')"])
    with mariadb.connect(database=source["DB_NAME"]) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE VIEW slowly AS SELECT id FROM orders WHERE SLEEP({WAIT_SECONDS}) = 0")
    # pytest makes it once more when tests of other folders come in between.
    folder = Path(tempfile.mkdtemp(prefix="cluster-", dir=server_folder))
    url = postgres.fresh_database()
    with cluster(folder, CONFIG, source, url, pool_limit=POOL_LIMIT, OUTPUT_FORMAT="csv") as dev:
        dev.source = mariadb
        for name in ("one", "two"):
            dev.add_worker(name).start()
        dev.start()
        for worker in dev.workers.values():
            worker.ready()
        yield dev
