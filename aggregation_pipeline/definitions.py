"""The assembly point: settings and aggregation.yaml in, Dagster definitions out. Nothing here opens a connection."""

from dagster import Definitions, definitions

from aggregation_pipeline.assets.source_assets import build_sources
from aggregation_pipeline.assets.tables import build_table
from aggregation_pipeline.automation.alert_sensor import build_alert_sensors
from aggregation_pipeline.automation.batch_jobs_retention import build_prune_job, build_prune_schedule
from aggregation_pipeline.automation.batch_jobs_sensors import build_sensors
from aggregation_pipeline.automation.catch_up import build_catch_up
from aggregation_pipeline.automation.executors import build_executor
from aggregation_pipeline.automation.job_groups import groups_of
from aggregation_pipeline.automation.jobs import build_job
from aggregation_pipeline.automation.lost_runs import build_lost_runs
from aggregation_pipeline.automation.retention import build_retention_job, build_retention_schedule
from aggregation_pipeline.automation.schedules import build_schedule
from aggregation_pipeline.batch_jobs.repository import repository_opener
from aggregation_pipeline.config.loading import DEFAULT_CONFIG
from aggregation_pipeline.export.observer import RunObserver, SilentObserver
from aggregation_pipeline.instance import log_handlers
from aggregation_pipeline.io_managers.oss import OSSIOManager, build_io_manager
from aggregation_pipeline.project import Project, load_usable_project
from aggregation_pipeline.resources.heartbeat import HEARTBEAT, build_heartbeat
from aggregation_pipeline.resources.publisher import PUBLISHER, Publisher, build_publisher
from aggregation_pipeline.services import loaded_config_digests
from aggregation_pipeline.settings.base import Settings, load_settings
from aggregation_pipeline.settings.code_snapshot import loaded_config_text, pass_on_environment
from aggregation_pipeline.settings.connections import open_store
from aggregation_pipeline.settings.environment import env_file


def build_definitions(project: Project, observer: RunObserver | None = None) -> Definitions:
    """Build everything that Dagster loads. `observer` gets the progress of the tables that run in this process."""
    settings = project.settings
    observer = observer or SilentObserver()
    publisher = Publisher(
        open_store(settings),
        settings.oss_prefix,
        settings.temp_dir,
        settings.require_dagster_url(),
        settings.oss_link_seconds if settings.oss_links_in_metadata else None,
    )
    io_manager = OSSIOManager(publisher, {table.entry.name: table.entry for table in project.tables})
    open_repository = repository_opener(settings, application_name="aggregation sensors")
    groups = groups_of(project)
    jobs = [build_job(group) for group in groups]
    retention = build_retention_job(project)
    kept = settings.batch_jobs_retention_days
    pruning = (
        []
        if kept is None
        else [build_prune_job(open_repository=open_repository, deployment=settings.deployment_name, days=kept)]
    )
    return Definitions(
        assets=[*build_sources(project.tables), *(build_table(table, observer) for table in project.tables)],
        jobs=[*jobs, retention, *pruning],
        schedules=[
            *(build_schedule(group) for group in groups if group.crons),
            build_retention_schedule(retention, project),
            *(build_prune_schedule(each, settings.zone) for each in pruning),
        ],
        sensors=[
            *build_catch_up(project.tables),
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
            build_lost_runs(),
            *build_alert_sensors(settings, project.monitored_tables),
        ],
        resources={
            PUBLISHER: build_publisher(publisher),
            HEARTBEAT: build_heartbeat(
                locks_url=settings.require_dagster_url(), one_process=settings.executor == "in_process"
            ),
            "io_manager": build_io_manager(io_manager),
        },
        executor=build_executor(settings.executor, project.live_updates("aggregation run").start),
    )


@definitions
def defs() -> Definitions:
    """Build the definitions of this deployment. Dagster's processes call it; importing this module does not."""
    variables = env_file()
    loaded_config_digests.write_record(variables)
    settings = load_settings()
    config = settings.aggregation_config or DEFAULT_CONFIG
    loaded_config_digests.write_record(variables, config.absolute())
    loaded_config_digests.forget_record()
    pass_on_environment(Settings.model_fields)
    log_handlers.configure(settings)
    content = loaded_config_text(config, settings.temp_dir)
    return build_definitions(load_usable_project(settings, content))
