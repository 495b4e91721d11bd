"""The assembly point: settings and aggregation.yaml in, Dagster definitions out. Nothing here opens a connection."""

import functools
import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from dagster import DagsterInstance, DagsterRun, Definitions, JobDefinition, SensorDefinition, definitions

from aggregation_pipeline.assets.configured_table import ConfiguredTable
from aggregation_pipeline.assets.node_files import build_node_files
from aggregation_pipeline.assets.source_assets import build_sources
from aggregation_pipeline.assets.tables import build_table
from aggregation_pipeline.automation.batch_jobs_retention import build_prune_job, build_prune_schedule
from aggregation_pipeline.automation.batch_jobs_sensors import build_sensors
from aggregation_pipeline.automation.catch_up import build_catch_up
from aggregation_pipeline.automation.executors import build_executor
from aggregation_pipeline.automation.job_groups import groups_of
from aggregation_pipeline.automation.jobs import build_job
from aggregation_pipeline.automation.lost_messages import LostMessages
from aggregation_pipeline.automation.lost_runs import build_lost_runs
from aggregation_pipeline.automation.node_files import build_node_files_job, build_node_files_sensor, ticks_of
from aggregation_pipeline.automation.pools import pool_limits, set_pool_limits
from aggregation_pipeline.automation.refresh import build_refresh
from aggregation_pipeline.automation.retention import build_retention_job, build_retention_schedule
from aggregation_pipeline.automation.schedules import build_schedule
from aggregation_pipeline.automation.tables_of_run import executes_the_plan, tables_of_run
from aggregation_pipeline.config.loading import DEFAULT_CONFIG
from aggregation_pipeline.export.observer import RunObserver, SilentObserver
from aggregation_pipeline.instance.worker_run import WorkerRun, run_of_this_process
from aggregation_pipeline.io_managers.resource import build_io_manager
from aggregation_pipeline.project import Project, load_usable_project
from aggregation_pipeline.resources.heartbeat import HEARTBEAT, build_heartbeat
from aggregation_pipeline.resources.publisher import IO_MANAGER, PUBLISHER, Publisher, build_publisher, publisher_of
from aggregation_pipeline.services import loaded_config_digests
from aggregation_pipeline.settings.base import Settings, load_settings
from aggregation_pipeline.settings.code_snapshot import loaded_config_text, pass_on_environment
from aggregation_pipeline.settings.environment import env_file
from aggregation_pipeline.settings.garbage_collection import garbage_collection_paused
from aggregation_pipeline.settings.rules import refuse_other_rules

if TYPE_CHECKING:
    from aggregation_pipeline.batch_jobs.repository import OpenRepository

log = logging.getLogger(__name__)


@garbage_collection_paused()
def build_definitions(
    project: Project, observer: RunObserver | None = None, tables: Sequence[ConfiguredTable] | None = None
) -> Definitions:
    """Build everything that Dagster loads.

    Args:
        project: what is configured.
        observer: gets the progress of the tables that run in this process.
        tables: of the project; what runs of these need is built, and no more. None: all tables.
    """
    settings = project.settings
    observer = observer or SilentObserver()
    open_repository = project.repository_opener("aggregation sensors")
    groups = groups_of(project, tables)
    tables = project.tables if tables is None else tables
    jobs = [build_job(group) for group in groups]
    publisher = publisher_of(settings)
    ticks = ticks_of(project, tables)
    node_files = [build_node_files_job(ticks)] if ticks else []
    retention = build_retention_job(project)
    pruning = _pruning(settings, open_repository)
    return Definitions(
        assets=[
            *build_sources(tables),
            *(build_table(each, observer) for each in tables),
            *map(build_node_files, ticks),
        ],
        jobs=[*jobs, *node_files, retention, *pruning],
        schedules=[
            *(build_schedule(group) for group in groups if group.crons),
            build_retention_schedule(retention, project),
            *(build_prune_schedule(each, settings.zone) for each in pruning),
        ],
        sensors=[
            *build_catch_up(tables),
            *build_refresh(groups, jobs, publisher),
            *build_sensors(
                open_repository=open_repository,
                deployment=settings.deployment_name,
                platforms=project.platforms,
                names=project.names,
                job_type=settings.batch_job_type,
                secrets=settings.secrets,
                history=settings.batch_jobs_history,
                locks_url=settings.require_dagster_url(),
            ),
            build_lost_runs(LostMessages(settings.require_dagster_url()) if settings.runner == "celery" else None),
            *(build_node_files_sensor(ticks, job) for job in node_files),
            *_alert_sensors(project),
        ],
        resources=_resources(project, publisher),
        executor=build_executor(
            settings.executor,
            functools.partial(begin_run, project),
            lambda instance, run: _heartbeat(instance, run, settings.require_dagster_url()),
        ),
        metadata=project.rules,
    )


