"""What a component adds to a project: the definitions of its tables, under names that clash with no others.

It has no executor and no `io_manager`: those are the project's. Its three resources have the component's name.
"""

import logging

from dagster import Definitions, InitResourceContext, ResourceDefinition, SensorDefinition, resource

from aggregation_pipeline.assets.source_assets import build_sources
from aggregation_pipeline.assets.tables import build_table
from aggregation_pipeline.automation.batch_jobs_sensors import build_sensors
from aggregation_pipeline.automation.catch_up import build_catch_up
from aggregation_pipeline.automation.job_groups import groups_of
from aggregation_pipeline.automation.jobs import build_job
from aggregation_pipeline.automation.refresh import build_refresh
from aggregation_pipeline.automation.retention import build_retention_job, build_retention_schedule
from aggregation_pipeline.automation.schedules import build_schedule
from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.export.observer import SilentObserver
from aggregation_pipeline.io_managers.resource import build_io_manager
from aggregation_pipeline.project import Project
from aggregation_pipeline.resources.heartbeat import HEARTBEAT
from aggregation_pipeline.resources.publisher import IO_MANAGER, PUBLISHER, Publisher, build_publisher, publisher_of
from aggregation_pipeline.settings.log_once import log_once

_log = logging.getLogger(__name__)


def build_component(project: Project, *, schedules: bool, sensors: bool, batch_jobs: bool) -> Definitions:
    """Build the definitions of a component.

    Args:
        project: its tables, in a scope with a name.
        schedules: whether the jobs have schedules.
        sensors: whether missed partitions are caught up, and changed ones refreshed.
        batch_jobs: whether runs of the tables are recorded.

    Raises:
        SettingsError: runs are to be recorded, and nothing says where.
    """
    tables, groups = project.tables, groups_of(project)
    jobs, retention = [build_job(group) for group in groups], build_retention_job(project)
    publisher = publisher_of(project.settings)
    if project.settings.dagster_pg_url is None:
        log_once(_log, logging.WARNING, _no_locks(project))
    return Definitions(
        assets=[*build_sources(tables), *(build_table(table, SilentObserver()) for table in tables)],
        jobs=[*jobs, retention],
        schedules=[
            *(build_schedule(group) for group in groups if group.crons),
            build_retention_schedule(retention, project),
        ]
        if schedules
        else [],
        sensors=[
            *([*build_catch_up(tables), *build_refresh(groups, jobs, publisher)] if sensors else []),
            *(_batch_jobs(project) if batch_jobs else []),
        ],
        resources=_resources(project, publisher),
    )


def _resources(project: Project, publisher: Publisher) -> dict[str, object]:
    scope = project.scope
    entries = {table.entry.name: table.entry for table in project.tables}
    return {
        scope.named(PUBLISHER): build_publisher(publisher) if publisher.locks_url else _refuse(_no_locks(project)),
        # Runs of the project around it are watched by what that project has.
        scope.named(HEARTBEAT): ResourceDefinition.none_resource(),
        scope.named(IO_MANAGER): build_io_manager(publisher, entries, heartbeat=scope.named(HEARTBEAT)),
    }


def _no_locks(project: Project) -> str:
    return (
        f"Runs of the tables of {project.scope.name} need PostgreSQL: its locks keep two runs from writing one window"
        " at once. Set DAGSTER_PG_URL, or BATCH_JOBS_URL, to postgresql+psycopg2://user:password@host:5432/database."
        " Dagster itself may keep its runs elsewhere."
    )


def _refuse(why: str) -> ResourceDefinition:
    @resource(description=why)
    def refused(_context: InitResourceContext) -> None:
        raise SettingsError(why)

    return refused


def _batch_jobs(project: Project) -> list[SensorDefinition]:
    settings = project.settings
    if settings.dagster_pg_url is None and settings.supabase_url is None:
        raise SettingsError(
            "batch_jobs: true records runs, and nothing says where: set BATCH_JOBS_URL, or SUPABASE_URL with"
            " SUPABASE_KEY, or DAGSTER_PG_URL."
        )
    return build_sensors(
        open_repository=project.repository_opener("aggregation sensors"),
        deployment=settings.deployment_name,
        platforms=project.platforms,
        names=project.names,
        job_type=settings.batch_job_type,
        secrets=settings.secrets,
        history=settings.batch_jobs_history,
        scope=project.scope,
    )
