"""A project over a small shop on a real server, with Dagster's storage in PostgreSQL and files in a folder."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dagster import AssetKey, AssetRecordsFilter, DagsterEventType, DagsterInstance, Definitions, ExecuteInProcessResult

from aggregation_pipeline.definitions import build_definitions
from aggregation_pipeline.project import Project, load_project
from aggregation_pipeline.runs.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline.storage.manifest import Manifest
from aggregation_pipeline.storage.published import load_manifest
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

# Ten days of orders; the tenth is the day before TODAY.
DAYS = [f"2026-11-{day:02}" for day in range(1, 11)]
TODAY = datetime(2026, 11, 11, 2, tzinfo=UTC)
ORDERS = """
    tables:
      orders:
        group_by: [status]
        aggregations: [{function: COUNT, alias: orders}]
        select_fields: [id, status, created_at]
        formats: [csv, json]
        partition: {column: created_at, every: day, start: 2026-11-01, timezone: UTC}
"""


@dataclass(frozen=True)
class Shop:
    """The shop of one test; `folder` holds its aggregation.yaml, exports and temporary files."""

    server: MySQLServer
    database: str
    postgres_url: str
    folder: Path
    instance: DagsterInstance

    def execute(self, *statements: str) -> None:
        with self.server.connect(database=self.database) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def project(self, text: str = ORDERS, **variables: Any) -> Project:
        """The project of this aggregation.yaml, with these settings besides the shop's own."""
        path = self.folder / "aggregation.yaml"
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        values: dict[str, Any] = {
            "aggregation_config": path,
            "db_socket": self.server.unix_socket,
            "db_user": self.server.user,
            "db_name": self.database,
            "dagster_pg_url": self.postgres_url,
            "storage_dir": self.folder / "exports",
            "temp_dir": self.folder / "temp",
            "timezone": "UTC",
            **variables,
        }
        return load_project(Settings(**values))

    def definitions(self, text: str = ORDERS, **variables: Any) -> Definitions:
        return build_definitions(self.project(text, **variables))

    def manifest(self, window: str, table: str = "orders") -> Manifest | None:
        return load_manifest(FolderStore(self.folder / "exports"), "", table, window)

    def windows(self, table: str = "orders") -> list[str]:
        return sorted(path.parent.name for path in (self.folder / "exports" / table).glob("*/manifest.json"))


def execute_job(
    shop: Shop, text: str = ORDERS, *, job: str = "aggregate_daily_partitions_at_0200", **options: Any
) -> ExecuteInProcessResult:
    """Run a job of the shop in this process; `options` are those of Dagster's `execute_in_process`."""
    definition = shop.definitions(text).resolve_job_def(job)
    return definition.execute_in_process(instance=shop.instance, raise_on_error=False, **options)


def failure_message(result: ExecuteInProcessResult) -> str:
    """The message of the one step that failed."""
    (failure,) = [event for event in result.all_events if event.event_type == DagsterEventType.STEP_FAILURE]
    data = failure.step_failure_data.user_failure_data
    return str(data and data.description)


def partition_range(first: str, last: str) -> dict[str, str]:
    """The tags of a run over several partitions."""
    return {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last}


def latest_metadata(shop: Shop, key: AssetKey) -> dict[str | None, Mapping[str, Any]]:
    """The metadata of an asset's latest materializations, by partition."""
    records = shop.instance.fetch_materializations(AssetRecordsFilter(key), limit=1000, ascending=True).records
    return {
        record.asset_materialization.partition: {
            name: value.value for name, value in record.asset_materialization.metadata.items()
        }
        for record in records
        if record.asset_materialization
    }


ROWS = [
    f"({day * 10 + n}, '{'paid' if n else 'new'}', '2026-11-{day:02} 1{n}:00:00')"  # three a day
    for day in range(1, 11)
    for n in range(3)
]
CREATE: Sequence[str] = (
    (
        "CREATE TABLE orders (id INT PRIMARY KEY, status VARCHAR(10) COMMENT 'where it is', created_at DATETIME, KEY"
        " (created_at))"
    ),
    f"INSERT INTO orders VALUES {', '.join(ROWS)}",
)