def begin_run(project: Project, instance: DagsterInstance, run: DagsterRun) -> None:
    """What happens in the process of a run before its first table.

    Raises:
        SettingsError: the run is in a container that was planned by other rules than its own.
    """
    refuse_other_rules(run.run_id, run.tags, project.settings)
    set_pool_limits(instance, pool_limits(project), project.settings.deployment_name)
    project.live_updates("aggregation run").start(instance, run.run_id)


def _pruning(settings: Settings, open_repository: "OpenRepository") -> list[JobDefinition]:
    days = settings.batch_jobs_retention_days
    if days is None:
        return []
    return [build_prune_job(open_repository=open_repository, deployment=settings.deployment_name, days=days)]


def _heartbeat(instance: DagsterInstance, run: DagsterRun, url: str) -> AbstractContextManager[None]:
    from aggregation_pipeline.runs.heartbeat import worker_heartbeat

    return worker_heartbeat(instance, run, url)


def _resources(project: Project, publisher: Publisher) -> dict[str, object]:
    settings = project.settings
    return {
        PUBLISHER: build_publisher(publisher),
        HEARTBEAT: build_heartbeat(
            locks_url=settings.require_dagster_url(), one_process=settings.executor == "in_process"
        ),
        IO_MANAGER: build_io_manager(publisher, {table.entry.name: table.entry for table in project.tables}),
    }


def _alert_sensors(project: Project) -> list[SensorDefinition]:
    if not project.settings.alert_urls:
        return []
    from aggregation_pipeline.automation.alert_sensor import build_alert_sensors

    return build_alert_sensors(project.settings, project.monitored_tables)


@definitions
def defs() -> Definitions:
    """Build the definitions of this deployment. Dagster's processes call it; importing this module does not.

    A process that executes a run gets only what the run needs.
    """
    worker = run_of_this_process()
    with garbage_collection_paused(then_freeze=True):
        found = build_definitions(_load()) if worker is None else _definitions_of_run(worker)
        # What Dagster asks for next. It is kept.
        found.get_repository_def()
    return found


# Dagster loads the code of a run twice: once to see whether it can be loaded, and once for the run's selection.
@functools.lru_cache(maxsize=1)
def _definitions_of_run(worker: WorkerRun) -> Definitions:
    project = _load()
    # A module of a user's own that adds to these definitions may name any table.
    needed = tables_of_run(project.tables, worker) if worker.module == __name__ else None
    if needed is not None:
        found = build_definitions(project, tables=needed)
        if executes_the_plan(found, worker):
            log.debug("run %s: built %d of %d tables", worker.run.run_id, len(needed), len(project.tables))
            return found
    return build_definitions(project)


def _load() -> Project:
    from aggregation_pipeline.instance import log_handlers

    variables = env_file()
    loaded_config_digests.write_record(variables)
    settings = load_settings()
    config = settings.aggregation_config or DEFAULT_CONFIG
    loaded_config_digests.write_record(variables, config.absolute())
    loaded_config_digests.forget_record()
    pass_on_environment(settings.variable_names)
    log_handlers.configure(settings)
    content = loaded_config_text(config, settings.temp_dir)
    return load_usable_project(settings, content)
