"""A shop with a table that has `refresh`, and the sensor over it."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from dagster import Definitions

from aggregation_pipeline.runs.refresh_cursor import REFRESH, Asked, RefreshCursor
from aggregation_pipeline.runs.tags import PARTITION_NAME_TAG, RUN_KEY_TAG
from aggregation_pipeline_tests.support.runs import tick
from aggregation_pipeline_tests.support.shop import Shop, partition_range

TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
DAYS = [f"{TODAY - timedelta(days=back):%Y-%m-%d}" for back in range(6, 0, -1)]
ENTRY = """
    tables:
      orders:
        select_fields: [id, n]
        formats: [csv]
        partition: {{column: created_at, every: day, start: {first}, timezone: UTC}}
        refresh: {{look_back: 4d, key: ["COUNT(*)", MAX(updated_at)]{more}}}
        {keys}
"""
CREATE = (
    "CREATE TABLE orders (id INT PRIMARY KEY, n INT, created_at DATETIME, updated_at DATETIME(6),"
    " KEY by_day (created_at))"
)
JOB = "aggregate_daily_partitions_at_0200"


class Sensor:
    """The sensor over one shop, and the runs that it asks for."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.cursor: str | None = None
        self.skipped = ""
        self.configure()

    def configure(self, more: str = "", keys: str = "") -> None:
        self.definitions: Definitions = self.shop.definitions(ENTRY.format(first=DAYS[0], more=more, keys=keys))

    def ask(self, *, later: bool = True) -> list[Any]:
        """The runs that a tick asks for; `later`: when the turn of each table has come again."""
        if self.cursor and later:
            stored = json.loads(self.cursor)
            for table in stored.values():
                table.pop("at", None)
            self.cursor = json.dumps(stored)
        repository = self.definitions.get_repository_def()
        result = tick(repository.get_sensor_def(REFRESH), self.shop.instance, self.cursor, repository)
        self.cursor, self.skipped = result.cursor, result.skip_message or ""
        return list(result.run_requests)

    def windows(self, *, later: bool = True) -> list[str]:
        return [window(request) for request in self.ask(later=later)]

    def launch(self, requests: Sequence[Any]) -> None:
        for request in requests:
            self.run(tags={**request.tags, RUN_KEY_TAG: request.run_key}, assets=request.asset_selection)

    def run(self, *, tags: Mapping[str, str], assets: Any = None) -> bool:
        job = self.definitions.resolve_job_def(JOB)
        options = {"asset_selection": assets} if assets else {}
        result = job.execute_in_process(instance=self.shop.instance, raise_on_error=False, tags=tags, **options)
        return bool(result.success)

    @property
    def known(self) -> Asked:
        return RefreshCursor.read(self.cursor).of("orders")

    def rows(self, day: str) -> int:
        manifest = self.shop.manifest(day)
        assert manifest is not None
        return manifest.rows


def window(request: Any) -> str:
    tags = request.tags
    return (
        tags.get(PARTITION_NAME_TAG)
        or f"{tags['dagster/asset_partition_range_start']}..{tags['dagster/asset_partition_range_end']}"
    )


def published_sensor(shop: Shop) -> Sensor:
    """Six days of three orders each, all of them published."""
    rows = [
        f"({10 * place + n}, {n}, '{day} 1{n}:00:00', '{day} 2{n}:00:00')"
        for place, day in enumerate(DAYS)
        for n in range(3)
    ]
    shop.execute(CREATE, f"INSERT INTO orders VALUES {', '.join(rows)}")
    found = Sensor(shop)
    assert found.run(tags=partition_range(DAYS[0], DAYS[-1]))
    return found


def late(day: str, number: int = 900) -> str:
    return f"INSERT INTO orders VALUES ({number}, 1, '{day} 05:00:00', NOW(6))"
