"""Late rows under a real daemon: the sensor launches the partitions that got them, once, also over a restart."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from dagster import RunsFilter

from aggregation_pipeline.runs.refresh_cursor import REFRESH, RefreshCursor
from aggregation_pipeline.runs.tags import PARTITION_NAME_TAG, REFRESH_TAG
from aggregation_pipeline_tests.support.dev import Dev, deployed_dev, make_orders
from aggregation_pipeline_tests.support.ticks import ticks_of
from aggregation_pipeline_tests.support.waiting import until

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import MySQLServer, PostgresServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
DAYS = [f"{datetime.now(UTC) - timedelta(days=back):%Y-%m-%d}" for back in range(5, 0, -1)]
CONFIG = """
    tables:
      orders:
        select_fields: [id]
        formats: [json]
        partition: {{column: created_at, every: day, start: {first}, timezone: UTC}}
        schedule: none
        refresh: {{look_back: 30d, key: ["COUNT(*)", MAX(id)], every: 1m}}
"""


def rows(dev: Dev, day: str) -> int:
    manifest = json.loads((dev.folder / "exports" / "orders" / day / "manifest.json").read_text(encoding="utf-8"))
    return int(manifest["datasets"][0]["rows"])


def refreshes(dev: Dev) -> list[Any]:
    return list(dev.instance.get_runs(RunsFilter(tags={REFRESH_TAG: "orders"})))


def test_late_rows_are_published_by_the_sensor_once_each(
    mariadb: "MySQLServer", postgres: "PostgresServer", server_folder: Path
):
    variables = make_orders(mariadb, [f"({10 * place}, 'new', '{day} 10:00:00')" for place, day in enumerate(DAYS)])

    def insert(*values: str) -> None:
        with mariadb.connect(database=variables["DB_NAME"]) as connection, connection.cursor() as cursor:
            cursor.execute(f"INSERT INTO orders VALUES {', '.join(values)}")

    folder = server_folder / "refreshed"
    with deployed_dev(folder, CONFIG.format(first=DAYS[0]), variables, postgres.fresh_database()) as dev:
        dev.environment = {**dev.environment, "TIMEZONE": "UTC"}
        dev.start()
        dev.backfill([["aggregation", "orders"], ["export", "orders_manifest"]], DAYS)
        until("all days", lambda: dev.windows("orders") == DAYS and dev.finished(), 120, said=dev.log)
        seen = ticks_of(dev, REFRESH)
        until("a tick that finds nothing", lambda: ticks_of(dev, REFRESH) > seen, 150, said=dev.log)
        assert refreshes(dev) == []

        insert(*(f"({500 + place}, 'late', '{DAYS[place]} 11:00:00')" for place in (1, 3, 4)))
        until("the runs", lambda: len(refreshes(dev)) == 2, 150, said=dev.log)
        # The daemon ends while they are under way, and looks again after its start.
        dev.stop()
        dev.start()
        late = [1, 2, 1, 2, 2]
        until(
            "the rows",
            lambda: [2 if d in (1, 3, 4) else 1 for d in range(5)] == [rows(dev, day) for day in DAYS],
            150,
            said=dev.log,
        )
        seen = ticks_of(dev, REFRESH)
        until("two ticks more", lambda: ticks_of(dev, REFRESH) > seen + 1, 240, said=dev.log)
        runs = refreshes(dev)
        assert [rows(dev, day) for day in DAYS] == late
        assert sorted(run.tags.get(PARTITION_NAME_TAG, "range") for run in runs) == sorted([DAYS[1], "range"])
        known = RefreshCursor.stored(dev.instance).of("orders")
        assert (known.windows, known.waiting, known.problem) == (5, 0, ""), "what pages, metrics and check show"
        for run in runs:
            assert dev.row(run.run_id, "completed"), "each has its row"
