"""A deployment for tests of what its pages show."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from dagster import DagsterInstance

from aggregation_pipeline.batch_jobs.mirror import mirror_run, owner_of
from aggregation_pipeline.batch_jobs.repository import OpenRepository, kept_repository
from aggregation_pipeline.health.probe import Probe
from aggregation_pipeline.overview.morning import Morning
from aggregation_pipeline.overview.overview import Overview
from aggregation_pipeline.project import Project, load_usable_project
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline_tests.support.config_file import write_config
from aggregation_pipeline_tests.support.runs import EngineRepository, FakeTable, new_batch_jobs, open_instance, run

CONFIG = """
tables:
  baidu: {select_fields: [id], description: What people ask, owners: [li@example.com], freshness: {fail_after: 26h}}
  weibo: {select_fields: [id]}
  zhihu: {select_fields: [id], schedule: none}
"""


@dataclass(frozen=True)
class Site:
    """The deployment."""

    settings: Settings
    instance: DagsterInstance
    engine: sa.Engine
    project: Project
    overview: Overview

    @property
    def open_rows(self) -> OpenRepository:
        """What opens batch_jobs."""
        return kept_repository(self.settings, application_name="aggregation status", keep=False)[0]

    def run(self, *tables: FakeTable) -> str:
        """Run tables, record the run in batch_jobs, and return its id."""
        run_id = run(self.instance, tables)
        self.mirror(run_id)
        return run_id

    def mirror(self, run_id: str) -> None:
        """Record a run."""
        owner = owner_of(self.instance, self.settings.deployment_name)
        mirror_run(
            self.instance, run_id, repository=EngineRepository(self.engine), owner=owner, **self.project.about_rows
        )

    def morning(self) -> Morning:
        """Return the morning."""
        return asyncio.run(self.overview.morning())

    def anew(self, probes: Sequence[Probe] = (), **changes: Any) -> "Site":
        """Return the same deployment with other settings, of which nothing was read yet."""
        settings = self.settings.model_copy(update=changes)
        other = replace(self, settings=settings)
        return replace(other, overview=Overview(settings, self.instance, lambda: self.project, other.open_rows, probes))


@contextmanager
def open_site(dagster_url: str, rows_url: str, folder: Path) -> Iterator[Site]:
    """Open it: its Dagster storage without runs and assets, its batch_jobs in a database of its own."""
    settings = Settings(
        dagster_pg_url=dagster_url,
        batch_jobs_url=rows_url,
        aggregation_config=write_config(folder, CONFIG),
        deployment_name="prod",
    )
    project = load_usable_project(settings, None)
    with open_instance(dagster_url) as instance:
        instance.wipe()
        instance.event_log_storage.wipe()
        engine = new_batch_jobs(rows_url)
        open_rows, _ = kept_repository(settings, application_name="aggregation status", keep=False)
        yield Site(settings, instance, engine, project, Overview(settings, instance, lambda: project, open_rows))
        engine.dispose()
