"""What one more day of a run over many asks of the servers and of the disk."""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from dagster import DagsterInstance

from aggregation_pipeline.definitions import build_definitions
from aggregation_pipeline.local.instance import open_instance
from aggregation_pipeline.local.run import run_backfill
from aggregation_pipeline.project import Project, load_project
from aggregation_pipeline.settings.base import load_settings
from aggregation_pipeline_tests.support.deployment import Deployment
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.servers.handles import MySQLServer
from aggregation_pipeline_tests.support.statements import counted_connections

FIRST = date(2026, 1, 1)
ROWS = ", ".join(f"({number}, '{FIRST + timedelta(days=number // 5)} 12:00:00')" for number in range(100))
CONFIG = f"""
tables:
  t: {{select_fields: ['*'], formats: [csv, parquet], backfill: {{partitions_per_run: all}},
      partition: {{column: at, every: day, start: {FIRST}}}}}
"""


@pytest.fixture
def place(mariadb: MySQLServer, dagster_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    deployment = Deployment(tmp_path, mariadb, mariadb.fresh_database(), dagster_database)
    deployment.execute("CREATE TABLE t (id INT PRIMARY KEY, at DATETIME, KEY (at))", f"INSERT INTO t VALUES {ROWS}")
    deployment.configure(CONFIG)
    (tmp_path / "dagster.yaml").write_text((REPOSITORY / "dagster.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    deployment.enter(monkeypatch, DAGSTER_HOME=str(tmp_path))
    return deployment


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """Count what this process asks of servers and disk, by server."""
    counts: Counter[str] = Counter()
    flush = os.fsync

    def executed(connection: sa.Connection, _cursor: object, statement: str, *_: object) -> None:
        # Events and the row of batch_jobs are written in groups, by the clock.
        if statement.lstrip().startswith(("SELECT pg_", "SELECT count(*) FROM pg_locks", "SELECT status")):
            counts["of the lock"] += 1
        counts["of the source"] += connection.dialect.name == "mysql"

    def flushed(descriptor: int) -> None:
        counts["flushes"] += 1
        flush(descriptor)

    with counted_connections(counts, executed), monkeypatch.context() as patch:
        patch.setattr(os, "fsync", flushed)
        yield counts


def run(project: Project, instance: DagsterInstance, days: int, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    definitions = build_definitions(project)
    last = FIRST + timedelta(days=days - 1)
    with counted(monkeypatch) as counts:
        result = run_backfill(project, definitions, instance, table="t", first=str(FIRST), last=str(last))
    assert (result.status, result.total_items) == ("completed", 5 * days), result
    return counts


@pytest.mark.slow
def test_one_more_day_costs_a_snapshot_a_lock_and_its_files(place: Deployment, monkeypatch: pytest.MonkeyPatch):
    del place
    project = load_project(load_settings())
    with open_instance(project) as instance:
        run(project, instance, 1, monkeypatch)
        few, many = (run(project, instance, days, monkeypatch) for days in (4, 14))
    more = Counter({what: (many[what] - few[what]) / 10 for what in many})
    assert more["connections"] == 0
    # What the driver sends by itself is not among them: the reset of the session, EXPLAIN, the count, the rows.
    assert more["of the source"] <= 10
    # Taken twice, with latest.json; confirmed four times, each with a look whether the run is stopped.
    assert more["of the lock"] <= 12
    # Six objects and latest.json, each with its folder, and four stable names.
    assert more["flushes"] <= 18
