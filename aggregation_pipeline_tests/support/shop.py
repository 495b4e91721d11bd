"""A project over a small shop on a real server, with Dagster's storage in PostgreSQL and files in a folder."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dagster import DagsterInstance, Definitions

from aggregation_pipeline.definitions import build_definitions
from aggregation_pipeline.project import Project, load_project
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
    """`folder` holds the YAML, exports and temp of one test."""

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
