"""A deployment that has run its tables, and our endpoints over it."""

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from dagster import DagsterInstance
from dagster._core.workspace.context import WorkspaceProcessContext
from starlette.applications import Starlette
from starlette.middleware import Middleware

from aggregation_pipeline.definitions import build_definitions
from aggregation_pipeline.local.run import run_backfill, run_tables
from aggregation_pipeline.project import load_project
from aggregation_pipeline.runs.refresh_cursor import Asked
from aggregation_pipeline.settings.base import Settings, load_settings
from aggregation_pipeline.web.api import build_api, routes_to
from aggregation_pipeline.web.endpoints import open_endpoints
from aggregation_pipeline.web.gate.gate import Gate
from aggregation_pipeline.web.gate.hosts import OwnHosts
from aggregation_pipeline.web.health import OPEN_PATHS
from aggregation_pipeline_tests.support.deployment import Deployment, use_environment
from aggregation_pipeline_tests.support.refresh_state import keep_refresh_cursor
from aggregation_pipeline_tests.support.runs import open_instance
from aggregation_pipeline_tests.support.servers.handles import MySQLServer
from aggregation_pipeline_tests.web.asgi import Answer, ask

DAYS = ("2026-11-01", "2026-11-02", "2026-11-03")
CONFIG = """
tables:
  orders:
    group_by: [status]
    aggregations: [{function: COUNT, alias: n}]
    select_fields: [id, status]
    freshness: {fail_after: 26h}
    checks: {max_rows: 2, severity: warn}
  用户 明细:
    table: orders
    select_fields: [id]
    partition: {column: created_at, every: day, start: 2026-11-01}
    schedule: "0 30 6 * * *"
    refresh: {look_back: 60d, key: MAX(id)}
  gone:
    table: not_there
    select_fields: [id]
    schedule: none
"""


ASKED = Asked(
    datetime(2026, 11, 5, 1, tzinfo=UTC), windows=60, launched=1, waiting=2, since=datetime(2026, 11, 4, tzinfo=UTC)
)


@dataclass(frozen=True)
class Shop:
    """The deployment, the ids of its runs by table, and the app with its endpoints."""

    app: Starlette
    settings: Settings
    instance: DagsterInstance
    folder: Path
    runs: dict[str, str]

    def get(self, path: str, **options: Any) -> Answer:
        return ask(self.app, path, **options)


@contextmanager
def opened_app(settings: Settings, instance: DagsterInstance, port: int = 3000) -> Iterator[Starlette]:
    """Our endpoints behind the gate, over a Dagster instance without a code location."""
    own = OwnHosts.of("127.0.0.1", port)
    context = cast("WorkspaceProcessContext", SimpleNamespace(instance=instance))
    with open_endpoints(settings, context) as routers:
        routes = routes_to(build_api((), own, routers))
        yield Starlette(routes=routes, middleware=[Middleware(Gate, own=own, open_paths=OPEN_PATHS)])


@contextmanager
def open_shop(server: MySQLServer, url: str, folder: Path, **changes: str) -> Iterator[Shop]:
    """Run three tables, of which one has no source and one has three days, the first of them last."""
    shop = Deployment(folder, server, server.fresh_database(), url)
    shop.configure(textwrap.dedent(CONFIG))
    rows = ", ".join(f"({number}, 'new', '{day} 10:00:00')" for number, day in enumerate(DAYS))
    shop.execute(
        "CREATE TABLE orders (id INT PRIMARY KEY, status VARCHAR(10), created_at DATETIME)",
        f"INSERT INTO orders VALUES {rows}",
    )
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_environment(monkeypatch, shop.variables(OUTPUT_FORMAT="csv,json", **changes))
        settings = load_settings()
        project = load_project(settings)
    definitions = build_definitions(project)
    with open_instance(url) as instance:
        runs = {}
        for table in ("gone", "orders"):
            result = run_tables(project, definitions, instance, tables=[table], formats=None)
            runs[table] = str(result.batch_job_id)
        for first, last in (DAYS[1:], (DAYS[0], DAYS[0])):
            result = run_backfill(project, definitions, instance, table="用户 明细", first=first, last=last)
            runs["用户 明细"] = str(result.batch_job_id)
        keep_refresh_cursor(instance, {"用户 明细": ASKED})
        with opened_app(settings, instance) as app:
            yield Shop(app, settings, instance, folder, runs)
