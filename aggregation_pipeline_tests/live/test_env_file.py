"""A deployment with a `.env` that Dagster reads in another way than this project, in a real `dagster dev`."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from dagster import DagsterRunStatus

from aggregation_pipeline_tests.support.dev import DAILY_ORDERS, deployed_dev, make_orders
from aggregation_pipeline_tests.support.waiting import until

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import MySQLServer, PostgresServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
PASSWORD = "pa${HOME}x${NOT_SET}\\t#"


def test_webserver_daemon_code_server_and_runs_take_values_as_they_stand(
    mariadb: "MySQLServer", postgres: "PostgresServer", server_folder: Path
):
    source = make_orders(mariadb, ["(1, 'new', '2026-11-01 10:00:00')"])
    with mariadb.connect(database=None) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE USER 'standing'@'localhost' IDENTIFIED BY %s", (PASSWORD,))
        cursor.execute(f"GRANT SELECT ON {source['DB_NAME']}.* TO 'standing'@'localhost'")
    with deployed_dev(server_folder / "env", DAILY_ORDERS, {}, postgres.fresh_database()) as dev:
        lines = [
            f"DB_SOCKET={source['DB_SOCKET']}",
            "DB_USER: standing",
            f'DB_PASSWORD="{PASSWORD}"',
            f"DB_NAME=`{source['DB_NAME']}`",
        ]
        # These are set in the environment too, with other values, which win.
        lines += [
            "DAGSTER_PG_URL=postgresql://nobody@127.0.0.1:1/nothing",
            "OUTPUT_FORMAT=excel",
            "STORAGE_DIR=/nowhere",
        ]
        (dev.folder / ".env").write_text("\n".join(lines), encoding="utf-8")
        dev.start(AGGREGATION_ENV_FILE="", HOME="/somewhere")
        run = dev.launched("2026-11-01", DagsterRunStatus.SUCCESS)
        until("the window", lambda: dev.windows("orders") == ["2026-11-01"], said=dev.log)
        assert {path.suffix for path in (dev.folder / "exports" / "orders" / "2026-11-01").glob("orders*")} == {
            ".csv",
            ".json",
        }
        until("its row", lambda: dev.row(run.run_id, "completed"), said=dev.log)
        log = dev.log()
        assert "see another value of DB_NAME, DB_PASSWORD, DB_USER than this project" in log
        assert "pa/somewhere" not in log
        assert "pa$" not in log
