"""A shop with one table, and `plan` on it."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from aggregation_pipeline.cli.main import main
from aggregation_pipeline_tests.support.deployment import Deployment
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

CONFIG = """
    source_limits: {max_scan_rows: 1000}
    tables:
      orders:
        group_by: [status]
        aggregations: [{function: COUNT, alias: n}]
        select_fields: [id, phone, ratio]
        where: created_at >= '2026-11-01'
        mask: {phone: partial}
        limit: 10
"""


def shop_on(server: MySQLServer, url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    shop = Deployment(folder, server, server.fresh_database(), url)
    (folder / "dagster.yaml").write_text((REPOSITORY / "dagster.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    shop.execute(
        """CREATE TABLE orders (id INT PRIMARY KEY AUTO_INCREMENT, status VARCHAR(10), phone VARCHAR(20), ratio FLOAT,
            created_at DATETIME, KEY by_day (created_at))""",
        "INSERT INTO orders (status, phone, created_at) VALUES ('paid', '13812345678', '2026-10-01')",
        *["INSERT INTO orders (status, phone, created_at) SELECT status, phone, created_at FROM orders"] * 11,
        "UPDATE orders SET created_at = '2026-11-20' WHERE id < 5",
    )
    shop.configure(CONFIG)
    shop.enter(monkeypatch)
    monkeypatch.chdir(folder)
    return shop


def plan(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["plan", *arguments])


def planned(*arguments: str) -> tuple[int, dict[str, Any]]:
    result = plan("--json", *arguments)
    document = json.loads(result.stdout)
    return result.exit_code, {table["table"]: table for table in document["tables"]}
