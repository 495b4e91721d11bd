"""A job over two tables of a shop: its configuration, its tables, how it is run and what it leaves."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa

from aggregation_pipeline.definitions import build_definitions
from aggregation_pipeline.local.instance import open_instance
from aggregation_pipeline.local.run import run_tables
from aggregation_pipeline.postgres.engine import create_engine
from aggregation_pipeline.project import load_project
from aggregation_pipeline.runs.results import RunResult
from aggregation_pipeline.settings.base import load_settings
from aggregation_pipeline.storage.crc64 import crc64_of_file
from aggregation_pipeline.storage.manifest import Manifest
from aggregation_pipeline_tests.support.deployment import Deployment

CONFIG = """
tables:
  users:
    groupBy: ['status']
    selectFields: ['id', 'name', 'balance', 'created_at']
    aggregations:
      - {function: COUNT, field: id, alias: user_count}
      - {function: SUM, field: balance, alias: total}
  订单 明细.v2:
    table: '`订单 明细.v2`'
    platform: shop
    selectFields: ['*']
"""


SCHEMA = (
    (
        "CREATE TABLE users (id BIGINT PRIMARY KEY, name VARCHAR(50) NULL, balance DECIMAL(20,4), status VARCHAR(10),"
        " created_at DATETIME)"
    ),
    """INSERT INTO users VALUES (9007199254740993, '李雷😀', 12345678901234.5678, 'vip', '2026-11-20 10:00:00'),
        (2, NULL, -0.0001, 'vip', '2026-11-20 11:00:00'), (3, '=1+1', NULL, 'new', NULL)""",
    "CREATE TABLE `订单 明细.v2` (`单 号` INT PRIMARY KEY, `select` VARCHAR(20))",
    "INSERT INTO `订单 明细.v2` VALUES (1, 'a,b'), (2, '')",
)


def run(**options: Any) -> RunResult:
    project = load_project(load_settings())
    with open_instance(project) as instance:
        return run_tables(project, build_definitions(project), instance, **{"tables": None, "formats": None} | options)


def row_of(deployment: Deployment, run_id: str) -> dict[str, Any]:
    engine = create_engine(deployment.postgres_url, application_name="test")
    with engine.connect() as connection:
        return dict(
            connection.execute(sa.text("SELECT * FROM public.batch_jobs WHERE id = :id"), {"id": run_id})
            .mappings()
            .one()
        )


def window_folders(deployment: Deployment, table: str) -> list[Path]:
    return sorted(path for path in (deployment.exports / table).iterdir() if path.is_dir() and path.name != "latest")


def manifest_of(folder: Path) -> Manifest:
    path = folder / "manifest.json"
    return Manifest.from_json(path.read_bytes(), where=str(path))


def assert_whole(deployment: Deployment, folder: Path) -> Manifest:
    """The folder has exactly the manifest's files, with their sizes, checksums and stable names."""
    manifest = manifest_of(folder)
    for file in manifest.files:
        for path in (deployment.exports / file.key, folder / file.name, folder.parent / "latest" / file.name):
            assert crc64_of_file(path) == (file.bytes, file.crc64)
    names = {path.name for path in folder.iterdir() if path.is_file()}
    assert names == {*(file.name for file in manifest.files), "manifest.json"}
    assert names - {"manifest.json"} == {path.name for path in (folder.parent / "latest").iterdir()}
    return manifest
